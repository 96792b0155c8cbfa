//! Linux: anonymous private mappings without reserve, guard advice where the kernel has it.
//!
//! Guard advice came with Linux 6.13. It marks page-table entries, so a guarded stack costs no
//! mapping of its own; `madvise(2)`, `MADV_GUARD_INSTALL`. It is refused (`EINVAL`) on older
//! kernels, and on locked memory on any. Emulators in user mode may take any advice and do nothing.
#![allow(unsafe_code, reason = "system calls on address ranges")]

mod advice;
mod node;
mod touched;

use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};
use std::fs;

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::{PageRange, Platform, Touched, errno_of, last_errno};
use crate::error::Errno;

/// What `vm.max_map_count` is unless an administrator changed it (`DEFAULT_MAX_MAP_COUNT`).
const MAX_MAP_COUNT_DEFAULT: u64 = 65_530;

/// The Linux kernel.
pub(crate) struct Linux;

// SAFETY: the page size is the kernel's own answer; a private anonymous mapping is page-aligned,
// zero, and placed by the kernel where nothing else is mapped. Of the calls below only the advice
// to forget, the guards and their removal change what a page holds.
unsafe impl Platform for Linux {
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
                MapFlags::PRIVATE | MapFlags::NORESERVE,
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
        // Without reserve, memory counts when it is touched.
        Ok(())
    }

    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) -> Result<(), Errno> {
        // SAFETY: the caller passes one whole reservation that nothing uses any more.
        unsafe { rustix::mm::munmap(bottom.as_ptr().cast(), bytes.get()) }.map_err(errno_of)
    }

    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno> {
        // SAFETY: the caller's ranges, whose content nobody needs.
        unsafe { advice::each(ranges, libc::MADV_DONTNEED) }
    }

    fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
        touched::touched(bottom, bytes)
    }

    unsafe fn refuse_huge_pages(bottom: NonNull<u8>, bytes: usize) {
        let bottom = bottom.as_ptr().cast();
        // EINVAL is a kernel without huge pages: there is nothing to refuse.
        // SAFETY: the range is ours, and this advice changes no content.
        let _ = unsafe { rustix::mm::madvise(bottom, bytes, Advice::LinuxNoHugepage) };
    }

    fn are_huge_pages_off() -> bool {
        // A kernel without them has no such file, and refuses the request.
        fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
            .is_ok_and(|text| text.contains("[never]"))
    }

    unsafe fn request_huge_pages(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        let bottom = bottom.as_ptr().cast();
        // SAFETY: the range is ours, and this advice changes no content.
        unsafe { rustix::mm::madvise(bottom, bytes, Advice::LinuxHugepage) }.map_err(errno_of)
    }

    unsafe fn prefer_node(bottom: NonNull<u8>, bytes: usize, node: u32) -> Result<(), Errno> {
        // SAFETY: the caller's range.
        unsafe { node::prefer(bottom, bytes, node) }
    }

    unsafe fn guard_by_advice(ranges: &[PageRange]) -> Result<(), Errno> {
        // SAFETY: the caller's ranges, which hold nothing, so they may lose their content and
        // fault.
        unsafe { advice::each(ranges, advice::GUARD_INSTALL) }
    }

    unsafe fn unguard_by_advice(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        // SAFETY: the caller's range; pages that are no guards are left as they are.
        unsafe { advice::one(PageRange { bottom, bytes }, advice::GUARD_REMOVE) }
    }

    unsafe fn refuses_unknown_advice(bottom: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the range is ours and holds nothing, whatever the advice may come to mean.
        unsafe { advice::one(PageRange { bottom, bytes }, advice::UNKNOWN) }.is_err()
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
        // Where /proc is not mounted the kernel's default is the best guess, and a wrong guess is
        // still caught: mprotect itself fails with ENOMEM.
        fs::read_to_string("/proc/sys/vm/max_map_count")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(MAX_MAP_COUNT_DEFAULT)
    }

    fn is_out_of_maps(errno: Errno) -> bool {
        errno.0 == libc::ENOMEM
    }
}
