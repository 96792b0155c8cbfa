//! In the place of a mapping where there is none: a block of the heap, without a guard. Threads
//! stand in for stacks there, and of the memory only the top is used.
#![allow(unsafe_code, reason = "allocates, and vouches for it as a stack")]

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use super::stack::Stack;
use super::stack_error::StackError;

/// What the sizes are rounded up to, in bytes.
const PAGE_BYTES: usize = 4096;

/// As the stack in a mapping of its own.
#[derive(Debug)]
pub struct GuardedStack {
    bottom: NonNull<u8>,
    layout: Layout,
}

impl GuardedStack {
    /// The size that [`Coroutine::new`](crate::Coroutine::new) asks for, in bytes.
    pub const BYTES_DEFAULT: usize = 64 * 1024;

    /// Allocates a stack of at least `bytes` usable bytes.
    ///
    /// # Errors
    ///
    /// [`StackError::Zero`] and [`StackError::TooLarge`] for sizes that cannot be.
    pub fn new(bytes: usize) -> Result<Self, StackError> {
        if bytes == 0 {
            return Err(StackError::Zero);
        }
        let layout = bytes
            .checked_next_multiple_of(PAGE_BYTES)
            .and_then(|bytes| Layout::from_size_align(bytes, PAGE_BYTES).ok())
            .ok_or(StackError::TooLarge { bytes })?;
        // SAFETY: not of size zero.
        let bottom = NonNull::new(unsafe { alloc_zeroed(layout) });
        let bottom = bottom.unwrap_or_else(|| handle_alloc_error(layout));
        Ok(Self { bottom, layout })
    }
}

// SAFETY: the block does not move with the value, and nothing overflows it, for nothing runs on it.
unsafe impl Stack for GuardedStack {
    fn top(&self) -> NonNull<u8> {
        // SAFETY: the end of the block.
        unsafe { self.bottom.byte_add(self.layout.size()) }
    }

    fn bottom(&self) -> NonNull<u8> {
        self.bottom
    }
}

impl Drop for GuardedStack {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and used by nobody any more.
        unsafe { dealloc(self.bottom.as_ptr(), self.layout) };
    }
}

// SAFETY: the value owns its block.
unsafe impl Send for GuardedStack {}
// SAFETY: a shared reference gives out addresses alone.
unsafe impl Sync for GuardedStack {}
