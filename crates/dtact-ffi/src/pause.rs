//! Waiting for nothing but time, or the others.

#![allow(unsafe_code, reason = "exports symbols")]

use core::time::Duration;

use dtact::{time::sleep, yield_now};

use crate::{boundary, status::DtactStatus};

/// Lets the other fibers of the worker run. Outside of a fiber it returns at once.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_fiber_yield() -> DtactStatus {
    boundary::enter(|| boundary::interruptible(yield_now()))
}

/// [`dtact_fiber_yield`] by its short name.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_yield() -> DtactStatus {
    dtact_fiber_yield()
}

/// Waits for so many milliseconds, at least: the fiber, or, outside of one, the thread.
///
/// # Examples
///
/// ```
/// use dtact_ffi::{DtactStatus, dtact_sleep};
///
/// assert_eq!(dtact_sleep(1), DtactStatus::Ok);
/// ```
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_sleep(ms: u64) -> DtactStatus {
    boundary::enter(|| boundary::interruptible(sleep(Duration::from_millis(ms))))
}
