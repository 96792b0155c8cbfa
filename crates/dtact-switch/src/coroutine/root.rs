//! What lies at the top of a coroutine's stack, and the first function that runs there.
//!
//! ```text
//!   top ─►       ┌──────────────────────────┐
//!                │ padding, for alignment   │
//!                │ place: the body          │  moved out when the coroutine begins
//!                │        later its ending  │  if that does not fit a register
//!                │ yielder, link first      │  stays until the stack is reused
//!   Yielder ─►   ├──────────────────────────┤  a multiple of STACK_ALIGN
//!                │ frame of the context     │
//!                │ frames of `root`, body … │
//!   bottom ─►    └──────────────────────────┘
//! ```
#![allow(
    unsafe_code,
    reason = "places values in raw memory, and runs on another stack"
)]

use core::alloc::Layout;
use core::any::Any;
use core::mem::{self, ManuallyDrop};
use core::ptr::NonNull;
use std::boxed::Box;
use std::panic::{self, AssertUnwindSafe};

use super::stack::Stack;
use super::word::{pack, stays, unpack};
use super::yielder::Yielder;
use crate::linked::{self, Ended, Link, Word};
use crate::{Context, ContextSwitcher};

/// What a panic leaves behind.
pub(super) type Payload = Box<dyn Any + Send>;

/// What must be left below the yielder: the first frame, and that of [`root`]. What the body needs
/// is for the one who chose the size to know; a guard catches the rest.
const ROOM_BYTES_MIN: usize = 1024;

/// Holds one after the other: first the body, and when that has ended what it left.
#[repr(C)]
union Place<F, Return> {
    body: ManuallyDrop<F>,
    value: ManuallyDrop<Return>,
    payload: ManuallyDrop<Payload>,
}

/// A yielder with the body above.
#[repr(C)]
struct Seed<Input, Yield, Return, W: ContextSwitcher, F> {
    yielder: Yielder<Input, Yield, W>,
    place: Place<F, Return>,
}

/// Builds a coroutine at the top of `stack`: returns its yielder. Its first frame is that of
/// [`first_frame`].
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
#[inline]
#[track_caller]
pub(super) unsafe fn plant<Input, Yield, Return, W, F>(
    stack: &impl Stack,
    body: F,
) -> (NonNull<Yielder<Input, Yield, W>>, Context)
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
        yielder: Yielder::new(Link::new(root::<Input, Yield, Return, W, F>)),
        place: Place {
            body: ManuallyDrop::new(body),
        },
    };
    // SAFETY: room for a seed, aligned for it, in memory that is the coroutine's alone.
    unsafe { seed.write(fresh) };
    let bounds = stack.bounds().below(place);
    let context = if W::SAVES_FLOAT {
        // SAFETY: `place` is aligned by `offset_from_top`, and the link comes first in the seed
        // that was written; the block below reaches down to the bottom of the stack, and stays
        // the coroutine's (the caller). `root` may run where the body may.
        unsafe { linked::first_context::<true>(&bounds, place.cast()) }
    } else {
        // SAFETY: as above.
        unsafe { linked::first_context::<false>(&bounds, place.cast()) }
    };
    (seed.cast(), context)
}

/// How far below `top` a value of `layout` lies, so that it is aligned, what is below it is aligned
/// as the top of a stack, and there is room left. `None` if there is not.
#[inline]
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

/// The first function on the stack: runs the body, and returns how it ended.
///
/// # Safety
///
/// Entered by a resumption of a coroutine whose seed is of these types, with its link and a packed
/// `Input`; or, if it is to be unwound, any word.
unsafe extern "C" fn root<Input, Yield, Return, W, F>(link: NonNull<Link>, word: Word) -> Ended
where
    W: ContextSwitcher,
    F: FnOnce(&Yielder<Input, Yield, W>, Input) -> Return,
{
    let seed = link.cast::<Seed<Input, Yield, Return, W, F>>();
    // SAFETY: it lies above this frame on the same stack; all reach it by shared references.
    let yielder = unsafe { seed.cast::<Yielder<Input, Yield, W>>().as_ref() };
    // SAFETY: inside of the seed.
    let place = unsafe { seed.byte_add(mem::offset_of!(Seed<Input, Yield, Return, W, F>, place)) };
    let place = place.cast::<Place<F, Return>>();

    if yielder.is_unwinding() {
        // SAFETY: the body is there, and the coroutine ends here without looking at it again.
        return unsafe { drop_body(yielder, place) };
    }
    // The values are moved inside of the closure: an unoptimised build copies all that is captured
    // several times on the way.
    let ending = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: packed by the resumer, which waits [coroutine.I4]; only this takes the input.
        let input = unsafe { unpack(word) };
        // SAFETY: still there, for the coroutine just began, and nobody else takes it.
        let body = unsafe { place.cast::<F>().read() };
        body(yielder, input)
    }));
    match ending {
        Ok(value) => {
            let value = ManuallyDrop::new(value);
            let word = if stays::<Return>() {
                let place = place.cast::<ManuallyDrop<Return>>();
                // SAFETY: the body has left the place, which stays until the stack is reused.
                unsafe { place.write(value) };
                Word::new(place.as_ptr().cast())
            } else {
                pack(&value)
            };
            Ended {
                word,
                how: Ended::RETURNED,
            }
        }
        // SAFETY: as above.
        Err(payload) => unsafe { leave_payload(place, payload) },
    }
}

/// Ends a coroutine that never began.
///
/// # Safety
///
/// `place` holds the body, which nobody uses after this.
#[cold]
unsafe fn drop_body<Input, Yield, Return, W: ContextSwitcher, F>(
    yielder: &Yielder<Input, Yield, W>,
    place: NonNull<Place<F, Return>>,
) -> Ended {
    yielder.note_never_begun();
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: there, and dropped once (the caller).
        unsafe { place.cast::<F>().drop_in_place() };
    }));
    match dropped {
        Ok(()) => Ended {
            word: Word::uninit(),
            how: Ended::DROPPED,
        },
        // SAFETY: the body has left the place, or what is left of it is leaked.
        Err(payload) => unsafe { leave_payload(place, payload) },
    }
}

/// The ending of a body that panicked.
///
/// # Safety
///
/// Nothing is in `place` that is still needed.
#[cold]
unsafe fn leave_payload<Return, F>(place: NonNull<Place<F, Return>>, payload: Payload) -> Ended {
    // SAFETY: the caller vouches for it; the place stays until the stack is reused.
    unsafe { place.cast::<Payload>().write(payload) };
    Ended {
        word: Word::new(place.as_ptr().cast()),
        how: Ended::PANICKED,
    }
}

/// The payload of the panic by which a coroutine ended.
///
/// # Safety
///
/// `word` is that of an [`Ended`] of a coroutine that panicked, its stack was not used since, and
/// the payload is taken once.
pub(super) unsafe fn take_payload(word: Word) -> Payload {
    // SAFETY: `root` initialised it with an address (the caller).
    let place = unsafe { word.assume_init() };
    // SAFETY: `root` wrote it there (the caller).
    unsafe { place.cast::<Payload>().read() }
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
