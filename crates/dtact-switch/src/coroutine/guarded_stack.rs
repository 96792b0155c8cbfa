//! A stack of its own mapping, with a guard below.
//!
//! ```text
//!   top ─►      ┌──────────────┐ ┐
//!               │ usable       │ │ bytes asked for, rounded up to pages
//!   bottom ─►   ├──────────────┤ ┘
//!               │ guard        │   inaccessible: an overflow is a fault
//!   mapping ─►  └──────────────┘
//! ```
//!
//! # Invariants
//!
//! * `[guarded_stack.I1]` `mapping` is the lowest byte of a mapping of `mapping_bytes` that belongs
//!   to this value alone. Its first `guard_bytes` are inaccessible, the others readable and
//!   writable. All three are multiples of the page size.
#![allow(unsafe_code, reason = "maps memory, and vouches for it as a stack")]

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::stack::Stack;
use super::stack_error::StackError;
use crate::Context;

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

/// A stack in a mapping of its own, above a guard that turns an overflow into a fault.
///
/// The system commits its pages when they are first touched, so that the size costs address space
/// and not memory. Making one costs two system calls and a few page faults: recycle it with
/// [`Coroutine::into_stack`](crate::Coroutine::into_stack) where coroutines come and go.
///
/// ```
/// use dtact_switch::{GuardedStack, Stack};
///
/// let stack = GuardedStack::new(10_000)?;
/// let bytes = stack.top().addr().get() - stack.bottom().addr().get();
/// assert!(bytes >= 10_000, "whole pages");
/// # Ok::<(), dtact_switch::StackError>(())
/// ```
#[derive(Debug)]
pub struct GuardedStack {
    mapping: NonNull<u8>,
    guard_bytes: usize,
    mapping_bytes: usize,
}

impl GuardedStack {
    /// The size that [`Coroutine::new`](crate::Coroutine::new) asks for, in bytes: 1 MiB. That is
    /// deep enough for code that was not written with small stacks in mind.
    pub const BYTES_DEFAULT: usize = 1024 * 1024;

    /// Maps a stack of at least `bytes` usable bytes, rounded up to whole pages.
    ///
    /// # Errors
    ///
    /// [`StackError::Zero`] and [`StackError::TooLarge`] for sizes that cannot be;
    /// [`StackError::Refused`] where the system has no room for the mapping or for one more guard.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the kernel places no mapping at address 0 unless it is told to"
    )]
    pub fn new(bytes: usize) -> Result<Self, StackError> {
        if bytes == 0 {
            return Err(StackError::Zero);
        }
        let page_bytes = rustix::param::page_size();
        let too_large = StackError::TooLarge { bytes };
        let usable_bytes = bytes
            .checked_next_multiple_of(page_bytes)
            .ok_or(too_large)?;
        let guard_bytes = GUARD_BYTES_MIN.next_multiple_of(page_bytes);
        let mapping_bytes = usable_bytes
            .checked_add(guard_bytes)
            .filter(|&sum| isize::try_from(sum).is_ok())
            .ok_or(too_large)?;
        let refused = |errno: Errno| StackError::Refused {
            bytes: mapping_bytes,
            errno: errno.raw_os_error(),
        };

        // SAFETY: a mapping that the kernel places replaces no other.
        let mapping = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                mapping_bytes,
                ProtFlags::empty(),
                map_flags(),
            )
        };
        let mapping = NonNull::new(mapping.map_err(refused)?.cast::<u8>())
            .expect("a mapping placed by the kernel is not at address 0");
        let stack = Self {
            mapping,
            guard_bytes,
            mapping_bytes,
        };
        // SAFETY: a part of the mapping above, which nothing uses yet. An error drops `stack`.
        let opened = unsafe {
            rustix::mm::mprotect(
                stack.bottom().as_ptr().cast::<c_void>(),
                usable_bytes,
                MprotectFlags::READ | MprotectFlags::WRITE,
            )
        };
        opened.map_err(refused)?;
        // [guarded_stack.I1] holds.
        Ok(stack)
    }
}

/// Private memory that is committed when touched; where the system wants to know, a stack.
fn map_flags() -> MapFlags {
    let flags = MapFlags::PRIVATE;
    // Linux takes it for a request not to back the stack with huge pages; OpenBSD lets the stack
    // pointer into no other mapping.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "openbsd"))]
    let flags = flags | MapFlags::STACK;
    flags
}

// SAFETY: by [guarded_stack.I1] the mapping does not move with the value and is used by nobody
// else; it stays until the value is dropped, for ever if it is forgotten. Page boundaries are
// aligned more than a stack asks (checked below), and a guard lies below `bottom`.
unsafe impl Stack for GuardedStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        // SAFETY: the end of the mapping [guarded_stack.I1].
        unsafe { self.mapping.byte_add(self.mapping_bytes) }
    }

    #[inline]
    fn bottom(&self) -> NonNull<u8> {
        // SAFETY: the guard is a part of the mapping [guarded_stack.I1].
        unsafe { self.mapping.byte_add(self.guard_bytes) }
    }
}

// No system that this builds for has smaller pages.
const _: () = assert!(4096_usize.is_multiple_of(Context::STACK_ALIGN));

impl Drop for GuardedStack {
    fn drop(&mut self) {
        // SAFETY: a whole mapping of this value alone [guarded_stack.I1]. Whoever ran on it has
        // promised to be done (contract of `Stack`).
        let result =
            unsafe { rustix::mm::munmap(self.mapping.as_ptr().cast(), self.mapping_bytes) };
        // Refused where splitting a merged mapping would exceed the limit of mappings. It then
        // stays: address space lost, nothing unsound.
        debug_assert!(result.is_ok(), "unmapping a whole stack: {result:?}");
    }
}

// SAFETY: the value owns its mapping, and no mapping is bound to a thread.
unsafe impl Send for GuardedStack {}
// SAFETY: a shared reference gives out addresses alone.
unsafe impl Sync for GuardedStack {}
