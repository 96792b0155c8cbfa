//! By the switch between equals.
//!
//! ```text
//!   resumer                                  linked stack
//!
//!   resume: link.word = input
//!           switch ────────────────────────► (first: start calls the entry)
//!                                            …
//!                                            suspend: link.left_by = SUSPENDED, link.word = value
//!           ◄─────────────────────────────── switch, to link.parent
//!   …
//!           ◄─────────────────────────────── call_on_parent: link.left_by = FOR_WORK
//!           calls link.work
//!           switch ────────────────────────► goes on
//!           ◄─────────────────────────────── the entry returns: link.left_by = how it ended
//! ```
//!
//! `parent` is taken when the stack is left for it, so that there is none while the stack does not
//! run, nor while the resumer works for it: who suspends it then finds that out.
#![allow(
    unsafe_code,
    reason = "switches stacks, and is told by raw pointers of what lies there"
)]

use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

use super::{Callee, LinkedEntry, Resumed, Word, left_during_detour};
use crate::{Context, StackBounds, Transfer, tool};

/// Whether [`call_above`] does what it says.
pub(crate) const CAN_WALK: bool = false;

/// [`Link::left_by`] of a stack that nothing ran on yet.
const FRESH: usize = usize::MAX;
/// [`Link::left_by`] of one that was suspended.
const SUSPENDED: usize = usize::MAX - 1;
/// [`Link::left_by`] of one that waits until its resumer has done some work.
const FOR_WORK: usize = usize::MAX - 2;

/// The way from a linked stack to whoever resumed it, and all that goes over.
pub(crate) struct Link {
    /// A context that waits in [`resume`], while the stack runs.
    parent: Cell<Option<NonNull<()>>>,
    word: Cell<Word>,
    /// Why the stack was left the last time: one of the constants, or how it [ended](super::Ended).
    left_by: Cell<usize>,
    work: Cell<Option<(Callee, *mut ())>>,
    entry: LinkedEntry<Self>,
}

impl Link {
    /// The link of a stack that does not run yet: it leads nowhere.
    #[inline]
    pub(crate) fn new(entry: LinkedEntry<Self>) -> Self {
        Self {
            parent: Cell::new(None),
            word: Cell::new(Word::uninit()),
            left_by: Cell::new(FRESH),
            work: Cell::new(None),
            entry,
        }
    }

    /// Has a walk of the stack end at its root: it always does.
    #[expect(clippy::unused_self, reason = "there is one where walks go on")]
    pub(crate) const fn end_walks(&self) {}

    /// Leaves the stack for the resumer, and returns when it is resumed.
    ///
    /// It takes no reference: one that is an argument would have to stay valid until this returns,
    /// which it never does where the stack has ended.
    ///
    /// # Safety
    ///
    /// There is a link, whose stack runs and is of the kind `FLOAT`.
    #[inline]
    unsafe fn leave<const FLOAT: bool>(link: NonNull<Self>, by: usize) {
        // SAFETY: both sides have shared references alone.
        let shared = unsafe { link.as_ref() };
        let Some(parent) = shared.parent.take() else {
            left_during_detour()
        };
        shared.left_by.set(by);
        // SAFETY: left by the resumer, and taken once.
        let parent = unsafe { Context::from_raw(parent) };
        // SAFETY: the resumer waits in `resume`, by a switch of the same kind (the caller).
        let transfer = unsafe { switch::<FLOAT>(parent, null_mut()) };
        shared.parent.set(Some(transfer.from.into_raw()));
    }
}

/// The switch, as a tool is told of it.
///
/// # Safety
///
/// Those of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch), `FLOAT` being the kind.
#[inline]
unsafe fn switch<const FLOAT: bool>(to: Context, message: *mut ()) -> Transfer {
    // SAFETY: the caller's.
    unsafe { tool::switch_inline::<FLOAT>(to, message) }
}

/// Makes the first context of a linked stack, whose kind is `FLOAT`.
///
/// # Safety
///
/// `link` is the top of `stack`, which are those of a stack with room for a frame, and there is a
/// link there. What the link's entry asks for is there when it is resumed.
#[inline]
pub(crate) unsafe fn first_context<const FLOAT: bool>(
    stack: &StackBounds,
    _link: NonNull<Link>,
) -> Context {
    // SAFETY: the caller's; `start` is entered by `resume`.
    unsafe { Context::new(*stack, start::<FLOAT>) }
}

/// The first and last code of a linked stack.
///
/// # Safety
///
/// Entered by [`resume`], which hands over the link.
unsafe extern "C" fn start<const FLOAT: bool>(first: Transfer) -> ! {
    // SAFETY: the address of a link, which is not null.
    let link = unsafe { NonNull::new_unchecked(first.message.cast::<Link>()) };
    // SAFETY: it lies above this frame; both sides have shared references alone.
    let shared = unsafe { link.as_ref() };
    shared.parent.set(Some(first.from.into_raw()));
    // SAFETY: what the maker of the first context vouched for.
    let ended = unsafe { (shared.entry)(link, shared.word.get()) };
    shared.word.set(ended.word);
    // SAFETY: the stack runs.
    unsafe { Link::leave::<FLOAT>(link, ended.how) };
    unreachable!("a stack that has ended is not resumed: its context was dropped")
}

/// Whether a context of the stack of `link` is the first one: nothing ran there yet.
///
/// # Safety
///
/// There is a link, and the context is of its stack.
#[inline]
pub(crate) unsafe fn is_fresh(link: NonNull<Link>, _context: NonNull<()>) -> bool {
    // SAFETY: the caller's.
    unsafe { link.as_ref() }.left_by.get() == FRESH
}

/// Resumes a linked stack, and hands `word` over.
///
/// # Safety
///
/// Those of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch); `link` is that of the
/// stack of `to`, and `FLOAT` its kind.
#[inline]
pub(crate) unsafe fn resume<const FLOAT: bool>(
    to: Context,
    link: NonNull<Link>,
    word: Word,
) -> Resumed {
    // SAFETY: it lies on the stack of `to`; both sides have shared references alone.
    let shared = unsafe { link.as_ref() };
    shared.word.set(word);
    // SAFETY: the caller's. The first time the message is what `start` expects; later nobody looks.
    let mut left = unsafe { switch::<FLOAT>(to, link.as_ptr().cast()) }.from;
    if shared.left_by.get() == FOR_WORK {
        // SAFETY: the context just left, of the stack of `link`, which waits for the work.
        left = unsafe { work::<FLOAT>(left, shared) };
    }
    let how = shared.left_by.get();
    Resumed {
        left: (how == SUSPENDED).then(|| left.into_frame()),
        word: shared.word.get(),
        how,
    }
}

/// Does what the linked stack asks for, until it is left for another reason; returns the context
/// left.
///
/// # Safety
///
/// `left` is the context of the stack of `link`, which waits for work.
#[cold]
#[inline(never)]
unsafe fn work<const FLOAT: bool>(mut left: Context, link: &Link) -> Context {
    while link.left_by.get() == FOR_WORK {
        if let Some((callee, data)) = link.work.take() {
            // SAFETY: the caller of `call_on_parent` vouched for it.
            unsafe { callee(data) };
        }
        // SAFETY: as in `resume`.
        left = unsafe { switch::<FLOAT>(left, null_mut()) }.from;
    }
    left
}

/// Leaves a linked stack for whoever resumed it, and hands `word` over. Returns what comes with the
/// next resumption.
///
/// # Safety
///
/// It runs on the stack of `link`, of the kind `FLOAT`; the stack stays valid, and unused by
/// others, until it is resumed or given up for good.
#[inline]
pub(crate) unsafe fn suspend<const FLOAT: bool>(link: &Link, word: Word) -> Word {
    link.word.set(word);
    // SAFETY: the caller's.
    unsafe { Link::leave::<FLOAT>(NonNull::from(link), SUSPENDED) };
    link.word.get()
}

/// Calls `callee` with `data` on another stack.
///
/// # Safety
///
/// Nothing uses the stack of these bounds, and its top is aligned. `callee` may be called with
/// `data`.
pub(crate) unsafe fn call_on(stack: &StackBounds, callee: Callee, data: *mut ()) {
    /// # Safety
    ///
    /// Entered with the address of what to call, and with what.
    unsafe extern "C" fn entry(first: Transfer) -> ! {
        // SAFETY: the caller waits, with the pair on its stack.
        let (callee, data) = unsafe { first.message.cast::<(Callee, *mut ())>().read() };
        // SAFETY: the caller of `call_on` vouches for it.
        unsafe { callee(data) };
        // SAFETY: the caller waits, left by a switch of this kind.
        let _never = unsafe { switch::<false>(first.from, null_mut()) };
        unreachable!("a call that has ended is not resumed: its context was dropped")
    }

    let mut call = (callee, data);
    // SAFETY: the caller's.
    let context = unsafe { Context::new(*stack, entry) };
    // SAFETY: a fresh context. This stack waits until the call has ended.
    let ended = unsafe { switch::<false>(context, (&raw mut call).cast()) };
    // Its stack is free.
    drop(ended.from);
}

/// Has the resumer call `callee` with `data`, on its stack. To suspend the stack of `link`
/// meanwhile ends the process.
///
/// # Safety
///
/// The stack of `link` runs, and is of the kind `FLOAT`. `callee` may be called with `data`.
pub(crate) unsafe fn call_on_parent<const FLOAT: bool>(link: &Link, callee: Callee, data: *mut ()) {
    link.work.set(Some((callee, data)));
    // SAFETY: the caller's.
    unsafe { Link::leave::<FLOAT>(NonNull::from(link), FOR_WORK) };
}

/// Calls `callee` with `data`. A walk goes on into the caller: there is no unwind information that
/// could lead it to the context.
///
/// # Safety
///
/// `callee` may be called with `data`.
pub(crate) unsafe fn call_above(_context: &Context, callee: Callee, data: *mut ()) {
    // SAFETY: the caller's.
    unsafe { callee(data) };
}
