//! Linux: anonymous private mappings without reserve, guard advice where the kernel has it.
//!
//! Guard advice came with Linux 6.13. It marks page-table entries, so a guarded stack costs no
//! mapping of its own; `madvise(2)`, `MADV_GUARD_INSTALL`. It is refused (`EINVAL`) on older
//! kernels, and on locked memory on any. Emulators in user mode may take any advice and do nothing.
#![allow(unsafe_code, reason = "system calls on address ranges")]

use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};
use std::fs;

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::Platform;
use crate::error::Errno;

/// `MADV_GUARD_INSTALL` of `linux/mman.h`, the same number on every architecture.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// A number that is no advice. The kernel answers `EINVAL`; emulators in user mode are known to
/// answer success to every advice that they leave out.
const UNKNOWN_ADVICE: libc::c_int = libc::c_int::MAX;

/// What `vm.max_map_count` is unless an administrator changed it (`DEFAULT_MAX_MAP_COUNT`).
const MAX_MAP_COUNT_DEFAULT: u64 = 65_530;

/// The Linux kernel.
pub(crate) struct Linux;

// SAFETY: the page size is the kernel's own answer; a private anonymous mapping is page-aligned,
// zero, and placed by the kernel where nothing else is mapped.
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
        let bottom = bottom.map_err(|errno| Errno(errno.raw_os_error()))?;
        Ok(
            NonNull::new(bottom.cast())
                .expect("a mapping placed by the kernel is not at address 0"),
        )
    }

    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) {
        // SAFETY: the caller passes one whole reservation that nothing uses any more.
        let result = unsafe { rustix::mm::munmap(bottom.as_ptr().cast(), bytes.get()) };
        // It fails where splitting a mapping would exceed the limit of mappings. The reservation
        // then stays: address space lost, nothing unsound.
        debug_assert!(result.is_ok(), "unmapping a whole reservation: {result:?}");
    }

    unsafe fn refuse_huge_pages(bottom: NonNull<u8>, bytes: usize) {
        let bottom = bottom.as_ptr().cast();
        // EINVAL is a kernel without huge pages: there is nothing to refuse.
        // SAFETY: the range is ours, and this advice changes no content.
        let _ = unsafe { rustix::mm::madvise(bottom, bytes, Advice::LinuxNoHugepage) };
    }

    unsafe fn guard_by_advice(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        // SAFETY: the range is ours and holds nothing, so it may lose its content and fault.
        let result = unsafe { libc::madvise(bottom.as_ptr().cast(), bytes, MADV_GUARD_INSTALL) };
        if result == 0 {
            Ok(())
        } else {
            Err(last_errno())
        }
    }

    unsafe fn refuses_unknown_advice(bottom: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the range is ours and holds nothing, whatever the advice may come to mean.
        let result = unsafe { libc::madvise(bottom.as_ptr().cast(), bytes, UNKNOWN_ADVICE) };
        result != 0
    }

    unsafe fn guard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        let bottom = bottom.as_ptr().cast();
        // SAFETY: the range is ours and holds nothing, so it may become inaccessible.
        let result = unsafe { rustix::mm::mprotect(bottom, bytes, MprotectFlags::empty()) };
        result.map_err(|errno| Errno(errno.raw_os_error()))
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

/// The reason of the system call that just failed on this thread.
fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}
