//! Joining fibers: for as long as it takes, for so long, and whatever happens to the caller.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{
    ffi::c_void,
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use dtact::{JoinError, time::timeout};

use crate::{
    boundary,
    error::Error,
    fiber::{FIBERS, refused},
    status::DtactStatus,
    table::{DtactHandle, lock},
    task::Returned,
};

/// A time that is never over: `DTACT_NO_TIMEOUT`.
const NO_TIMEOUT: u64 = u64::MAX;

/// Waits for a fiber to end, and writes what its callback returned to `result`, unless that is
/// null.
///
/// # Safety
///
/// - `result` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_join(
    handle: DtactHandle,
    result: *mut *mut c_void,
) -> DtactStatus {
    let join = |claim: &Claim| boundary::interruptible(poll_fn(|cx| claim.poll(cx)))?;
    // SAFETY: as the caller promises.
    unsafe { join_by(join, handle, result) }
}

/// As [`dtact_fiber_join`], but for no longer than `timeout_ms` milliseconds: then the handle stays
/// valid.
///
/// # Safety
///
/// - `result` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_join_timeout(
    handle: DtactHandle,
    timeout_ms: u64,
    result: *mut *mut c_void,
) -> DtactStatus {
    if timeout_ms == NO_TIMEOUT {
        // SAFETY: as the caller promises.
        return unsafe { dtact_fiber_join(handle, result) };
    }
    let span = Duration::from_millis(timeout_ms);
    let join = |claim: &Claim| {
        let ended = timeout(span, poll_fn(|cx| claim.poll(cx)));
        boundary::interruptible(ended)?.unwrap_or(Err(Error::TimedOut(timeout_ms)))
    };
    // SAFETY: as the caller promises.
    unsafe { join_by(join, handle, result) }
}

/// [`dtact_fiber_join_timeout`] by its short name.
///
/// # Safety
///
/// - `result` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_join(
    handle: DtactHandle,
    timeout_ms: u64,
    result: *mut *mut c_void,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe { dtact_fiber_join_timeout(handle, timeout_ms, result) }
}

/// As [`dtact_fiber_join`], but a cancellation of the calling fiber does not cut it short.
///
/// # Safety
///
/// - `result` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_join_regardless(
    handle: DtactHandle,
    result: *mut *mut c_void,
) -> DtactStatus {
    let join = |claim: &Claim| boundary::shielded(poll_fn(|cx| claim.poll(cx)))?;
    // SAFETY: as the caller promises.
    unsafe { join_by(join, handle, result) }
}

/// What the ways to join have in common.
///
/// # Safety
///
/// - `result` is null or can be written.
unsafe fn join_by(
    join: impl FnOnce(&Claim) -> Result<Returned, Error>,
    handle: DtactHandle,
    result: *mut *mut c_void,
) -> DtactStatus {
    boundary::enter(|| {
        // First, so that a join which cannot be does not keep others from theirs for a moment.
        boundary::may_wait()?;
        let claim = Claim::new(handle)?;
        let returned = join(&claim)?;
        if !result.is_null() {
            // SAFETY: not null, and writable as the caller promises.
            unsafe { result.write(returned.0) };
        }
        Ok(())
    })
}

/// The right to join a fiber: one at a time has it [ffi.T2]. The handle stays in the table, so
/// that the fiber can be cancelled meanwhile; and stays valid where the wait is cut short.
struct Claim(DtactHandle);

impl Claim {
    fn new(handle: DtactHandle) -> Result<Self, Error> {
        let mut fibers = lock(&FIBERS);
        let fiber = fibers.get(handle).map_err(refused(handle))?;
        if fiber.would_deadlock() {
            return Err(Error::Join(JoinError::Deadlock));
        }
        fibers.claim(handle).map_err(refused(handle))?;
        drop(fibers);
        Ok(Self(handle))
    }

    /// Looks whether the fiber has ended; if so, the handle names nothing any more.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Returned, Error>> {
        let mut fibers = lock(&FIBERS);
        let polled = match fibers.get(self.0) {
            Ok(fiber) => Pin::new(fiber).poll(cx),
            Err(error) => return Poll::Ready(Err(refused(self.0)(error))),
        };
        let spent = polled.is_ready().then(|| fibers.remove_claimed(self.0));
        drop(fibers);
        drop(spent);
        polled.map_err(Error::Join)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Nothing where the entry is gone: its handle is never given out again [ffi.T1].
        lock(&FIBERS).release(self.0);
    }
}
