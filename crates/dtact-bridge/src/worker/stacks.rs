//! The stacks of a worker: the one its loop stands on, a spare, a few more, and what happens when
//! there are none.
//!
//! A closure fiber will most likely suspend, so it begins only where a spare is at hand. Where the
//! pool is empty, it joins the [starved](crate::runtime::starved): they begin as others give their
//! stacks back. Fibers that have begun are not held up: resuming one frees the stack the loop
//! stands on.

#![allow(unsafe_code, reason = "moves the loop to another stack")]

use core::time::Duration;
use std::{process, time::Instant};

use dtact_arena::{CellIndex, Stack};
use dtact_mesh::{TaskIndex, WorkerId};

use crate::{
    fiber::{Cell, traits},
    fiber_ref::FiberRef,
    runtime::dump,
    sync::Ordering,
    worker::{
        context::{Here, WorkerContext},
        suspension,
    },
};

/// A stack for the loop to go on on.
#[inline]
pub(crate) fn take_spare(context: &WorkerContext) -> Option<Stack> {
    context.spare.take().or_else(|| {
        context
            .stacks
            .borrow_mut()
            .take(&context.shared.stacks)
            .ok()
    })
}

/// Whether this worker has a stack beside its spare.
#[inline]
pub(crate) fn has_another(context: &WorkerContext) -> bool {
    !context.stacks.borrow().is_empty() || get_another(context)
}

#[cold]
fn get_another(context: &WorkerContext) -> bool {
    let pool = &context.shared.stacks;
    let mut stacks = context.stacks.borrow_mut();
    let taken = stacks.take(pool).map(|stack| stacks.give_back(pool, stack));
    taken.is_ok()
}

/// Puts away the stack that the switch under way is about to leave [bridge.W3].
#[inline]
pub(crate) fn put_left(context: &WorkerContext, stack: Option<Stack>) {
    let Some(stack) = stack else { return };
    if is_default(context, &stack) {
        // The spare is used only by code that has arrived elsewhere. What was the spare until
        // now has nothing standing on it.
        if let Some(spare) = context.spare.replace(Some(stack)) {
            release(context, spare);
        }
    } else {
        context.left_stack.set(Some(stack));
    }
}

/// Gives back a stack on which nothing stands.
pub(crate) fn release(context: &WorkerContext, stack: Stack) {
    let shared = &context.shared;
    if is_default(context, &stack) && shared.starved.count() == 0 {
        context.stacks.borrow_mut().give_back(&shared.stacks, stack);
        return;
    }
    shared.stacks.give_back(stack);
    feed_starved(context);
}

/// Gives all idle stacks back, before the worker sleeps.
pub(crate) fn flush(context: &WorkerContext) {
    if let Some(spare) = context.spare.take() {
        context.shared.stacks.give_back(spare);
    }
    context.stacks.borrow_mut().flush(&context.shared.stacks);
}

/// Gives memory of idle stacks back to the system as demand has fallen, before the worker sleeps.
/// `true`: more is due, and this was a part that keeps no task waiting for long.
pub(crate) fn decay(context: &WorkerContext) -> bool {
    // Where the system refuses, as for locked memory, the stacks keep theirs, and that is all.
    context.shared.stacks.decay(Instant::now()) == Ok(Some(Duration::ZERO))
}

/// After a stack was given back: lets one of the starved try again.
fn feed_starved(context: &WorkerContext) {
    let starved = &context.shared.starved;
    if starved.is_waiting_after_give_back()
        && let Some(task) = starved.pop()
    {
        push(context, task);
    }
}

/// Queues one of the starved where it may run.
fn push(context: &WorkerContext, task: TaskIndex) {
    match home_of(context, task) {
        None => context.worker.push(task),
        Some(home) => context.worker.send_pinned(home, task),
    }
}

/// The worker of a fiber that stays on one.
fn home_of(context: &WorkerContext, task: TaskIndex) -> Option<WorkerId> {
    let cell = context.shared.cell(task.raw()).expect("a starved fiber");
    // Relaxed: it was written before the fiber was queued.
    let home = cell.header().home.load(Ordering::Relaxed);
    home.checked_sub(1).map(WorkerId::from_raw)
}

/// One of the starved, if there is one and a stack for it. For a worker that has nothing else, and
/// has given its stacks back.
pub(crate) fn take_starved(context: &WorkerContext) -> Option<TaskIndex> {
    if !context.shared.starved.is_waiting_after_give_back() {
        return None;
    }
    let spare = take_spare(context)?;
    let task = context.shared.starved.pop();
    match task.and_then(|task| home_of(context, task)) {
        Some(home) if home != context.worker.id() => {
            // It finds the stack in the pool.
            context.shared.stacks.give_back(spare);
            context.worker.send_pinned(home, task?);
            None
        }
        _ => {
            context.spare.set(Some(spare));
            task
        }
    }
}

/// Adds a closure fiber to the starved, and lets one of them run if a stack has come up meanwhile.
fn starve(context: &WorkerContext, raw: u32) {
    let task = TaskIndex::from_raw(raw).expect("a cell's index has 24 bits");
    let starved = &context.shared.starved;
    starved.add(task);
    if let Some(spare) = take_spare(context) {
        context.spare.set(Some(spare));
        if let Some(task) = starved.pop() {
            push(context, task);
        }
    }
}

/// Makes ready what a fiber needs before it runs: for a closure a spare stack if it may be
/// suspended, and a larger stack if it asked for one. `false`: it does not run now, or has done so
/// on another stack and is done with.
pub(crate) fn prepare(context: Here, cell: Cell, raw: u32) -> bool {
    let shared = &context.shared;
    if cell.header().state.is_cancelled() || shared.is_closing() {
        return true;
    }
    let floor = cell.header().floor() as usize;
    if context.stack_bytes() < floor {
        // The stack it stands on now will be the spare.
        return begin_on_larger(context, raw, floor);
    }
    if shared.is_stackful && cell.header().traits() & traits::CLOSURE != 0 {
        let Some(spare) = take_spare(&context) else {
            starve(&context, raw);
            return false;
        };
        context.spare.set(Some(spare));
    }
    true
}

/// A stack for a loop that has none. Where fibers are suspended, one for the next to go on on has
/// to be left: loops that sit on all stacks would keep closure fibers waiting for ever.
pub(crate) fn take_for_loop(context: &WorkerContext) -> Option<Stack> {
    let stack = take_spare(context)?;
    if !context.shared.is_stackful {
        return Some(stack);
    }
    if let Some(spare) = take_spare(context) {
        context.spare.set(Some(spare));
        return Some(stack);
    }
    context.shared.stacks.give_back(stack);
    // Somebody may have found none meanwhile.
    feed_starved(context);
    None
}

/// What [`prepare_without`] leaves to do.
pub(crate) enum Without {
    /// The fiber runs where the loop stands: on the thread's own stack.
    Run,
    /// It was put with the starved.
    Starve,
    /// The loop begins with it, on this stack.
    Larger(Stack),
}

/// As [`prepare`], for a loop that stands on its thread's own stack, which is as large as those of
/// the workers. Nothing is suspended there, so closures run without a spare, and block.
pub(crate) fn prepare_without(context: &WorkerContext, cell: Cell, raw: u32) -> Without {
    let shared = &context.shared;
    let header = cell.header();
    debug_assert!(header.suspension.get().is_none(), "nothing was suspended");
    if header.state.is_cancelled() || shared.is_closing() {
        return Without::Run;
    }
    let floor = header.floor() as usize;
    if floor > shared.stacks.default_bytes() {
        if let Ok(larger) = shared.stacks.take(floor) {
            context.first.set(Some(raw));
            return Without::Larger(larger);
        }
        starve(context, raw);
        return Without::Starve;
    }
    Without::Run
}

#[cold]
fn begin_on_larger(context: Here, raw: u32, floor: usize) -> bool {
    let stacks = &context.shared.stacks;
    let larger = stacks.take(floor).or_else(|_| {
        // What this worker keeps for itself counts as well.
        flush(&context);
        stacks.take(floor)
    });
    let Ok(larger) = larger else {
        starve(&context, raw);
        return false;
    };
    context.first.set(Some(raw));
    // SAFETY: the loop calls this, with nothing of value in its frames [bridge.W1].
    unsafe { suspension::move_loop(context, larger) }
}

/// After a dispatch: leaves a stack that is larger than the worker's own.
#[inline]
pub(crate) fn move_back(context: Here) {
    if context.is_on_larger() {
        leave_larger(context);
    }
}

#[cold]
fn leave_larger(context: Here) {
    if let Some(spare) = take_spare(&context) {
        // SAFETY: the loop calls this, with nothing of value in its frames [bridge.W1].
        unsafe { suspension::move_loop(context, spare) }
    }
}

/// Ends the process if the fiber has overflowed the stack that it is about to leave: what lay below
/// it is lost, and may be another fiber's.
#[cold]
pub(crate) fn check_canary(context: &WorkerContext, fiber: FiberRef, stack: Option<&Stack>) {
    if let Some(stack) = stack
        && !context.shared.stacks.is_canary_intact(stack)
    {
        end_overflowed(context, fiber, stack);
    }
}

#[expect(clippy::print_stderr, reason = "the program ends here, and says why")]
fn end_overflowed(context: &WorkerContext, fiber: FiberRef, stack: &Stack) -> ! {
    let index = CellIndex::from_raw(fiber.cell_raw());
    if let Some(fiber) = index.and_then(|index| dump::fiber(&context.shared, index)) {
        eprintln!("{fiber}");
    }
    eprintln!(
        "it has overflowed its stack of {} bytes and overwritten what lay below: give it a larger \
         one by `spawn_with_stack` or `Builder::stack`",
        stack.class().bytes()
    );
    process::abort();
}

/// Whether the stack is of the size that workers stand on.
#[inline]
fn is_default(context: &WorkerContext, stack: &Stack) -> bool {
    stack.class().bytes() == context.shared.stacks.default_bytes()
}
