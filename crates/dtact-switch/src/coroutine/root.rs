//! What lies at the top of a coroutine's stack, and the first function that runs there.
//!
//! ```text
//!   top ─►       ┌──────────────────────────┐
//!                │ padding, for alignment   │
//!                │ body: F                  │  moved out when the coroutine begins
//!                │ Head                     │  stays until the stack is reused
//!   Head ─►      ├──────────────────────────┤  a multiple of STACK_ALIGN
//!                │ frame of the context     │
//!                │ frames of `root`, body … │
//!   bottom ─►    └──────────────────────────┘
//! ```
#![allow(
    unsafe_code,
    reason = "places values in raw memory, and switches stacks"
)]

use core::alloc::Layout;
use core::any::Any;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use std::boxed::Box;
use std::panic::{self, AssertUnwindSafe};
use std::process;

use super::stack::Stack;
use super::yielder::Yielder;
use crate::{Context, ContextSwitcher, Transfer};

/// How a body ended: with its value, or with the payload of its panic.
pub(super) type Ending<Return> = Result<Return, Box<dyn Any + Send>>;

/// What must be left below the head: the first frame, and that of [`root`]. What the body needs is
/// for the one who chose the size to know; a guard catches the rest.
const ROOM_BYTES_MIN: usize = 1024;

/// The message that resumes a coroutine [coroutine.I4].
#[repr(C)]
pub(super) struct Resumption<Input> {
    input: ManuallyDrop<Input>,
    /// For the first resumption alone; to write it always is cheaper than to ask.
    head: NonNull<()>,
}

impl<Input> Resumption<Input> {
    /// Gives `input` away to whoever gets the message.
    #[inline]
    pub(super) fn new<T>(input: Input, head: NonNull<T>) -> Self {
        Self {
            input: ManuallyDrop::new(input),
            head: head.cast(),
        }
    }

    /// Takes the input.
    ///
    /// # Safety
    ///
    /// `this` is a message that just came [coroutine.I4], and the input is taken once.
    #[inline]
    pub(super) unsafe fn take_input(this: NonNull<Self>) -> Input {
        // SAFETY: the resumer waits and does not touch the message meanwhile [coroutine.I4].
        let this = unsafe { this.as_ref() };
        // SAFETY: valid, and nobody else takes it or drops it.
        let input = unsafe { ptr::read(&raw const this.input) };
        ManuallyDrop::into_inner(input)
    }
}

/// What a coroutine and its handle share, whatever the type of the body. Both are on one thread and
/// reach it by shared references.
#[repr(C)]
pub(super) struct Head<Input, Yield, Return, W: ContextSwitcher> {
    pub(super) yielder: Yielder<Input, Yield, W>,
    /// Set by [`root`]: the body was moved out of the seed.
    pub(super) is_started: Cell<bool>,
    /// Set by [`root`] as its last act.
    pub(super) ending: Cell<Option<Ending<Return>>>,
    /// Drops the body of a coroutine that never began.
    ///
    /// # Safety
    ///
    /// Called once, with the head that [`plant`] returned, while `is_started` is false.
    pub(super) drop_body: unsafe fn(NonNull<Self>),
}

/// A head with the body above.
#[repr(C)]
struct Seed<Input, Yield, Return, W: ContextSwitcher, F> {
    head: Head<Input, Yield, Return, W>,
    body: F,
}

/// Builds a coroutine at the top of `stack`: returns its head and its first context.
///
/// # Safety
///
/// * `stack` keeps the contract of [`Stack`] until the coroutine is finished or given up, and
///   nothing else runs on it.
/// * What `body` captures is valid for as long as the coroutine may run.
///
/// # Panics
///
/// Where the body does not fit onto the stack.
#[track_caller]
pub(super) unsafe fn plant<Input, Yield, Return, W, F>(
    stack: &impl Stack,
    body: F,
) -> (NonNull<Head<Input, Yield, Return, W>>, Context)
where
    W: ContextSwitcher,
    F: FnOnce(&Yielder<Input, Yield, W>, Input) -> Return,
{
    let layout = Layout::new::<Seed<Input, Yield, Return, W, F>>();
    let (top, bottom) = (stack.top(), stack.bottom());
    let Some(offset) = offset_from_top(top.addr().get(), bottom.addr().get(), layout) else {
        body_too_large(layout.size())
    };
    // SAFETY: not below `bottom`, in the block that belongs to the stack.
    let place = unsafe { top.byte_sub(offset) };
    let seed = place.cast::<Seed<Input, Yield, Return, W, F>>();
    let fresh = Seed {
        head: Head {
            yielder: Yielder::new(),
            is_started: Cell::new(false),
            ending: Cell::new(None),
            drop_body: drop_body::<Input, Yield, Return, W, F>,
        },
        body,
    };
    // SAFETY: room for a seed, aligned for it, in memory that is the coroutine's alone.
    unsafe { seed.write(fresh) };
    // SAFETY: `place` is aligned by `offset_from_top`; the block below reaches down to the bottom
    // of the stack, and stays the coroutine's (the caller). `root` may run where the body may, and
    // the context is handed to one who keeps it on its thread.
    let context = unsafe { Context::new_within(bottom, place, root::<Input, Yield, Return, W, F>) };
    (seed.cast(), context)
}

/// How far below `top` a value of `layout` lies, so that it is aligned, what is below it is aligned
/// as the top of a stack, and there is room left. `None` if there is not.
fn offset_from_top(top: usize, bottom: usize, layout: Layout) -> Option<usize> {
    let align = layout.align().max(Context::STACK_ALIGN);
    let place = top.checked_sub(layout.size())? & !(align - 1);
    let room_bytes = place.checked_sub(bottom)?;
    (room_bytes >= ROOM_BYTES_MIN).then_some(top - place)
}

#[cold]
#[track_caller]
fn body_too_large(bytes: usize) -> ! {
    panic!("a body of {bytes} bytes leaves no room on its stack: use a larger one, or a box")
}

/// Drops the body of a coroutine that never began.
///
/// # Safety
///
/// Those of [`Head::drop_body`]; the type parameters are those of the [`plant`] that made it.
unsafe fn drop_body<Input, Yield, Return, W: ContextSwitcher, F>(
    head: NonNull<Head<Input, Yield, Return, W>>,
) {
    let seed = head.cast::<Seed<Input, Yield, Return, W, F>>();
    // SAFETY: `head` is the first field of such a seed (the caller).
    let body = unsafe { &raw mut (*seed.as_ptr()).body };
    // SAFETY: the body is still there and is dropped once (the caller).
    unsafe { body.drop_in_place() };
}

/// The first function on the stack: runs the body, and leaves its ending behind.
///
/// # Safety
///
/// Entered by `Coroutine::resume`, with a [`Resumption`] that names the head of a seed of these
/// types.
unsafe extern "C" fn root<Input, Yield, Return, W, F>(first: Transfer) -> !
where
    W: ContextSwitcher,
    F: FnOnce(&Yielder<Input, Yield, W>, Input) -> Return,
{
    // SAFETY: a resumption is what enters a fresh context; it is never null.
    let resumption = unsafe { NonNull::new_unchecked(first.message.cast::<Resumption<Input>>()) };
    // SAFETY: the resumer waits, with the resumption on its stack [coroutine.I4].
    let head = unsafe { resumption.as_ref() }.head;
    let seed = head.cast::<Seed<Input, Yield, Return, W, F>>();
    // SAFETY: it lies above this frame on the same stack; all reach it by shared references.
    let head = unsafe { seed.cast::<Head<Input, Yield, Return, W>>().as_ref() };
    // SAFETY: a field of the seed.
    let body = unsafe { &raw const (*seed.as_ptr()).body };
    head.is_started.set(true);
    head.yielder.set_resumer(first.from);

    // The values are moved inside of the closure: an unoptimised build copies all that is captured
    // several times on the way.
    let ending = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the message just came; only this takes the input.
        let input = unsafe { Resumption::take_input(resumption) };
        // SAFETY: still there, for the coroutine just began; since `is_started` is set, nobody else
        // takes or drops it.
        let body = unsafe { body.read() };
        body(&head.yielder, input)
    }));
    head.ending.set(Some(ending));
    // SAFETY: the coroutine runs, and leaves for the context for the last time.
    let resumer = unsafe { head.yielder.resumer() };
    // SAFETY: the resumer waits, left by `W` on this thread. Nothing is left on this stack that has
    // a destructor.
    let _never = unsafe { W::switch(resumer, ptr::null_mut()) };
    // Its context is given up by `Coroutine`, for good.
    process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTTOM: usize = 0x10_0000;
    const TOP: usize = BOTTOM + 0x1_0000;

    fn offset(size: usize, align: usize) -> Option<usize> {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        offset_from_top(TOP, BOTTOM, layout)
    }

    #[test]
    fn a_seed_lies_at_the_top_aligned_for_itself_and_for_what_is_below() {
        assert_eq!(offset(0, 1), Some(0));
        assert_eq!(offset(1, 1), Some(Context::STACK_ALIGN));
        assert_eq!(offset(100, 64), Some(128));
        assert_eq!(offset(1, 4096), Some(4096));
    }

    #[test]
    fn a_seed_fits_if_there_is_room_left_below_it() {
        let size_max = TOP - BOTTOM - ROOM_BYTES_MIN;
        assert_eq!(offset(size_max, 1), Some(size_max));
        assert_eq!(offset(size_max + 1, 1), None);
        assert_eq!(offset(TOP - BOTTOM, 1), None);
        assert_eq!(
            offset(TOP + 1, 1),
            None,
            "more than there are addresses below"
        );
        assert_eq!(offset(1, 1 << 20), None, "alignment leads below the bottom");
        let empty = offset_from_top(TOP, TOP, Layout::new::<()>());
        assert_eq!(empty, None);
    }
}
