//! macOS: counts by name. Threads cannot be bound to CPUs: `THREAD_AFFINITY_POLICY` is a hint, and
//! none at all on Apple's own processors.
#![allow(
    unsafe_code,
    reason = "sysctl has no safe door without another dependency"
)]

use core::{ffi::c_void, ptr};
use std::{ffi::CString, io};

use super::{
    super::{error::TopologyError, facts::Facts},
    parse_macos,
};

/// Whether threads can be bound to CPUs.
pub(crate) const PINS: bool = false;

pub(in super::super) fn detect() -> Result<Facts, TopologyError> {
    parse_macos::facts(sysctl)
}

fn sysctl(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let mut value = 0_u32;
    let mut size = size_of::<u32>();
    // SAFETY: the name ends in a zero byte, `value` has the `size` bytes that may be written, and
    // nothing is set, so that no new value is read (`sysctl(3)`).
    let failed = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            (&raw mut value).cast::<c_void>(),
            &raw mut size,
            ptr::null_mut(),
            0,
        )
    };
    (failed == 0 && size == size_of::<u32>()).then_some(value)
}

pub(in super::super) fn current_cpu() -> Option<u32> {
    None
}

/// Binds the calling thread to these CPUs.
pub(crate) fn pin(_cpus: &[u32]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
