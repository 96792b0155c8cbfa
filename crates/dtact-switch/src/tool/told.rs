//! The assembly behind the same names, with a tool told of each event.
//!
//! # Invariants
//!
//! * `[told.R1]` Under a tool the pointer of a [`Context`] that has an owner is that of a
//!   [`Record`], from `Box::into_raw`. It is freed when the context is given up, and lives as long
//!   as its stack may run. The `frame` of a suspended one is its frame [context.I1].
//! * `[told.R2]` `CURRENT` names the record of the stack that the thread runs on, or is null on a
//!   thread that has not switched yet.
//! * `[told.R3]` A context with its lowest bit set is a name and owns nothing: what a publishing
//!   switch leaves belongs to who takes it from the slot.
//!
//! The fields of a record are used by one thread at a time, and are atomics only so that shared
//! references can change them: relaxed, because one thread runs both sides of a switch, and the
//! slot of a publishing one orders the rest.
#![allow(
    unsafe_code,
    reason = "goes between the callers of the assembly and the assembly"
)]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed, Ordering::Release};
use std::boxed::Box;
use std::cell::Cell;

use super::chosen::Kept;
use crate::{Context, Entry, StackBounds, Transfer, arch};

/// What is known about a stack.
struct Record {
    /// Where it is suspended.
    frame: AtomicPtr<arch::Frame>,
    /// What runs first on it; none on a thread's own stack.
    entry: Option<Entry>,
    /// For the side that arrives: who was left, what it said, and where it is to be published.
    from: AtomicPtr<Self>,
    message: AtomicPtr<()>,
    slot: AtomicPtr<*mut ()>,
    /// What the assembly of a publishing switch stores into, before this side arrives.
    left: AtomicPtr<()>,
    kept: Kept,
}

std::thread_local! {
    // No destructor and no lazy initialiser: it can be read in every destructor of the thread.
    static CURRENT: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

/// The record of the stack that runs. Never inlined: which thread that is may change at a switch.
#[inline(never)]
fn current<'record>() -> &'record Record {
    if CURRENT.get().is_null() {
        // One for each thread, and leaked: contexts that name it may outlive the thread.
        let record = Record::new(ptr::null_mut(), None, Kept::of_thread());
        CURRENT.set(Box::leak(Box::new(record)));
    }
    // SAFETY: the record of the stack that runs, which therefore lives [told.R2].
    unsafe { &*CURRENT.get() }
}

impl Record {
    fn new(frame: *mut arch::Frame, entry: Option<Entry>, kept: Kept) -> Self {
        Self {
            frame: AtomicPtr::new(frame),
            entry,
            from: AtomicPtr::new(ptr::null_mut()),
            message: AtomicPtr::new(ptr::null_mut()),
            slot: AtomicPtr::new(ptr::null_mut()),
            left: AtomicPtr::new(ptr::null_mut()),
            kept,
        }
    }

    /// The pointer that a context of this stack has.
    fn pointer(&self) -> NonNull<arch::Frame> {
        NonNull::from(self).cast()
    }
}

/// Builds the frame and the record of a fresh stack.
///
/// # Safety
///
/// Those of [`arch::write_fresh_frame`].
pub(crate) unsafe fn fresh(stack: &StackBounds, entry: Entry) -> NonNull<arch::Frame> {
    let kept = Kept::made(stack);
    // SAFETY: passed on to the caller; `root` calls `entry` and nothing else of the program.
    let frame = unsafe { arch::write_fresh_frame(stack, root) };
    let record = Box::new(Record::new(frame.as_ptr(), Some(entry), kept));
    // [told.R1]
    NonNull::from(Box::leak(record)).cast()
}

/// What runs first on each fresh stack.
///
/// # Safety
///
/// Entered by a switch of this module.
unsafe extern "C" fn root(first: Transfer) -> ! {
    let transfer = arrived(first);
    let entry = current().entry.expect("entered as a fresh stack");
    // SAFETY: what the maker of the context asked for.
    unsafe { entry(transfer) }
}

/// Which frame is to be entered, by whom, and for whom.
struct Departure<'record> {
    me: &'record Record,
    to: &'record Record,
    frame: Context,
}

/// Notes what the side that is entered has to know.
#[inline(never)]
fn begin<'record>(to: Context, message: *mut (), slot: *mut *mut ()) -> Departure<'record> {
    let me = current();
    // SAFETY: the record of a suspended stack [told.R1].
    let to: &Record = unsafe { to.into_frame().cast::<Record>().as_ref() };
    to.from.store(ptr::from_ref(me).cast_mut(), Relaxed);
    to.message.store(message, Relaxed);
    to.slot.store(slot, Relaxed);
    CURRENT.set(to);
    let frame = NonNull::new(to.frame.load(Relaxed)).expect("a suspended stack has a frame");
    // SAFETY: its frame, resumed once because the context was consumed [told.R1].
    let frame = unsafe { Context::from_frame(frame) };
    Departure { me, to, frame }
}

/// After the switch, on the other stack: completes it, and publishes what was left.
#[inline(never)]
fn arrived(first: Transfer) -> Transfer {
    let me = current();
    // SAFETY: noted by `begin`, and it lives: its stack has just been left [told.R1].
    let from = unsafe { &*me.from.load(Relaxed) };
    let frame = first.from.into_frame().as_ptr();
    from.frame.store(frame, Relaxed);
    // SAFETY: the pair of the `leave_for` that named this stack.
    unsafe { me.kept.arrived(&from.kept) };
    let message = me.message.load(Relaxed);
    let slot = me.slot.load(Relaxed);
    let pointer = from.pointer();
    let pointer = if slot.is_null() {
        pointer
    } else {
        debug_assert_eq!(me.left.load(Relaxed), frame.cast(), "what was published");
        // SAFETY: the slot is valid until it is stored to (the caller of that switch).
        let slot = unsafe { AtomicPtr::from_ptr(slot) };
        // Release, for the frame above: pairs with the acquire of who takes it.
        slot.store(pointer.as_ptr().cast(), Release);
        // [told.R3]
        pointer.map_addr(|addr| addr | 1)
    };
    // SAFETY: the stack that was left; owned by this, or a name.
    let from = unsafe { Context::from_frame(pointer) };
    Transfer { from, message }
}

/// What a context points to, whoever owns it [told.R3].
pub(crate) fn owned(pointer: NonNull<arch::Frame>) -> NonNull<arch::Frame> {
    let addr = pointer.addr().get() & !1;
    pointer.map_addr(|same| core::num::NonZero::new(addr).unwrap_or(same))
}

impl Drop for Context {
    /// Gives the context up: nothing on its stack runs any more.
    fn drop(&mut self) {
        let pointer = self.pointer();
        if pointer.addr().get() & 1 == 1 {
            return;
        }
        let record = pointer.cast::<Record>();
        // SAFETY: owned by this context [told.R1].
        if unsafe { record.as_ref() }.entry.is_none() {
            // The stack of a thread: the thread has it still.
            return;
        }
        // SAFETY: as above, from a box, and the last to name it.
        let record = unsafe { Box::from_raw(record.as_ptr()) };
        // SAFETY: not running, and it will not run.
        unsafe { record.kept.given_up() };
    }
}

/// One form of the switch: the assembly between the two events.
///
/// The first event is inlined here: a tool that counts calls and returns would take the return from
/// it for one on the other stack.
macro_rules! told {
    ($to:expr, $message:expr, $form:path) => {{
        let departure = begin($to, $message, ptr::null_mut());
        // SAFETY: the stack that runs leaves for one that is suspended, next.
        unsafe { departure.me.kept.leave_for(&departure.to.kept) };
        // SAFETY: the caller keeps the contract; the frame is of the kind that `to` is.
        let transfer = unsafe { $form(departure.frame, ptr::null_mut()) };
        arrived(transfer)
    }};
}

/// The inline form.
///
/// # Safety
///
/// Those of the assembly's.
#[expect(clippy::inline_always, reason = "as the assembly: see `told`")]
#[inline(always)]
pub(crate) unsafe fn switch_inline<const FLOAT: bool>(to: Context, message: *mut ()) -> Transfer {
    let form = arch::switch_inline::<FLOAT>;
    told!(to, message, form)
}

/// The inline form that publishes. It stores the frame, and not the record, so it is given another
/// slot; the side that arrives notes the frame and stores the record.
///
/// # Safety
///
/// Those of the assembly's.
#[expect(clippy::inline_always, reason = "as the assembly: see `told`")]
#[inline(always)]
pub(crate) unsafe fn switch_inline_publishing<const FLOAT: bool>(
    to: Context,
    message: *mut (),
    slot: *mut *mut (),
) -> Transfer {
    let departure = begin(to, message, slot);
    let left = departure.to.left.as_ptr();
    // SAFETY: as in `told`.
    unsafe { departure.me.kept.leave_for(&departure.to.kept) };
    // SAFETY: as in `told`; the record of a stack that runs lives.
    let transfer =
        unsafe { arch::switch_inline_publishing::<FLOAT>(departure.frame, ptr::null_mut(), left) };
    arrived(transfer)
}

/// The naked form with FP control state, called by one that is not.
///
/// # Safety
///
/// Those of the assembly's.
pub(crate) unsafe extern "C" fn switch_naked_float(to: Context, message: *mut ()) -> Transfer {
    let form = arch::switch_naked_float;
    told!(to, message, form)
}

/// The naked form without FP control state, called by one that is not.
///
/// # Safety
///
/// Those of the assembly's.
pub(crate) unsafe extern "C" fn switch_naked_no_float(to: Context, message: *mut ()) -> Transfer {
    let form = arch::switch_naked_no_float;
    told!(to, message, form)
}
