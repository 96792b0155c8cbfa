//! Windows: `VirtualAlloc`, which reserves addresses and commits memory in two steps.
//!
//! ```text
//!   top ─►      ┌──────────────┐ ┐
//!               │ committed    │ │ the pages of the stack
//!   bottom ─►   ├──────────────┤ ┤
//!               │ PAGE_GUARD   │ │ opened to the handlers of an overflow ┐
//!               ├──────────────┤ ┘                                       ├ guard
//!               │ no access    │   one page                              ┘
//!   lowest ─►   └──────────────┘
//! ```
//!
//! The system counts memory when it is committed, not when it is touched, so a stack is committed
//! when it is first taken, all of it. What is reserved to be usable at once, cells and tables, is
//! committed with the reservation. Memory is used when it is touched, here as elsewhere.
//!
//! The first touch of a `PAGE_GUARD` page of the stack that the thread's block (TEB) describes is a
//! stack overflow: the system opens the pages and raises `STATUS_STACK_OVERFLOW`. Elsewhere it is
//! `STATUS_GUARD_PAGE_VIOLATION`, once. So whoever runs on a stack writes top, bottom, the lowest
//! byte and the bytes of `PAGE_GUARD` pages into the block, as `SwitchToFiber` does, and as the
//! contexts of dtact-switch do.
#![allow(unsafe_code, reason = "system calls on address ranges")]

use core::ffi::c_void;
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

use windows_sys::Win32::Foundation::ERROR_NOT_SUPPORTED;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, MEM_RESET, PAGE_GUARD, PAGE_NOACCESS,
    PAGE_PROTECTION_FLAGS, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualProtect,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32QueryWorkingSetEx, PSAPI_WORKING_SET_EX_INFORMATION,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::{PageRange, Platform, Touched, last_errno};
use crate::error::Errno;

/// The Windows kernel, or what stands in for it.
pub(crate) struct Windows;

/// What is answered where Windows has no such thing.
const NOT_SUPPORTED: Errno = Errno(ERROR_NOT_SUPPORTED.cast_signed());

/// How many pages are asked about in one call.
const PAGES: usize = 128;

// SAFETY: the page size is the system's own answer; committed memory is zero, and placed by the
// system where nothing else is, at a multiple of 64 KiB. Of the calls below only the reset changes
// what a page holds.
unsafe impl Platform for Windows {
    fn page_bytes() -> usize {
        let mut info = SYSTEM_INFO::default();
        // SAFETY: fills the structure.
        unsafe { GetSystemInfo(&raw mut info) };
        info.dwPageSize as usize
    }

    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        // SAFETY: the system picks the place, so no mapping is replaced.
        unsafe {
            allocate(
                ptr::null(),
                bytes.get(),
                MEM_RESERVE | MEM_COMMIT,
                PAGE_READWRITE,
            )
        }
    }

    fn reserve_uncommitted(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        // SAFETY: the system picks the place, so no mapping is replaced.
        unsafe { allocate(ptr::null(), bytes.get(), MEM_RESERVE, PAGE_NOACCESS) }
    }

    unsafe fn commit(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        // SAFETY: the caller's range. What is committed stays as it is.
        unsafe { allocate(bottom.as_ptr().cast(), bytes, MEM_COMMIT, PAGE_READWRITE) }.map(drop)
    }

    unsafe fn release(bottom: NonNull<u8>, _: NonZeroUsize) -> Result<(), Errno> {
        // SAFETY: the caller passes one whole reservation, whose size the system knows, and that
        // nothing uses any more.
        done(unsafe { VirtualFree(bottom.as_ptr().cast(), 0, MEM_RELEASE) })
    }

    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno> {
        for range in ranges {
            let bottom = range.bottom.as_ptr().cast();
            // The protection must be a valid one, and has no effect; guards stay.
            // SAFETY: the caller's range, whose content nobody needs.
            unsafe { allocate(bottom, range.bytes, MEM_RESET, PAGE_READWRITE) }?;
        }
        Ok(())
    }

    fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
        let page_bytes = Self::page_bytes();
        let count = bytes / page_bytes;
        let mut touched = Touched::default();
        let mut answers = [PSAPI_WORKING_SET_EX_INFORMATION::default(); PAGES];
        for start in (0..count).step_by(PAGES) {
            let answers = &mut answers[..PAGES.min(count - start)];
            for (page, answer) in (start..).zip(&mut *answers) {
                answer.VirtualAddress = bottom.as_ptr().wrapping_add(page * page_bytes).cast();
            }
            let bytes = u32::try_from(size_of_val(answers)).expect("a few KiB");
            // SAFETY: a handle that needs no closing.
            let process = unsafe { GetCurrentProcess() };
            // SAFETY: asks about addresses, and fills in the answers.
            done(unsafe { K32QueryWorkingSetEx(process, answers.as_mut_ptr().cast(), bytes) })?;
            for (page, answer) in (start..).zip(&*answers) {
                // SAFETY: every bit pattern is one of the number.
                let flags = unsafe { answer.VirtualAttributes.Flags };
                // Bit 0 is "valid". A page that was written to the paging file is not: the system
                // does not say of which ones that is so.
                touched.add(page, page_bytes, flags & 1 == 1, false);
            }
        }
        Ok(touched)
    }

    unsafe fn refuse_huge_pages(_: NonNull<u8>, _: usize) {
        // There are none but for those who ask for them by a privilege.
    }

    fn are_huge_pages_off() -> bool {
        false
    }

    unsafe fn request_huge_pages(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Err(NOT_SUPPORTED)
    }

    unsafe fn prefer_node(_: NonNull<u8>, _: usize, _: u32) -> Result<(), Errno> {
        Err(NOT_SUPPORTED)
    }

    unsafe fn guard_by_advice(_: &[PageRange]) -> Result<(), Errno> {
        Err(NOT_SUPPORTED)
    }

    unsafe fn unguard_by_advice(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Err(NOT_SUPPORTED)
    }

    unsafe fn refuses_unknown_advice(_: NonNull<u8>, _: usize) -> bool {
        true
    }

    unsafe fn guard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        let page_bytes = Self::page_bytes();
        // SAFETY: the lowest page of the caller's range, which holds nothing.
        unsafe { protect(bottom, page_bytes, PAGE_NOACCESS) }?;
        if bytes == page_bytes {
            return Ok(());
        }
        // SAFETY: inside the caller's range.
        let above = unsafe { bottom.add(page_bytes) };
        // SAFETY: the rest of the caller's range, which holds nothing.
        unsafe { protect(above, bytes - page_bytes, PAGE_READWRITE | PAGE_GUARD) }
    }

    unsafe fn unguard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        // SAFETY: the caller's range.
        unsafe { protect(bottom, bytes, PAGE_READWRITE) }
    }

    fn max_map_count() -> u64 {
        // No limit but memory.
        u64::MAX
    }

    fn is_out_of_maps(_: Errno) -> bool {
        false
    }
}

/// Commits pages with a protection, or gives it to those that are committed.
///
/// # Safety
///
/// The range is whole pages inside one reservation, and bears the protection.
unsafe fn protect(
    bottom: NonNull<u8>,
    bytes: usize,
    protection: PAGE_PROTECTION_FLAGS,
) -> Result<(), Errno> {
    let place = bottom.as_ptr().cast();
    // SAFETY: as the caller promises.
    unsafe { allocate(place, bytes, MEM_COMMIT, protection) }?;
    let mut before = 0;
    // SAFETY: as the caller promises. For pages that were committed already.
    done(unsafe { VirtualProtect(place, bytes, protection, &raw mut before) })
}

/// # Safety
///
/// As for `VirtualAlloc`, whose arguments these are.
unsafe fn allocate(
    place: *const c_void,
    bytes: usize,
    what: u32,
    protection: PAGE_PROTECTION_FLAGS,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY: as the caller promises.
    let bottom = unsafe { VirtualAlloc(place, bytes, what, protection) };
    NonNull::new(bottom.cast()).ok_or_else(last_errno)
}

/// What a call says that returns 0 where it fails.
fn done(result: i32) -> Result<(), Errno> {
    if result == 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}
