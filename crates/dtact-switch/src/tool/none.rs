//! No tool: the assembly as it is, and a context is the address of its frame.
#![allow(unsafe_code, reason = "passes on what is unsafe")]

use core::ptr::NonNull;

use crate::{Entry, StackBounds, arch};

pub(crate) use arch::{
    switch_inline, switch_inline_publishing, switch_naked_float, switch_naked_no_float,
};

/// The frame of a fresh stack.
///
/// # Safety
///
/// Those of [`arch::write_fresh_frame`].
#[inline]
pub(crate) unsafe fn fresh(stack: &StackBounds, entry: Entry) -> NonNull<arch::Frame> {
    // SAFETY: passed on to the caller.
    unsafe { arch::write_fresh_frame(stack, entry) }
}

/// What a context points to, whoever owns it.
#[inline]
pub(crate) fn owned(frame: NonNull<arch::Frame>) -> NonNull<arch::Frame> {
    frame
}
