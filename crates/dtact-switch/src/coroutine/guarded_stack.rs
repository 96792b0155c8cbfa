//! A stack of its own mapping, with a guard below.
//!
//! ```text
//!   top ─►      ┌──────────────┐ ┐
//!               │ usable       │ │ bytes asked for, rounded up to pages
//!   bottom ─►   ├──────────────┤ ┘
//!               │ guard        │   an overflow is a fault
//!   mapping ─►  └──────────────┘
//! ```
//!
//! # Invariants
//!
//! * `[guarded_stack.I1]` `mapping` is the lowest byte of a mapping of `mapping_bytes` that belongs
//!   to this value alone. Its first `guard_bytes` are a guard, the others readable and writable.
//!   All three are multiples of the page size.
#![allow(unsafe_code, reason = "maps memory, and vouches for it as a stack")]

use core::ptr::NonNull;

use super::stack::Stack;
use super::stack_error::StackError;
use crate::{Context, CpuFeatures, StackBounds};

#[cfg_attr(unix, path = "guarded_stack/unix.rs")]
#[cfg_attr(windows, path = "guarded_stack/windows.rs")]
mod system;

/// A stack in a mapping of its own, above a guard that turns an overflow into a fault.
///
/// Its pages take memory when they are first touched: the size costs address space, and on Windows
/// a part of the commit limit. Making one costs a few system calls and page faults: recycle it with
/// [`Coroutine::into_stack`](crate::Coroutine::into_stack) where coroutines come and go.
///
/// An overflow ends the process: by a signal on Unix; on Windows by `STATUS_STACK_OVERFLOW`, which
/// a handler of exceptions sees first. The guard is then used up, and the stack must not be run on
/// again.
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
    /// [`StackError::Unsupported`] where the thread runs in a mode that no switch supports;
    /// [`StackError::Refused`] where the system has no room for the mapping or for one more guard.
    pub fn new(bytes: usize) -> Result<Self, StackError> {
        if bytes == 0 {
            return Err(StackError::Zero);
        }
        CpuFeatures::check_supported()?;
        let page_bytes = system::page_bytes();
        let too_large = StackError::TooLarge { bytes };
        let usable_bytes = bytes
            .checked_next_multiple_of(page_bytes)
            .ok_or(too_large)?;
        let guard_bytes = system::guard_bytes(page_bytes);
        let mapping_bytes = usable_bytes
            .checked_add(guard_bytes)
            .filter(|&sum| isize::try_from(sum).is_ok())
            .ok_or(too_large)?;
        let refused = |code| StackError::Refused {
            bytes: mapping_bytes,
            errno: code,
        };
        let stack = Self {
            mapping: system::reserve(mapping_bytes).map_err(refused)?,
            guard_bytes,
            mapping_bytes,
        };
        // SAFETY: the mapping above, which nothing uses yet. An error drops `stack`.
        let opened = unsafe { system::open(stack.mapping, guard_bytes, usable_bytes) };
        opened.map_err(refused)?;
        // [guarded_stack.I1] holds.
        Ok(stack)
    }
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

    #[inline]
    fn bounds(&self) -> StackBounds {
        StackBounds::new(self.top(), self.bottom()).with_guard(self.mapping, system::OVERFLOW_BYTES)
    }
}

// No system that this builds for has smaller pages.
const _: () = assert!(4096_usize.is_multiple_of(Context::STACK_ALIGN));

impl Drop for GuardedStack {
    fn drop(&mut self) {
        // SAFETY: a whole mapping of this value alone [guarded_stack.I1]. Whoever ran on it has
        // promised to be done (contract of `Stack`).
        let result = unsafe { system::release(self.mapping, self.mapping_bytes) };
        // If it is refused it stays: address space lost, nothing unsound.
        debug_assert!(result.is_ok(), "unmapping a whole stack: {result:?}");
    }
}

// SAFETY: the value owns its mapping, and no mapping is bound to a thread.
unsafe impl Send for GuardedStack {}
// SAFETY: a shared reference gives out addresses alone.
unsafe impl Sync for GuardedStack {}
