//! Running the fiber that another one joins at once, where it is its turn.
//!
//! ```text
//!   stack A: loop, F ... joins G            stack B: loop
//!   F suspended, held by `lender` ──────▶   G, polled first
//!   F goes on                     ◀──────   G has ended, or leaves stack B
//! ```
//!
//! A join that waits costs two queues, a waker and the loop twice: F is parked, G is taken from
//! the ring, ends and wakes F, which is queued and taken again. Where G is next in the ring anyway,
//! F takes it from there itself and lends its turn: it stays OWNED, and is what this worker goes on
//! with as soon as G ends, or is suspended in its turn. F then looks at G, and waits as ever where
//! that has not ended. So what others can tell is the order of the fibers, which is the same.
//!
//! G runs on a stack of its own, as it was promised. It may join others by the same means: lenders
//! form a list, the last one first.

#![allow(unsafe_code, reason = "switches stacks")]

use core::ptr::NonNull;

use dtact_arena::Stack;
use dtact_switch::{Context, SameThreadFloat};

use crate::{
    fiber::{Cell, traits},
    fiber_ref::FiberRef,
    runtime::metrics::Counts,
    spans,
    sync::Ordering,
    trace::{
        EventKind,
        recorder::{self, record, stamped},
    },
    worker::{
        context::{self, Here, WorkerContext},
        stacks,
        suspension::{self, Left, Suspension},
    },
};

/// Before the fiber that runs this waits for the end of another one: has that one run first, if it
/// is that one's turn here. Afterwards it may have ended or not; the caller looks.
#[inline]
#[cfg_attr(debug_assertions, track_caller)]
pub(crate) fn run_first(target: FiberRef) {
    if let Some(context) = context::current()
        && let Some(own) = context.fiber.get()
        && context.shared.number() == target.runtime()
        && context.can_suspend()
    {
        #[cfg(debug_assertions)]
        if crate::no_suspend::is_in_initialiser(core::panic::Location::caller()) {
            return;
        }
        lend(context, own, target);
    }
}

/// Lends the turn of the running fiber to another one, if it is that one's turn here.
fn lend(context: &WorkerContext, own: FiberRef, target: FiberRef) {
    let shared = &*context.shared;
    let header_of = |fiber: FiberRef| shared.cell(fiber.cell_raw()).map(Cell::header);
    let (Some(header), Some(wanted)) = (header_of(own), header_of(target)) else {
        return;
    };
    // One switcher leaves and enters all stacks of the list.
    let is_without_float = (header.traits() | wanted.traits()) & traits::NO_FLOAT != 0;
    // A fiber that shall end is told so by the wait.
    let is_to_end = header.state.is_cancelled() || shared.is_closing();
    if is_without_float || is_to_end || context.timers.is_armed() && context.timers.is_look_due() {
        return;
    }
    let Some(stack) = stacks::take_spare(context) else {
        return;
    };
    // As of any closure, it has to be suspended itself, perhaps: then this one needs another.
    let is_taken = wanted.floor() as usize <= stack.class().bytes()
        && stacks::has_another(context)
        && context
            .worker
            .take_if_next(suspension::task_of(target), || {
                !context.is_stack_pointed_into()
            });
    if !is_taken {
        context.spare.set(Some(stack));
        return;
    }
    spans::exit(shared, own.cell_raw());
    let stamp = recorder::stamp(shared);
    stamped(context, stamp, own, EventKind::SuspendQueued);
    context.counters().suspended();
    context
        .counters()
        .count(header.attributes(), Counts::REQUEUES);
    // The other one's poll has its own.
    let has_yielded = context.yielded.get();
    header
        .home
        .store(context.worker.id().raw() + 1, Ordering::Relaxed);
    // SAFETY: the spare is a stack of the pool on which nothing stands [bridge.W3], with its top
    // aligned.
    let next = unsafe { Context::new(suspension::bounds_of(&stack), suspension::loop_entry) };
    let left = context.replace_stack(Some(stack));
    if shared.has_canaries {
        stacks::check_canary(context, own, left.as_ref());
    }
    let suspension = Suspension::new();
    suspension.stack.set(left);
    suspension.lender.set(context.lender.take());
    context.lender.set(Some(NonNull::from(&suspension)));
    context.first.set(Some(target.cell_raw()));
    // SAFETY: this runs on the worker's thread.
    let here = unsafe { Here::new(context) };
    // SAFETY: a context just made, entered once; what is left is entered by the same switcher.
    unsafe {
        suspension::switch::<SameThreadFloat>(here, next, Left::Fiber(NonNull::from(&suspension)));
    }
    // Back, on the same thread: `lender` led here [bridge.W4].
    record(context, own.cell_raw(), EventKind::Resume);
    suspension::unpin(header);
    context.fiber.set(Some(own));
    context.yielded.set(has_yielded);
    context.budget.fill();
    spans::enter(shared, own.cell_raw());
    context.worker.go_on_with(suspension::task_of(own));
}

/// Takes the last lender out of the list: where it stands, and its stack. The caller goes there.
#[inline]
pub(super) fn take_lender(context: &WorkerContext) -> Option<(Context, Option<Stack>)> {
    let lender = context.lender.take()?;
    // SAFETY: it lies on the lender's stack, which nobody enters before the caller does
    // [bridge.W4].
    let lender = unsafe { lender.as_ref() };
    context.lender.set(lender.lender.take());
    let next = lender.take_context();
    Some((next, lender.stack.take()))
}

/// Goes back to the lender, if there is one, and abandons the loop frame that calls this.
///
/// # Safety
///
/// - The caller is the worker's loop, with nothing of value in its frames [bridge.W1].
#[inline]
pub(super) unsafe fn go_back(context: Here) {
    if let Some((next, stack)) = take_lender(&context) {
        let left = context.replace_stack(stack);
        stacks::put_left(&context, left);
        // SAFETY: a suspended context, taken out of its place, so entered once; `lend` has left it
        // by the same switcher.
        unsafe { suspension::leave_for_good::<SameThreadFloat>(context, next) }
    }
}
