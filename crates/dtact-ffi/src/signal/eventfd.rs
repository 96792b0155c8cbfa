//! By an event descriptor: eventfd(2), in the Linux manual pages.

#![allow(unsafe_code, reason = "calls the operating system")]

use core::ffi::c_int;
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsRawFd as _, FromRawFd as _},
};

/// A counter in the kernel, which is readable while it is not 0.
#[derive(Debug)]
pub(crate) struct Signal(File);

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes two numbers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened, and is nobody else's.
        Ok(Self(unsafe { File::from_raw_fd(descriptor) }))
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        // It fails only where the counter is at its end: then it is readable.
        let _readable_anyway: io::Result<_> = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable again.
    pub(crate) fn clear(&self) {
        // It fails only where the counter is 0.
        let _zero_anyway: io::Result<_> = (&self.0).read(&mut [0; 8]);
    }

    pub(crate) fn descriptor(&self) -> c_int {
        self.0.as_raw_fd()
    }
}
