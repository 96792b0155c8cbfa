//! By the switch that the architecture has for it; see the pictures there.
#![allow(unsafe_code, reason = "passes on what is unsafe")]

use core::ptr::NonNull;

use super::{Callee, Resumed, Word};
use crate::arch::{self, Detour};
use crate::{Context, StackBounds};

pub(crate) use arch::Link;

/// Whether [`call_above`] does what it says.
pub(crate) const CAN_WALK: bool = true;

/// Writes the first frame of a linked stack, whose kind is `FLOAT`.
///
/// # Safety
///
/// `link` is the top of `stack`, which are those of a stack with room for the frame, and there is a
/// link there. What the link's entry asks for is there when it is resumed.
#[inline]
pub(crate) unsafe fn first_context<const FLOAT: bool>(
    _stack: &StackBounds,
    link: NonNull<Link>,
) -> Context {
    // SAFETY: the caller's.
    let frame = unsafe { arch::write_linked_frame::<FLOAT>(link) };
    // SAFETY: a complete frame, and nothing runs on the stack.
    unsafe { Context::from_frame(frame) }
}

/// Whether a context of the stack of `link` is the first one: nothing ran there yet.
///
/// # Safety
///
/// There is a link, and the context is of its stack.
#[inline]
pub(crate) unsafe fn is_fresh(link: NonNull<Link>, context: NonNull<()>) -> bool {
    // Later frames lie below the first one.
    arch::linked_frame(link).cast() == context
}

/// Resumes a linked stack, and hands `word` over.
///
/// # Safety
///
/// Those of [`arch::resume_inline`].
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn resume<const FLOAT: bool>(
    to: Context,
    link: NonNull<Link>,
    word: Word,
) -> Resumed {
    // SAFETY: the caller's.
    unsafe { arch::resume_inline::<FLOAT>(to, link, word) }
}

/// Leaves a linked stack for whoever resumed it, and hands `word` over. Returns what comes with the
/// next resumption.
///
/// # Safety
///
/// Those of [`arch::suspend_inline`].
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn suspend<const FLOAT: bool>(link: &Link, word: Word) -> Word {
    // SAFETY: the caller's.
    unsafe { arch::suspend_inline::<FLOAT>(link, word) }
}

/// Calls `callee` with `data` on another stack. A walk goes on into the caller.
///
/// # Safety
///
/// Nothing uses the stack of these bounds, and its top is aligned. `callee` may be called with
/// `data`.
pub(crate) unsafe fn call_on(stack: &StackBounds, callee: Callee, data: *mut ()) {
    // SAFETY: the caller's.
    unsafe { arch::call_on(stack.top(), callee, data) };
}

/// Calls `callee` with `data` on the stack of the resumer. To suspend the stack of `link` meanwhile
/// ends the process.
///
/// # Safety
///
/// The stack of `link` runs, and is of the kind `FLOAT`. `callee` may be called with `data`.
pub(crate) unsafe fn call_on_parent<const FLOAT: bool>(link: &Link, callee: Callee, data: *mut ()) {
    // SAFETY: the stack runs (the caller).
    let sp = unsafe { link.parent_sp() };
    let mut detour = Detour::new(link);
    detour.enter(link);
    // SAFETY: the resumer waits, so that its stack is free below, and goes on being so until this
    // stack leaves for it, which the detour prevents.
    unsafe { arch::call_on(sp, callee, data) };
    detour.leave(link);
}

/// Calls `callee` with `data`, on this stack, as if the suspended context had called it: so a walk
/// goes on into that one.
///
/// # Safety
///
/// Those of [`arch::call_above`].
pub(crate) unsafe fn call_above(context: &Context, callee: Callee, data: *mut ()) {
    // SAFETY: the caller's.
    unsafe { arch::call_above(context.frame(), callee, data) };
}
