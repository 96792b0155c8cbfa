//! Unix other than Linux, such as macOS and FreeBSD: anonymous private mappings, guards by
//! protection.
//!
//! Pages are of 16 KiB on Apple's processors. Memory is counted when it is touched, and mappings
//! have no limit but memory. An access to a guard may come as `SIGBUS`.
#![allow(unsafe_code, reason = "system calls on address ranges")]

use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::{PageRange, Platform, Touched, errno_of, last_errno};
use crate::error::Errno;

/// The kernel.
pub(crate) struct Unix;

/// What is answered where the system has no such thing.
const NOT_SUPPORTED: Errno = Errno(libc::ENOTSUP);

/// The advice by which memory goes back: the page reads as zero afterwards, or as it was.
///
/// The one of Apple's also takes it off the account of the process at once, as its allocator does;
/// `MADV_FREE` does so when memory is short.
#[cfg(target_vendor = "apple")]
const FREE: libc::c_int = libc::MADV_FREE_REUSABLE;
#[cfg(not(target_vendor = "apple"))]
const FREE: libc::c_int = libc::MADV_FREE;

/// How many pages are asked about in one call.
const PAGES: usize = 512;

// SAFETY: the page size is the kernel's own answer; a private anonymous mapping is page-aligned,
// zero, and placed by the kernel where nothing else is mapped. Of the calls below only the advice
// to free changes what a page holds.
unsafe impl Platform for Unix {
    fn page_bytes() -> usize {
        rustix::param::page_size()
    }

    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        // SAFETY: without MAP_FIXED the kernel picks the place, so no mapping is replaced.
        let bottom = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                bytes.get(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let bottom = bottom.map_err(errno_of)?;
        Ok(
            NonNull::new(bottom.cast())
                .expect("a mapping placed by the kernel is not at address 0"),
        )
    }

    fn reserve_uncommitted(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        Self::reserve(bytes)
    }

    unsafe fn commit(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) -> Result<(), Errno> {
        // SAFETY: the caller passes one whole reservation that nothing uses any more.
        unsafe { rustix::mm::munmap(bottom.as_ptr().cast(), bytes.get()) }.map_err(errno_of)
    }

    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno> {
        for range in ranges {
            let bottom = range.bottom.as_ptr().cast();
            // SAFETY: the caller's range, whose content nobody needs.
            let result = unsafe { libc::madvise(bottom, range.bytes, FREE) };
            if result != 0 {
                return Err(last_errno());
            }
        }
        Ok(())
    }

    fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
        let page_bytes = Self::page_bytes();
        let count = bytes / page_bytes;
        let mut touched = Touched::default();
        let mut answers = [0_u8; PAGES];
        for start in (0..count).step_by(PAGES) {
            let pages = PAGES.min(count - start);
            let at = bottom.as_ptr().wrapping_add(start * page_bytes).cast();
            // SAFETY: only asks about the addresses; the answers have a byte for each page.
            let result =
                unsafe { libc::mincore(at, pages * page_bytes, answers.as_mut_ptr().cast()) };
            if result != 0 {
                return Err(last_errno());
            }
            for (page, answer) in (start..).zip(&answers[..pages]) {
                // Bit 0 is "in memory". A page in swap is taken for one never touched.
                touched.add(page, page_bytes, answer & 1 == 1, false);
            }
        }
        Ok(touched)
    }

    unsafe fn refuse_huge_pages(_: NonNull<u8>, _: usize) {
        // There are none that come without being asked for; FreeBSD's go as the pages are split.
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
        let bottom = bottom.as_ptr().cast();
        // SAFETY: the range is ours and holds nothing, so it may become inaccessible.
        unsafe { rustix::mm::mprotect(bottom, bytes, MprotectFlags::empty()) }.map_err(errno_of)
    }

    unsafe fn unguard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        let usable = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range is ours, and was readable and writable when it was reserved.
        unsafe { rustix::mm::mprotect(bottom.as_ptr().cast(), bytes, usable) }.map_err(errno_of)
    }

    fn max_map_count() -> u64 {
        // No limit but memory.
        u64::MAX
    }

    fn is_out_of_maps(_: Errno) -> bool {
        false
    }
}
