//! By a pipe with a byte in it, as POSIX has it.

#![allow(unsafe_code, reason = "calls the operating system")]

use core::ffi::c_int;
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
};

/// A pipe, which is readable while there is a byte in it.
#[derive(Debug)]
pub(crate) struct Signal {
    read: File,
    write: File,
}

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        let (read, write) = io::pipe()?;
        let [read, write] = [OwnedFd::from(read), OwnedFd::from(write)].map(File::from);
        for end in [&read, &write] {
            // SAFETY: a descriptor that is open, and numbers.
            let set = unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
            if set < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self { read, write })
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        // It fails only where the pipe is full: then it is readable.
        let _readable_anyway: io::Result<_> = (&self.write).write(&[1]);
    }

    /// Makes it unreadable again, after one `raise`.
    pub(crate) fn clear(&self) {
        // It fails only where the pipe is empty.
        let _empty_anyway: io::Result<_> = (&self.read).read(&mut [0; 8]);
    }

    pub(crate) fn descriptor(&self) -> c_int {
        self.read.as_raw_fd()
    }
}
