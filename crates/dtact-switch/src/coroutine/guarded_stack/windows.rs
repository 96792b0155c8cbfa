//! The mapping of a stack on Windows.
//!
//! ```text
//!   top ─►      ┌──────────────┐ ┐
//!               │ committed    │ │ usable
//!   bottom ─►   ├──────────────┤ ┤
//!               │ PAGE_GUARD   │ │ OVERFLOW_BYTES, rounded up to pages ┐
//!               ├──────────────┤ ┘                                     ├ guard
//!               │ reserved     │   one page                            ┘
//!   mapping ─►  └──────────────┘
//! ```
//!
//! The first touch of the guard is an overflow: the system opens all of it but the lowest page, for
//! handlers to run on, and raises `STATUS_STACK_OVERFLOW`. Where that is it knows by
//! `DeallocationStack` and `GuaranteedStackBytes` in the thread's block, which a context carries.
//! The handler of the standard library then says that the thread has overflowed its stack, and the
//! process ends.
//!
//! A thread's stack grows: it is committed page by page, and its guard moves down. This one is
//! committed at once, so that it needs no handling of growth where it is used again. That counts
//! against the commit limit of the system, but memory is used when it is first touched.

use core::ptr::{self, NonNull};
use std::io;

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_GUARD, PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc,
    VirtualFree,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};

/// What the handlers of an overflow may use, in bytes: what the standard library asks for its
/// threads, by `SetThreadStackGuarantee`.
pub(super) const OVERFLOW_BYTES: u32 = 0x5000;

/// The size of a page, in bytes.
pub(super) fn page_bytes() -> usize {
    let mut info = SYSTEM_INFO::default();
    // SAFETY: fills the structure.
    unsafe { GetSystemInfo(&raw mut info) };
    info.dwPageSize as usize
}

/// The size of the guard, in bytes.
pub(super) fn guard_bytes(page_bytes: usize) -> usize {
    (OVERFLOW_BYTES as usize).next_multiple_of(page_bytes) + page_bytes
}

/// Reserves `bytes` of addresses.
pub(super) fn reserve(bytes: usize) -> Result<NonNull<u8>, i32> {
    // SAFETY: a reservation that the system places replaces no other.
    let mapping = unsafe { VirtualAlloc(ptr::null(), bytes, MEM_RESERVE, PAGE_NOACCESS) };
    NonNull::new(mapping.cast::<u8>()).ok_or_else(last_error)
}

/// Commits all but the lowest page, and guards what is below the usable part.
///
/// # Safety
///
/// `mapping` is from [`reserve`], has `guard_bytes + usable_bytes`, and nothing uses it.
pub(super) unsafe fn open(
    mapping: NonNull<u8>,
    guard_bytes: usize,
    usable_bytes: usize,
) -> Result<(), i32> {
    let page_bytes = page_bytes();
    // SAFETY: inside of the mapping.
    let guard = unsafe { mapping.byte_add(page_bytes) };
    // SAFETY: a part of a reservation that nothing uses.
    unsafe { commit(guard, guard_bytes - page_bytes, PAGE_READWRITE | PAGE_GUARD) }?;
    // SAFETY: inside of the mapping.
    let bottom = unsafe { mapping.byte_add(guard_bytes) };
    // SAFETY: a part of a reservation that nothing uses.
    unsafe { commit(bottom, usable_bytes, PAGE_READWRITE) }
}

/// Commits a part of a reservation.
///
/// # Safety
///
/// It is one, in whole pages, and nothing uses it.
unsafe fn commit(place: NonNull<u8>, bytes: usize, protection: u32) -> Result<(), i32> {
    // SAFETY: the caller's.
    let committed = unsafe { VirtualAlloc(place.as_ptr().cast(), bytes, MEM_COMMIT, protection) };
    if committed.is_null() {
        return Err(last_error());
    }
    Ok(())
}

/// Gives the reservation back.
///
/// # Safety
///
/// `mapping` is from [`reserve`], and used by nobody from here on.
pub(super) unsafe fn release(mapping: NonNull<u8>, _bytes: usize) -> Result<(), i32> {
    // SAFETY: the caller's; of a whole reservation the size is known.
    let released = unsafe { VirtualFree(mapping.as_ptr().cast(), 0, MEM_RELEASE) };
    if released == 0 {
        return Err(last_error());
    }
    Ok(())
}

fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
