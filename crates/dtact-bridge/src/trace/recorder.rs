//! Writing events down, where a runtime has a recorder.
//!
//! Each worker has a ring of its own, made when it first writes. All other threads share one,
//! under a lock, which they hold from before they read the clock until the event is written: a
//! reader that holds it knows that none of them has anything left to write.
//!
//! # Order
//!
//! The clock is the system's monotonic one, which never shows less to whoever comes later, on
//! whichever processor. What gives a fiber away (`Spawn`, `Requeue`, `Park`, `Suspend`, `Finish`)
//! is stamped before the state changes; what takes it (`Poll`, `Resume`, `Again`, a wake that
//! queues it) after. So of two events of a fiber where one made the other possible, the first has
//! no later stamp than the second. Stamps of one ring never fall.

use std::time::Instant;

use dtact_arena::CellIndex;
use dtact_mesh::WorkerId;

use crate::{
    fiber::state::Wake,
    fiber_ref::FiberRef,
    runtime::Shared,
    sync::{Mutex, MutexGuard, OnceLock, lock},
    trace::{
        End, EventKind, Trace,
        event::{self, OUTSIDE},
        ring::Ring,
    },
    worker::context::WorkerContext,
};

/// The recorder of a runtime.
#[derive(Debug)]
pub(crate) struct Recorder {
    begin: Instant,
    slots: usize,
    /// One for each worker there can be.
    workers: Box<[OnceLock<Ring>]>,
    outside: Mutex<Ring>,
}

/// When something is about to happen; `None` without a recorder.
pub(crate) type Stamp = Option<u64>;

/// Where the calling thread writes.
enum Lane<'recorder> {
    Worker(&'recorder Ring),
    Outside(MutexGuard<'recorder, Ring>),
}

impl Lane<'_> {
    fn push(&self, words: [u64; 3]) {
        match self {
            Self::Worker(ring) => ring.push(words),
            Self::Outside(ring) => ring.push(words),
        }
    }
}

impl Recorder {
    pub(crate) fn new(slots: usize, workers_max: usize) -> Self {
        Self {
            begin: Instant::now(),
            slots,
            workers: (0..workers_max).map(|_| OnceLock::new()).collect(),
            outside: Mutex::new(Ring::new(slots)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lane(&self, worker: Option<WorkerId>) -> Lane<'_> {
        match worker {
            Some(id) => {
                Lane::Worker(self.workers[id.index()].get_or_init(|| Ring::new(self.slots)))
            }
            None => Lane::Outside(lock(&self.outside)),
        }
    }

    /// Runs what wakes or cancels a fiber, and writes down what it led to.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake(
        &self,
        context: Option<&WorkerContext>,
        fiber: FiberRef,
        kind: fn(super::Effect) -> EventKind,
        wake: &dyn Fn() -> Wake,
    ) -> Wake {
        let lane = self.lane(context.map(|context| context.worker.id()));
        let before = self.now();
        let outcome = wake();
        let after = self.now();
        let kind = kind(outcome.into());
        lane.push(event::encode(after, after - before, Some(fiber), kind));
        outcome
    }

    /// Runs what begins a fiber and names it, and writes that down.
    #[cold]
    #[inline(never)]
    pub(crate) fn spawn(
        &self,
        context: Option<&WorkerContext>,
        begin: &dyn Fn() -> FiberRef,
    ) -> FiberRef {
        let lane = self.lane(context.map(|context| context.worker.id()));
        let before = self.now();
        let fiber = begin();
        lane.push(event::encode(before, 0, Some(fiber), EventKind::Spawn));
        fiber
    }

    /// A thread that is no worker ends a fiber.
    pub(crate) fn finish_outside(&self, fiber: FiberRef, end: End) {
        let lane = self.lane(None);
        lane.push(event::encode(self.now(), 0, Some(fiber), EventKind::Poll));
        let kind = EventKind::Finish(end);
        lane.push(event::encode(self.now(), 0, Some(fiber), kind));
    }

    /// All that is in the rings. `is_complete`: nobody writes any more, and the fibers have ended.
    fn trace(&self, is_complete: bool) -> Trace {
        let outside = lock(&self.outside);
        let begin = self.now();
        let mut trace = Trace::new(begin, is_complete);
        for (id, ring) in (0..).zip(&self.workers) {
            if let Some(ring) = ring.get() {
                trace.add_lane(id, ring.read());
            }
        }
        trace.add_lane(OUTSIDE, outside.read());
        drop(outside);
        trace.sort();
        trace
    }
}

/// Notes the time, before a fiber is given away.
#[inline]
pub(crate) fn stamp(shared: &Shared) -> Stamp {
    shared.recorder.as_ref().map(now)
}

#[cold]
fn now(recorder: &Recorder) -> u64 {
    recorder.now()
}

/// Writes down what was about to happen at `stamp`, on a worker's thread.
#[inline]
pub(crate) fn stamped(context: &WorkerContext, stamp: Stamp, fiber: FiberRef, kind: EventKind) {
    if let Some(stamp) = stamp {
        push(context, Some(stamp), Some(fiber), kind);
    }
}

/// Writes down what happens to a fiber now, on a worker's thread; and where wakes are measured,
/// that it runs.
#[inline]
pub(crate) fn record(context: &WorkerContext, raw: u32, kind: EventKind) {
    if context.shared.heeds.runs {
        of_cell(context, raw, kind);
    }
}

/// Writes down what the worker does.
pub(crate) fn record_worker(context: &WorkerContext, kind: EventKind) {
    push(context, None, None, kind);
}

/// As [`record`], of how the fiber of this cell ended.
#[inline]
pub(crate) fn record_end(context: &WorkerContext, raw: u32) {
    if context.shared.recorder.is_some() {
        ended(context, raw);
    }
}

#[cold]
#[inline(never)]
fn ended(context: &WorkerContext, raw: u32) {
    if let Some(cell) = context.shared.cell(raw) {
        of_cell(context, raw, EventKind::Finish(cell.outcome().into()));
    }
}

#[cold]
#[inline(never)]
fn of_cell(context: &WorkerContext, raw: u32, kind: EventKind) {
    let Some(cell) = context.shared.cell(raw) else {
        return;
    };
    if matches!(kind, EventKind::Poll | EventKind::Resume)
        && let Some(times) = &context.shared.wake_times
        && let Some(index) = CellIndex::from_raw(raw)
    {
        let priority = cell.header().attributes().priority();
        times.runs(
            &context.shared.extras,
            index,
            (context.worker.id(), priority),
        );
    }
    // The worker holds the fiber: the generation is its own.
    let generation = cell.header().state.generation();
    let fiber = FiberRef::from_raw(context.shared.number(), raw, generation);
    push(context, None, Some(fiber), kind);
}

#[cold]
#[inline(never)]
fn push(context: &WorkerContext, stamp: Stamp, fiber: Option<FiberRef>, kind: EventKind) {
    if let Some(recorder) = &context.shared.recorder {
        let lane = recorder.lane(Some(context.worker.id()));
        let at = stamp.unwrap_or_else(|| recorder.now());
        lane.push(event::encode(at, 0, fiber, kind));
    }
}

/// The trace of a runtime, if it has a recorder.
pub(crate) fn trace_of(shared: &Shared) -> Option<Trace> {
    let is_complete = shared.has_ended();
    Some(shared.recorder.as_ref()?.trace(is_complete))
}
