//! The end of a runtime.
//!
//! 1. **Close**: no fiber begins any more. Every dispatch from now on is a cancellation.
//! 2. **Cancel**: a scan over all cells that were ever used cancels the fibers that are parked.
//!    A fiber that was being spawned, or was about to park, while the scan passed may be missed;
//!    so the scan is repeated until it finds none alive.
//! 3. **Join**: the mesh is closed, the workers leave their loops, the threads are joined. What was
//!    spawned or woken behind the back of the last scan is then ended by this thread.
//! 4. **Orphans**: an ended fiber whose handle is still there keeps its outcome, and the memory
//!    of the cells. Whoever takes the last one frees them.

#![allow(
    unsafe_code,
    reason = "ends fibers in place, and drops the count of the registry"
)]

use std::time::{Duration, Instant};

use crate::{
    error::ShutdownError,
    fiber::{Outcome, state::Wake, traits},
    fiber_ref::FiberRef,
    registry::RUNTIMES,
    runtime::{Shared, dump},
    sync::{Arc, Ordering, Thread, current_thread, lock},
    trace::EventKind,
    worker::{context, dispatch},
};
use dtact_arena::{CellClass, CellIndex};
use dtact_mesh::Parker;

/// The first and the longest pause between two scans.
const PAUSE_MIN: Duration = Duration::from_micros(20);
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Cancels everything and joins the threads. Without a deadline it waits for as long as it takes.
pub(crate) fn shutdown(
    shared: &Arc<Shared>,
    deadline: Option<Duration>,
) -> Result<(), ShutdownError> {
    let until = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
    if context::is_worker_of(shared) {
        // The caller's own fiber is among those that have to end first.
        begin(shared);
        return Ok(());
    }
    shared.begin_closing();
    let mut pause = PAUSE_MIN;
    let parker = Parker::new();
    loop {
        let alive_count = cancel_all(shared);
        if alive_count == 0 {
            break;
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            shared.gave_up.store(true, Ordering::Relaxed);
            return Err(refused(shared, alive_count));
        }
        parker.park_timeout(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    shared.mesh.close();
    join_threads(shared);
    shared.left_timers.end();
    match end_left_behind(shared) {
        0 => {
            // An earlier one may have run out of time.
            shared.gave_up.store(false, Ordering::Relaxed);
            *lock(&shared.dump_signal) = None;
            // Release: pairs with `Shared::has_ended`.
            shared.has_ended.store(true, Ordering::Release);
            Ok(())
        }
        alive_count => {
            shared.gave_up.store(true, Ordering::Relaxed);
            Err(refused(shared, alive_count))
        }
    }
}

fn refused(shared: &Shared, alive_count: usize) -> ShutdownError {
    ShutdownError {
        alive_count,
        alive: dump::dump_of_alive(shared),
    }
}

/// Closes the runtime and cancels its fibers, and waits for nothing. For one of its workers.
pub(crate) fn begin(shared: &Shared) {
    shared.begin_closing();
    cancel_all(shared);
}

/// Cancels every fiber that has not ended, and returns how many there are.
fn cancel_all(shared: &Shared) -> usize {
    let mut alive_count = 0;
    for index in touched(shared) {
        let Some(cell) = shared.cell(index.raw()) else {
            continue;
        };
        if let Some(generation) = cell.header().state.running_generation() {
            alive_count += 1;
            let fiber = FiberRef::new(shared.number(), index, generation);
            shared.cancel(context::current_of(shared), fiber);
        }
    }
    alive_count
}

/// All cells that were ever used.
pub(crate) fn touched(shared: &Shared) -> impl Iterator<Item = CellIndex> {
    CellClass::all().flat_map(|class| shared.cells.touched_cells(class))
}

/// Ends what no worker is left to end: fibers that were spawned or woken while the last scan
/// passed, and are in a queue that nobody reads any more. Returns how many cannot be ended: those
/// that are suspended on the stack of a thread that is gone, or that only it could drop.
fn end_left_behind(shared: &Shared) -> usize {
    // Nor does who makes a dump, from here on.
    *lock(&shared.may_walk) = false;
    let mut alive_count = 0;
    for index in touched(shared) {
        let Some(cell) = shared.cell(index.raw()) else {
            continue;
        };
        let state = &cell.header().state;
        let Some(generation) = state.running_generation() else {
            continue;
        };
        // Whether it was parked or queued: with the workers gone nobody else holds it.
        let fiber = FiberRef::new(shared.number(), index, generation);
        let cancel = || state.cancel(generation);
        let outcome = match &shared.recorder {
            None => cancel(),
            Some(recorder) => recorder.wake(None, fiber, EventKind::Cancel, &cancel),
        };
        if outcome == Wake::Gone {
            continue;
        }
        let is_local = cell.header().traits() & traits::LOCAL != 0;
        if is_local || cell.header().suspension.get().is_some() {
            alive_count += 1;
            continue;
        }
        let vtable = cell.header().vtable.get().expect("set by spawn");
        // SAFETY: held by this thread, as said above, and not suspended inside its poll.
        unsafe { (vtable.cancel)(cell) };
        if cell.outcome() == Outcome::Panic {
            let fiber = FiberRef::new(shared.number(), index, generation);
            shared.heed_panic(Some(fiber));
        }
        dispatch::finish_outside(shared, cell, index);
    }
    alive_count
}

fn join_threads(shared: &Shared) {
    loop {
        // A worker may have started another one meanwhile.
        let Some(thread) = lock(&shared.threads).pop() else {
            return;
        };
        if thread.thread().id() != current_thread().id() {
            // A worker's thread does not panic: what could, runs under the fiber's root.
            drop(thread.join());
        }
    }
}

/// What dropping the [`Runtime`](crate::Runtime) does: all of the above, to the end.
pub(crate) fn end(shared: &Arc<Shared>) {
    if shared.gave_up.load(Ordering::Relaxed) {
        // Its user has been told that fibers are alive, and dropped it all the same: they and
        // everything they use stay as they are.
        return;
    }
    if context::is_worker_of(shared) {
        shared.begin_closing();
        let shared = Arc::clone(shared);
        // A worker cannot wait for itself. Where no thread is to be had the memory stays.
        drop(
            Thread::new()
                .name("dtact-end".to_owned())
                .spawn(move || finish(&shared)),
        );
        return;
    }
    finish(shared);
}

fn finish(shared: &Arc<Shared>) {
    // Without a deadline only a fiber that is suspended on the stack of a thread that is gone is
    // left: it cannot be unwound, so its stack must not be freed either.
    if shutdown(shared, None).is_ok() {
        retain_orphans(shared);
    }
}

/// Marks the ended fibers whose handles are still there, and frees the rest.
fn retain_orphans(shared: &Shared) {
    // One for this function, so that nobody frees anything before it has counted all.
    shared.retained.store(1, Ordering::Relaxed);
    let mut generation_max = shared.generation_min;
    for index in touched(shared) {
        let Some(cell) = shared.cell(index.raw()) else {
            continue;
        };
        let state = &cell.header().state;
        generation_max = generation_max.max(state.generation());
        shared.retained.fetch_add(1, Ordering::Relaxed);
        if !state.orphan() {
            shared.retained.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // One more for the release of each orphan.
    shared
        .generation_next
        .store(generation_max.saturating_add(2), Ordering::Relaxed);
    let number = shared.number();
    if release_retained(shared) {
        free(number);
    }
}

/// Counts one orphan out. `true`: it was the last, and the caller calls [`free`], having let go of
/// every reference to the runtime that the registry gave it.
#[must_use]
pub(crate) fn release_retained(shared: &Shared) -> bool {
    // Release and acquire: whoever frees the cells does so after all have been read.
    shared.retained.fetch_sub(1, Ordering::AcqRel) == 1
}

/// Drops what the registry holds of a runtime that has ended.
pub(crate) fn free(number: u8) {
    let slot = &RUNTIMES[usize::from(number)];
    let shared = slot.withdraw();
    // SAFETY: it came from `Arc::into_raw` in `start`; `retained` falls to zero once, so that this
    // is the only call for this runtime, and `withdraw` has waited for those who were looking.
    let shared = unsafe { Arc::from_raw(shared.cast_const()) };
    let generation_next = shared.generation_next.load(Ordering::Relaxed);
    drop(shared);
    slot.vacate(generation_next);
}
