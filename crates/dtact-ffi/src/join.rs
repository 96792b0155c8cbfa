//! Joining fibers: for as long as it takes, for so long, and whatever happens to the caller.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{ffi::c_void, mem::MaybeUninit, ptr, slice, time::Duration};

use dtact::{
    foreign::{Claim, Handle},
    time::timeout,
};

use crate::{
    boundary,
    error::Error,
    fiber::{DtactHandle, refused},
    status::DtactStatus,
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
    // SAFETY: as the caller promises.
    unsafe { join_pointer(wait_for, handle, result) }
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
    let wait = |claim: &mut Claim| {
        let ended = boundary::interruptible(timeout(span, claim.ending()))?;
        ended.map_err(|_| Error::TimedOut(timeout_ms))
    };
    // SAFETY: as the caller promises.
    unsafe { join_pointer(wait, handle, result) }
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
    // SAFETY: as the caller promises.
    unsafe { join_pointer(shielded_for, handle, result) }
}

/// As [`dtact_fiber_join`], for a value of any type that C has: its bytes are written to `out`,
/// unless that is null. `size` is how many there are.
///
/// # Safety
///
/// - `out` is null, or `size` bytes of it can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_join_into(
    handle: DtactHandle,
    out: *mut c_void,
    size: usize,
) -> DtactStatus {
    boundary::enter(|| {
        let to: &mut [MaybeUninit<u8>] = if out.is_null() || size == 0 {
            &mut []
        } else {
            // SAFETY: as the caller promises; it is the caller's alone until this returns.
            unsafe { slice::from_raw_parts_mut(out.cast(), size) }
        };
        join_by(wait_for, handle, |has| {
            let fits = out.is_null() || has == Some(size);
            fits.then_some(to)
                .ok_or(Error::ValueSize { has, asked: size })
        })
    })
}

/// Waits until the fiber has ended, or the calling one is cancelled.
fn wait_for(claim: &mut Claim) -> Result<(), Error> {
    boundary::waiting(|| claim.wait())
}

/// Waits until the fiber has ended.
fn shielded_for(claim: &mut Claim) -> Result<(), Error> {
    boundary::waiting(|| claim.wait_shielded())
}

/// What the joins of callbacks have in common: their values are pointers.
///
/// # Safety
///
/// - `result` is null or can be written.
unsafe fn join_pointer(
    wait: impl FnOnce(&mut Claim) -> Result<(), Error>,
    handle: DtactHandle,
    result: *mut *mut c_void,
) -> DtactStatus {
    const SIZE: usize = size_of::<*mut c_void>();
    boundary::enter(|| {
        if result.is_null() {
            return join_by(wait, handle, |_| Ok(&mut []));
        }
        let mut value = MaybeUninit::new(ptr::null_mut::<c_void>());
        // SAFETY: the bytes of a local variable, which is not named again until they are over.
        let bytes = unsafe { slice::from_raw_parts_mut(value.as_mut_ptr().cast(), SIZE) };
        join_by(wait, handle, |has| match has {
            Some(SIZE) => Ok(bytes),
            // Null, for what returns nothing.
            Some(0) => Ok(&mut []),
            _ => Err(Error::ValueSize { has, asked: SIZE }),
        })?;
        // SAFETY: it was null, and may have been written as a whole since.
        let value = unsafe { value.assume_init() };
        // SAFETY: not null, and writable as the caller promises.
        unsafe { result.write(value) };
        Ok(())
    })
}

/// What all ways to join have in common. `place` says where a value of its size is to go.
fn join_by<'out>(
    wait: impl FnOnce(&mut Claim) -> Result<(), Error>,
    handle: DtactHandle,
    place: impl FnOnce(Option<usize>) -> Result<&'out mut [MaybeUninit<u8>], Error>,
) -> Result<(), Error> {
    let name = Handle::from_raw(handle);
    // First, so that a join which cannot be does not keep others from theirs for a moment.
    boundary::may_join(|| name.is_finished() == Ok(true))?;
    // Where the wait is cut short, or there is no place, the claim is given back, and the handle
    // stays valid.
    let mut claim = name.claim().map_err(refused(handle))?;
    let to = place(claim.value_size())?;
    if !claim.is_ended() {
        wait(&mut claim)?;
    }
    claim.take(to).map_err(Error::Join)
}
