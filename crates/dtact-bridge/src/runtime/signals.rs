//! What can be asked of signals before one is used.

#![allow(unsafe_code, reason = "a call of the C library")]

use core::{ffi::c_int, mem::MaybeUninit, ptr};

/// Whether the system raises it at a fault of the thread that gets it: then that thread cannot go
/// on, whatever its handler does.
pub(super) fn is_fault(signal: c_int) -> bool {
    [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
    ]
    .contains(&signal)
}

/// What is done at a signal now; `None` for a number that is none.
pub(super) fn action_of(signal: c_int) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: changes nothing, and writes to a place for one action.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: success has written it.
    (asked == 0).then(|| unsafe { action.assume_init() })
}
