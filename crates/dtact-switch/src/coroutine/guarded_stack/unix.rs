//! The mapping of a stack on Unix.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

/// The least guard in bytes, rounded up to pages.
///
/// Where the compiler probes each page of a large frame, one page catches every overflow. The
/// RISC-V and LoongArch targets have no stack probes: there a frame can step over a page, and a
/// frame of more than 64 KiB over this too.
const GUARD_BYTES_MIN: usize = if cfg!(any(
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "loongarch64"
)) {
    64 * 1024
} else {
    1
};

/// The handler of an overflow runs on a stack of its own.
pub(super) const OVERFLOW_BYTES: u32 = 0;

/// The size of a page, in bytes: 4, 16 or 64 KiB.
pub(super) fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// The size of the guard, in bytes.
pub(super) fn guard_bytes(page_bytes: usize) -> usize {
    GUARD_BYTES_MIN.next_multiple_of(page_bytes)
}

/// Maps `bytes` of which nothing can be accessed yet.
pub(super) fn reserve(bytes: usize) -> Result<NonNull<u8>, i32> {
    // SAFETY: a mapping that the kernel places replaces no other.
    let mapping = unsafe {
        rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), map_flags())
    };
    let mapping = mapping.map_err(Errno::raw_os_error)?;
    Ok(NonNull::new(mapping.cast::<u8>())
        .expect("a mapping placed by the kernel is not at address 0"))
}

/// Opens all above the guard.
///
/// # Safety
///
/// `mapping` is from [`reserve`], has `guard_bytes + usable_bytes`, and nothing uses it.
pub(super) unsafe fn open(
    mapping: NonNull<u8>,
    guard_bytes: usize,
    usable_bytes: usize,
) -> Result<(), i32> {
    // SAFETY: inside of the mapping.
    let bottom = unsafe { mapping.byte_add(guard_bytes) };
    // SAFETY: a part of a mapping that nothing uses.
    let opened = unsafe {
        rustix::mm::mprotect(
            bottom.as_ptr().cast::<c_void>(),
            usable_bytes,
            MprotectFlags::READ | MprotectFlags::WRITE,
        )
    };
    opened.map_err(Errno::raw_os_error)
}

/// Unmaps all.
///
/// # Safety
///
/// `mapping` is from [`reserve`], of that many bytes, and used by nobody from here on.
pub(super) unsafe fn release(mapping: NonNull<u8>, bytes: usize) -> Result<(), i32> {
    // SAFETY: the caller's.
    let result = unsafe { rustix::mm::munmap(mapping.as_ptr().cast(), bytes) };
    // Refused where splitting a merged mapping would exceed the limit of mappings.
    result.map_err(Errno::raw_os_error)
}

/// Private memory that is committed when touched; where the system wants to know, a stack.
fn map_flags() -> MapFlags {
    let flags = MapFlags::PRIVATE;
    // Linux takes it for a request not to back the stack with huge pages. FreeBSD means another
    // thing by it: a stack that grows by itself.
    #[cfg(target_os = "linux")]
    let flags = flags | MapFlags::STACK;
    flags
}
