//! Leaving one stack and arriving on another.
//!
//! Each switch is in two halves. Before it, the worker notes in its context what it is about to
//! leave ([`Left`]), and does all the bookkeeping. After it, whoever arrives learns where the
//! left side stands, and stores that where the note says. Only then may what was left be used:
//! resumed, abandoned, or its stack given back.

#![allow(unsafe_code, reason = "switches stacks")]

use core::{cell::Cell, mem::ManuallyDrop, ptr, ptr::NonNull};

use dtact_arena::Stack;
use dtact_mesh::TaskIndex;
use dtact_switch::{
    Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, StackBounds, Transfer,
};

use crate::{
    fiber::{Cell as FiberCell, Header, state::Park, traits},
    fiber_ref::FiberRef,
    runtime::metrics::Counts,
    spans,
    sync::{AtomicPtr, Ordering},
    trace::{
        EventKind,
        recorder::{self, record, stamped},
    },
    worker::{
        context::{Here, WorkerContext},
        dispatch, handover, stacks,
    },
};

/// Where a fiber stands while it is suspended in `wait`. It lies on the fiber's own stack.
///
/// # Invariants
///
/// - [bridge.W5] `context` is null until the stack has been left, and owns the context from then
///   until `resume` takes it. Both are done by the fiber's own thread, the latter as the holder of
///   the fiber. So whoever else holds the fiber [bridge.S1] and finds a context there has a stack
///   that stays as it is for as long as the fiber is held.
pub(crate) struct Suspension {
    /// The context, by [`Context::into_raw`].
    context: AtomicPtr<()>,
    pub(super) stack: Cell<Option<Stack>>,
    /// The fiber whose end it waits for, if it is that. Written before the fiber is parked, and
    /// read by whoever holds it afterwards [bridge.S1].
    pub(crate) waits_for: Cell<Option<FiberRef>>,
    /// The lender to go back to after this one, where this is one itself.
    pub(super) lender: Cell<Option<NonNull<Self>>>,
}

impl Suspension {
    pub(super) const fn new() -> Self {
        Self {
            context: AtomicPtr::new(ptr::null_mut()),
            stack: Cell::new(None),
            waits_for: Cell::new(None),
            lender: Cell::new(None),
        }
    }

    /// Takes the context, for the fiber's own thread, which holds the fiber and enters it next.
    pub(super) fn take_context(&self) -> Context {
        // Relaxed, both: this thread has left it, and is the one that comes back to it.
        let raw = NonNull::new(self.context.load(Ordering::Relaxed));
        let raw = raw.expect("its stack has been left");
        self.context.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: made by `into_raw`, and taken out of the place that owned it [bridge.W5].
        unsafe { Context::from_raw(raw) }
    }

    /// Runs `look` so that a walk along the stack from inside of it goes on into this one. `None`:
    /// its thread has not left it yet, or walks cannot do that here.
    ///
    /// # Safety
    ///
    /// - The caller holds the fiber [bridge.S1] until this returns.
    pub(crate) unsafe fn with_walk<T>(&self, look: impl FnOnce() -> T) -> Option<T> {
        // Acquire: pairs with the store in `arrive`: the frames have been written.
        let context = NonNull::new(self.context.load(Ordering::Acquire))?;
        if !Context::CAN_WALK {
            return None;
        }
        // SAFETY: made by `into_raw`, and owned by whoever holds the fiber [bridge.W5].
        let context = ManuallyDrop::new(unsafe { Context::from_raw(context) });
        // SAFETY: suspended, and resumed by nobody while the caller holds the fiber [bridge.W5].
        let seen = unsafe { context.with_walk(look) };
        // What is in `context` owns it again.
        let _: NonNull<()> = ManuallyDrop::into_inner(context).into_raw();
        Some(seen)
    }
}

/// What a switch leaves.
pub(crate) enum Left {
    /// No switch is under way.
    Nothing,
    /// The thread's own stack, to which the worker returns at its end.
    Home,
    /// The stack of a fiber that is suspended, kept by it.
    Fiber(NonNull<Suspension>),
    /// A loop frame with nothing above it [bridge.W1].
    Loop,
}

/// How a suspension ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// The fiber was woken: it polls again.
    Woken,
    /// It was cancelled: it unwinds.
    Cancelled,
    /// It was not suspended at all: there is no stack for the loop to go on on.
    NoStack,
    /// It was not suspended at all: a thread-local points into its stack.
    PointedInto,
}

/// Why a fiber is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It waits to be woken: by the end of that fiber, if it waits for that.
    Wait(Option<FiberRef>),
    /// The same, and it goes on waiting if it is cancelled.
    Regardless(Option<FiberRef>),
    /// It lets others run and wants to go on after them.
    Yield,
}

/// Suspends the fiber whose poll is under way, with its frames on the stack.
pub(crate) fn suspend(context: &WorkerContext, fiber: FiberRef, reason: Reason) -> Resumed {
    let cell = context
        .shared
        .cell(fiber.cell_raw())
        .expect("the fiber is running");
    let header = cell.header();
    let attributes = header.attributes();
    // Where the runtime is closing each fiber is cancelled, also one that has not been told yet.
    let shall_end = header.state.is_cancelled() || context.shared.is_closing();
    if reason == Reason::Yield && !shall_end && context.may_go_on() {
        context.budget.fill();
        context.counters().count(attributes, Counts::YIELDS);
        return Resumed::Woken;
    }
    if context.is_stack_pointed_into() {
        return Resumed::PointedInto;
    }
    // Where there is a lender, that one goes on, on a stack of its own.
    let spare = if context.lender.get().is_some() {
        keep_float(header);
        None
    } else {
        let Some(spare) = stacks::take_spare(context) else {
            return Resumed::NoStack;
        };
        Some(spare)
    };
    let suspension = Suspension::new();
    header.suspension.set(Some(NonNull::from(&suspension)));
    header
        .home
        .store(context.worker.id().raw() + 1, Ordering::Relaxed);
    spans::exit(&context.shared, fiber.cell_raw());
    let stamp = recorder::stamp(&context.shared);
    match reason {
        Reason::Yield => {
            stamped(context, stamp, fiber, EventKind::SuspendQueued);
            context.counters().count(attributes, Counts::YIELDS);
            context.worker.push_pinned(task_of(fiber));
        }
        // From here on others may wake it; but only this thread takes it from the queue that
        // leads to it [bridge.W2], and this thread has to leave the stack first.
        Reason::Wait(of) | Reason::Regardless(of) => {
            suspension.waits_for.set(of);
            let park = match reason {
                Reason::Regardless(_) => header.state.park_regardless(),
                _ => header.state.park(),
            };
            match park {
                Park::Parked => {
                    stamped(context, stamp, fiber, EventKind::Suspend);
                    context.counters().count(attributes, Counts::PARKS);
                }
                Park::Notified => {
                    record(context, fiber.cell_raw(), EventKind::Again);
                    context.counters().count(attributes, Counts::REQUEUES);
                    spans::enter(&context.shared, fiber.cell_raw());
                    header.suspension.set(None);
                    unpin(header);
                    if let Some(spare) = spare {
                        context.spare.set(Some(spare));
                    }
                    return Resumed::Woken;
                }
                // It lets the others run before it is told: code that cannot unwind may come here
                // again and again.
                Park::Cancelled => {
                    stamped(context, stamp, fiber, EventKind::SuspendQueued);
                    context.counters().count(attributes, Counts::REQUEUES);
                    context.worker.push_pinned(task_of(fiber));
                }
            }
        }
    }
    context.counters().suspended();
    let (next, stack) = match spare {
        Some(spare) => {
            // SAFETY: the spare is a stack of the pool on which nothing stands [bridge.W3], with
            // its top aligned.
            let next = unsafe { Context::new(bounds_of(&spare), loop_entry) };
            (next, Some(spare))
        }
        None => handover::take_lender(context).expect("there is one, as found above"),
    };
    let own = context.replace_stack(stack);
    if context.shared.has_canaries {
        stacks::check_canary(context, fiber, own.as_ref());
    }
    suspension.stack.set(own);
    let left = Left::Fiber(NonNull::from(&suspension));
    // SAFETY: this runs on the worker's thread.
    let here = unsafe { Here::new(context) };
    if header.traits() & traits::NO_FLOAT == 0 {
        // SAFETY: a context just made, or a lender's, which was left by this switcher; entered
        // once, as it was taken out of its place.
        unsafe { switch::<SameThreadFloat>(here, next, left) };
    } else {
        // SAFETY: a context just made, as `keep_float` has seen to where it is not; `resume` enters
        // what is left by the same switcher.
        unsafe { switch::<SameThreadNoFloat>(here, next, left) };
    }
    // Back, on the same thread [bridge.W2], with the fiber in this worker's hands again.
    header.suspension.set(None);
    unpin(header);
    context.fiber.set(Some(fiber));
    context.budget.fill();
    spans::enter(&context.shared, fiber.cell_raw());
    if is_cancelled(context, fiber) {
        Resumed::Cancelled
    } else {
        Resumed::Woken
    }
}

/// The lender was left with its floating-point state, and has to be entered by the same switcher.
/// Nothing is lent to a fiber without that state; one that has said so since keeps it from now on.
#[inline]
fn keep_float(header: &Header) {
    if header.traits() & traits::NO_FLOAT != 0 {
        header.set_traits(header.traits() & !traits::NO_FLOAT);
    }
}

/// The fiber has left its stack, and may go to any worker again, unless it is one that stays.
#[inline]
pub(super) fn unpin(header: &Header) {
    if header.traits() & traits::PINNED == 0 {
        header.home.store(0, Ordering::Relaxed);
    }
}

/// Whether the fiber shall end, by its own cancellation or its runtime's.
pub(crate) fn is_cancelled(context: &WorkerContext, fiber: FiberRef) -> bool {
    let cell = context
        .shared
        .cell(fiber.cell_raw())
        .expect("the fiber is running");
    context.shared.is_closing() || cell.header().state.is_cancelled()
}

/// Enters the stack of a suspended fiber and abandons the loop frame that calls this.
///
/// # Safety
///
/// - The caller is the worker's loop, with nothing of value in its frames [bridge.W1].
/// - The caller holds the fiber of this cell [bridge.S1], which was suspended on this thread.
pub(crate) unsafe fn resume(context: Here, cell: FiberCell) -> ! {
    let header = cell.header();
    let home = header.home.load(Ordering::Relaxed);
    assert_eq!(
        home,
        context.worker.id().raw() + 1,
        "a suspended fiber goes on on its own thread"
    );
    let suspension = header.suspension.get().expect("the fiber is suspended");
    // SAFETY: it lies on the stack of the fiber, which is not entered before the switch below.
    let suspension = unsafe { suspension.as_ref() };
    let next = suspension.take_context();
    let left = context.replace_stack(suspension.stack.take());
    stacks::put_left(&context, left);
    if header.traits() & traits::NO_FLOAT == 0 {
        // SAFETY: a suspended context, taken out of its place, so entered once.
        unsafe { leave_for_good::<SameThreadFloat>(context, next) }
    } else {
        // SAFETY: the same; `suspend` has left it by the same switcher.
        unsafe { leave_for_good::<SameThreadNoFloat>(context, next) }
    }
}

/// Goes on with the loop on another stack, which becomes the worker's, and abandons the loop frame
/// that calls this.
///
/// # Safety
///
/// - The caller is the worker's loop, with nothing of value in its frames [bridge.W1].
pub(crate) unsafe fn move_loop(context: Here, stack: Stack) -> ! {
    let bounds = bounds_of(&stack);
    let left = context.replace_stack(Some(stack));
    stacks::put_left(&context, left);
    // SAFETY: a stack of the pool on which nothing stands [bridge.W3], with its top aligned.
    let next = unsafe { Context::new(bounds, loop_entry) };
    // SAFETY: a context just made, entered once.
    unsafe { leave_for_good::<SameThreadFloat>(context, next) }
}

/// Begins the worker's loop on a pooled stack; returns when the loop has ended.
pub(crate) fn run_on_stack(context: &WorkerContext, stack: Stack) {
    let bounds = bounds_of(&stack);
    context.replace_stack(Some(stack));
    // SAFETY: as above.
    let next = unsafe { Context::new(bounds, loop_entry) };
    // SAFETY: this runs on the worker's thread.
    let here = unsafe { Here::new(context) };
    // SAFETY: a context just made, entered once.
    unsafe { switch::<SameThreadFloat>(here, next, Left::Home) };
}

/// Where a pooled stack lies.
#[inline]
pub(super) fn bounds_of(stack: &Stack) -> StackBounds {
    StackBounds::new(stack.top(), stack.bottom())
}

/// The foot of every loop: what is entered first on a fresh stack.
///
/// # Safety
///
/// - Entered by `switch` or `leave_for_good`, whose message is the worker's context.
pub(super) unsafe extern "C" fn loop_entry(transfer: Transfer) -> ! {
    let context = transfer.message.cast::<WorkerContext>().cast_const();
    // SAFETY: the message is the context of this thread's worker, which outlives its loop.
    let context = unsafe { &*context };
    if cfg!(miri) {
        // A thread stands in for this stack, and has thread-locals of its own.
        context.be_current();
    }
    arrive(context, transfer.from);
    // SAFETY: this runs on the worker's thread.
    let here = unsafe { Here::new(context) };
    dispatch::run(here);
    let home = context
        .home
        .take()
        .expect("the worker began on its thread's own stack");
    // SAFETY: the loop is over; the thread's own stack has been left once, by `run_on_stack`.
    unsafe { leave_for_good::<SameThreadFloat>(here, home) }
}

/// Leaves the running context for `next`, and returns when it is resumed.
///
/// # Safety
///
/// - `next` may be entered on this thread now: it is fresh, or was left by the same switcher.
#[inline]
pub(super) unsafe fn switch<S: ContextSwitcher>(context: Here, next: Context, left: Left) {
    context.left.set(left);
    let message = ptr::from_ref(&*context).cast_mut().cast();
    // SAFETY: as the caller promises.
    let transfer = unsafe { S::switch(next, message) };
    arrive(&context, transfer.from);
}

/// Leaves a loop frame that is never resumed.
///
/// # Safety
///
/// - As for [`switch`]; and nothing of value lies in the caller's frames.
pub(super) unsafe fn leave_for_good<S: ContextSwitcher>(context: Here, next: Context) -> ! {
    // SAFETY: as the caller promises.
    unsafe { switch::<S>(context, next, Left::Loop) };
    unreachable!("an abandoned loop frame is not resumed: its context was dropped")
}

/// What comes after every switch: the stack that was left has been left now.
#[inline]
fn arrive(context: &WorkerContext, from: Context) {
    match context.left.replace(Left::Nothing) {
        Left::Nothing => unreachable!("every switch notes what it leaves"),
        Left::Home => context.home.set(Some(from)),
        Left::Fiber(suspension) => {
            // SAFETY: it lies on the stack just left, whose fiber is suspended there.
            let suspension = unsafe { suspension.as_ref() };
            // Release: pairs with the load in `Suspension::with_walk`.
            suspension
                .context
                .store(from.into_raw().as_ptr(), Ordering::Release);
        }
        // The frame stays behind, with nothing in it [bridge.W1].
        Left::Loop => drop(from),
    }
    if let Some(stack) = context.left_stack.take() {
        stacks::release(context, stack);
    }
}

pub(super) fn task_of(fiber: FiberRef) -> TaskIndex {
    TaskIndex::from_raw(fiber.cell_raw()).expect("a cell's index has 24 bits")
}
