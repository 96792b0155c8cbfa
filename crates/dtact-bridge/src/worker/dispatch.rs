//! The worker's loop: take a fiber, poll it, see what it left.

#![allow(
    unsafe_code,
    reason = "polls futures through their tables of functions"
)]

use core::task::Context;

use dtact_arena::{CellIndex, Stack};
use dtact_mesh::{Dormant, Parked, TaskIndex};

use crate::{
    fiber::{
        Cell, Outcome,
        state::{Ended, Finish, Park},
        traits,
    },
    fiber_ref::FiberRef,
    runtime::{Shared, metrics::Counts},
    scope::ScopeState,
    spans,
    sync::Arc,
    trace::{
        EventKind,
        recorder::{self, record, record_end},
    },
    waker,
    worker::{
        context::{Here, WorkerContext},
        handover, sleep,
        stacks::{self, Without},
        suspension,
    },
};

/// Takes and dispatches fibers until the mesh is closed.
pub(crate) fn run(context: Here) {
    if let Some(raw) = context.first.take() {
        dispatch_here(&context, cell_of(&context, raw), raw);
        // SAFETY: this is the loop, with nothing of value in its frames [bridge.W1].
        unsafe { handover::go_back(context) };
        stacks::move_back(context);
    }
    while let Some(task) = take(&context) {
        dispatch(context, task.raw());
        stacks::move_back(context);
    }
}

/// Takes and dispatches fibers on the thread's own stack, where none can be suspended, until there
/// is a stack for the loop, which is returned; `None` when the mesh is closed.
#[cold]
pub(crate) fn run_until_stack(context: &WorkerContext) -> Option<Stack> {
    context.in_no_suspend(|| {
        loop {
            if let Some(stack) = stacks::take_for_loop(context) {
                return Some(stack);
            }
            let raw = take(context)?.raw();
            let cell = cell_of(context, raw);
            match stacks::prepare_without(context, cell, raw) {
                Without::Run => dispatch_here(context, cell, raw),
                Without::Starve => {}
                Without::Larger(stack) => return Some(stack),
            }
        }
    })
}

/// The next fiber, however long it takes, or `None` when the mesh is closed.
#[expect(
    clippy::inline_always,
    reason = "a call costs the loop a third of what it does"
)]
#[inline(always)]
fn take(context: &WorkerContext) -> Option<TaskIndex> {
    let worker = &context.worker;
    loop {
        if worker.is_surplus() {
            stacks::flush(context);
            sleep::give_back_cells(context);
            sleep::hand_over(context);
            match sleep::asleep(context, || worker.go_dormant()) {
                Dormant::Closed => return None,
                Dormant::Pinned => {
                    if let Some(task) = worker.next_pinned() {
                        return Some(task);
                    }
                    continue;
                }
                Dormant::Activated | Dormant::Stayed => {}
            }
        }
        if context.timers.is_armed() {
            context.timers.look();
        }
        if let Some(task) = worker.next() {
            return Some(task);
        }
        stacks::flush(context);
        if let Some(task) = stacks::take_starved(context) {
            return Some(task);
        }
        if stacks::decay(context) {
            continue;
        }
        match sleep::park(context) {
            Parked::Closed => return None,
            Parked::Work => {}
        }
    }
}

/// Goes on with a fiber, where it stands or by a poll from the start.
#[inline]
fn dispatch(context: Here, raw: u32) {
    let cell = cell_of(&context, raw);
    let header = cell.header();
    if header.suspension.get().is_some() {
        // It looks itself whether it was cancelled.
        let _: Option<u32> = header.state.begin_poll();
        record(&context, raw, EventKind::Resume);
        // SAFETY: the loop calls this; nothing of value lies in its frames [bridge.W1]. The
        // fiber came out of this worker's pinned queue [bridge.W2].
        unsafe { suspension::resume(context, cell) }
    }
    if header.traits() & (traits::CLOSURE | traits::FLOOR) != 0
        && !stacks::prepare(context, cell, raw)
    {
        return;
    }
    dispatch_here(&context, cell, raw);
}

/// Polls a fiber on the stack the loop stands on.
#[inline]
fn dispatch_here(context: &WorkerContext, cell: Cell, raw: u32) {
    let state = &cell.header().state;
    let vtable = cell.header().vtable.get().expect("set by spawn");
    let mut kind = EventKind::Poll;
    loop {
        let generation = state.begin_poll().filter(|_| !context.shared.is_closing());
        record(context, raw, kind);
        kind = EventKind::Again;
        let Some(generation) = generation else {
            context.without_suspension(name_of(context, cell, raw), || {
                // SAFETY: the fiber is held [bridge.S1] and not suspended inside its poll.
                unsafe { (vtable.cancel)(cell) };
            });
            return finish(context, cell, raw);
        };
        let fiber = FiberRef::from_raw(context.shared.number(), raw, generation);
        let waker = waker::of(fiber);
        context.fiber.set(Some(fiber));
        context.yielded.set(false);
        context.budget.fill();
        spans::enter(&context.shared, raw);
        // SAFETY: the fiber is held [bridge.S1]; its body holds the future, as it has not ended.
        let has_ended = unsafe { (vtable.poll)(cell, &mut Context::from_waker(&waker)) };
        spans::exit(&context.shared, raw);
        context.fiber.set(None);
        if has_ended {
            return finish(context, cell, raw);
        }
        let attributes = cell.header().attributes();
        if context.yielded.get() {
            context.counters().count(attributes, Counts::YIELDS);
            // It stays OWNED: by the queue, or, where nothing else is to be run, by this loop.
            if context.may_go_on() {
                continue;
            }
            return queue_again(context, cell, raw);
        }
        let stamp = recorder::stamp(&context.shared);
        match state.park() {
            Park::Parked => {
                context.counters().count(attributes, Counts::PARKS);
                return recorder::stamped(context, stamp, fiber, EventKind::Park);
            }
            Park::Notified => {
                context.counters().count(attributes, Counts::REQUEUES);
                if context.shared.heeds.runs {
                    context.shared.note_woken(raw);
                }
                return queue_again(context, cell, raw);
            }
            // Polled no more.
            Park::Cancelled => context.counters().count(attributes, Counts::REQUEUES),
        }
    }
}

/// Queues a fiber behind the others of this worker.
#[inline]
fn queue_again(context: &WorkerContext, cell: Cell, raw: u32) {
    record(context, raw, EventKind::Requeue);
    if cell.header().traits() & traits::PINNED == 0 {
        context.worker.push_yielded(task(raw));
    } else {
        queue_pinned(context, raw);
    }
}

#[cold]
fn queue_pinned(context: &WorkerContext, raw: u32) {
    context.worker.push_pinned(task(raw));
}

fn name_of(context: &WorkerContext, cell: Cell, raw: u32) -> FiberRef {
    FiberRef::from_raw(
        context.shared.number(),
        raw,
        cell.header().state.generation(),
    )
}

#[inline]
fn cell_of(context: &WorkerContext, raw: u32) -> Cell {
    context
        .shared
        .cell(raw)
        .expect("the mesh holds tasks of this pool only")
}

fn task(raw: u32) -> TaskIndex {
    TaskIndex::from_raw(raw).expect("a cell's index has 24 bits")
}

/// Hands the outcome over: to the handle, or to nobody.
#[inline]
fn finish(context: &WorkerContext, cell: Cell, raw: u32) {
    let counters = context.counters();
    counters.count(cell.header().attributes(), Counts::FINISHED);
    record_end(context, raw);
    spans::end(&context.shared, raw);
    if cell.header().traits() & (traits::LOCALS | traits::SCOPED) != 0 {
        return finish_with_extras(context, cell, raw);
    }
    finish_rest(context, cell, raw, hand_over(cell));
}

#[inline]
fn finish_rest(context: &WorkerContext, cell: Cell, raw: u32, ended: Ended) {
    if ended.finish == Finish::Detached {
        drop_and_free(context, cell, raw);
    }
    if ended.is_known() {
        // The cell may be another fiber's by now.
        wake_waiters(&context.shared, raw, ended);
    }
}

#[cold]
fn wake_waiters(shared: &Shared, raw: u32, ended: Ended) {
    let fiber = FiberRef::from_raw(shared.number(), raw, ended.generation());
    shared.waiters.wake_all(fiber);
}

/// The end of a fiber that has fiber-local values, or belongs to a scope.
#[cold]
fn finish_with_extras(context: &WorkerContext, cell: Cell, raw: u32) {
    let index = CellIndex::from_raw(raw).expect("a cell's index has 24 bits");
    let scope = before_end(&context.shared, cell, index, |drop_locals| {
        context.without_suspension(name_of(context, cell, raw), drop_locals);
    });
    let ended = hand_over(cell);
    if ended.finish == Finish::Detached
        && cell.outcome() == Outcome::Panic
        && let Some(scope) = &scope
    {
        scope.note_panic();
    }
    finish_rest(context, cell, raw, ended);
    if let Some(scope) = scope {
        scope.leave();
    }
}

/// Drops the fiber-local values, and takes the scope out. For the holder of a fiber whose outcome
/// is in place.
fn before_end(
    shared: &Shared,
    cell: Cell,
    index: CellIndex,
    run: impl FnOnce(&dyn Fn()),
) -> Option<Arc<ScopeState>> {
    let extra = shared.extras.get(index)?;
    if cell.header().traits() & traits::LOCALS != 0 {
        // SAFETY: the fiber is held [bridge.S1].
        let locals = unsafe { extra.locals() };
        run(&|| locals.drop_all());
    }
    // SAFETY: the fiber is held [bridge.S1].
    unsafe { extra.take_scope() }
}

/// The same by a thread that is no worker, when there are no workers any more.
pub(crate) fn finish_outside(shared: &Shared, cell: Cell, index: CellIndex) {
    let counters = shared.outside_counters();
    counters.count(cell.header().attributes(), Counts::FINISHED);
    if let Some(recorder) = &shared.recorder {
        let generation = cell.header().state.generation();
        let fiber = FiberRef::new(shared.number(), index, generation);
        recorder.finish_outside(fiber, cell.outcome().into());
    }
    spans::end(shared, index.raw());
    let scope = before_end(shared, cell, index, |drop_locals| drop_locals());
    let ended = hand_over(cell);
    if ended.finish == Finish::Detached {
        let vtable = cell.header().vtable.get().expect("set by spawn");
        // SAFETY: nobody else wants the outcome [bridge.S2].
        unsafe { (vtable.drop_outcome)(cell) };
        if cell.header().state.release() {
            shared.cells.give_back(index);
        }
    }
    if ended.is_known() {
        wake_waiters(shared, index.raw(), ended);
    }
    if let Some(scope) = scope {
        scope.leave();
    }
}

/// Makes the outcome the handle's and wakes who waits for it. `Detached`: there is no handle, and
/// it is the caller's still.
#[inline]
fn hand_over(cell: Cell) -> Ended {
    let state = &cell.header().state;
    let ended = state.finish();
    if ended.finish != Finish::TakeWaker {
        return ended;
    }
    // SAFETY: the slot is the fiber's while TAKING [bridge.S3], and JOIN_WAKER was set.
    let joiner = unsafe { cell.empty_join_slot() };
    let ended = state.finish_taking();
    waker::wake_foreign(joiner);
    ended
}

#[cold]
fn drop_and_free(context: &WorkerContext, cell: Cell, raw: u32) {
    let vtable = cell.header().vtable.get().expect("set by spawn");
    context.without_suspension(name_of(context, cell, raw), || {
        // SAFETY: nobody else wants the outcome [bridge.S2].
        unsafe { (vtable.drop_outcome)(cell) };
    });
    free(context, cell, raw);
}

/// Gives the cell of a fiber that is over to the next one.
#[inline]
pub(crate) fn free(context: &WorkerContext, cell: Cell, raw: u32) {
    if cell.header().state.release() {
        let index = CellIndex::from_raw(raw).expect("a cell's index has 24 bits");
        context
            .cells
            .borrow_mut()
            .give_back(&context.shared.cells, index);
    }
}
