//! Counters that cost next to nothing: each worker writes its own, and readers add them up.

use crossbeam_utils::CachePadded;
use dtact_mesh::WorkerStats;

use crate::{
    runtime::Shared,
    sync::{AtomicU64, Ordering},
};

/// How much a runtime has done since it was started. A snapshot: the numbers are read one after
/// the other while the workers go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Fibers spawned.
    pub spawned: u64,
    /// Fibers ended, in whichever way.
    pub finished: u64,
    /// Spawns whose future was too large for a cell, or too strictly aligned, and was boxed.
    pub heap_escaped_spawns: u64,
    /// Times a fiber was suspended in [`wait`](crate::wait()) and kept its stack.
    pub stackful_suspensions: u64,
    /// Times a thread was blocked in [`wait`](crate::wait()) because the fiber could not be
    /// suspended.
    pub blocked_waits: u64,
    /// Closure fibers that wait for a stack to begin on, because all are out. Where this stays
    /// above zero and nothing ends, raise [`Builder::stacks`](crate::Builder::stacks).
    pub starved: u32,
    /// Stacks out of the pool now: those of suspended fibers, those on which workers stand, and
    /// those which workers keep ready.
    pub stacks_live: u32,
    /// The most stacks that were out of the pool at once.
    pub stacks_live_max: u32,
}

/// How much one worker has done: see [`Runtime::worker_metrics`](crate::Runtime::worker_metrics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Which one: those from the number of workers on stand in for blocked ones.
    pub worker: usize,
    /// Times it began to run a fiber, or went on with one.
    pub dispatched: u64,
    /// Fibers that it took out of other workers' queues.
    pub stolen: u64,
    /// Fibers that it took from workers whose fiber had been running for long.
    pub raided: u64,
    /// Fibers that it passed on to workers with less to do.
    pub deflected: u64,
    /// Times it went to sleep for want of work.
    pub parked: u64,
    /// Its fibers that ran for too long, as the [watchdog](crate::Builder::watchdog) saw it; 0
    /// without one.
    pub long_polls: u64,
}

/// The counters of one worker, each written by it alone.
#[derive(Debug, Default)]
pub(crate) struct Counters(CachePadded<Fields>);

#[derive(Debug, Default)]
struct Fields {
    spawned: AtomicU64,
    finished: AtomicU64,
    heap_escaped: AtomicU64,
    suspensions: AtomicU64,
    blocked: AtomicU64,
    /// Written by those who watch the worker.
    long_polls: AtomicU64,
}

/// Adds one to a counter that only this thread writes.
#[inline]
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counters {
    #[inline]
    pub(crate) fn spawned(&self) {
        bump(&self.0.spawned);
    }

    #[inline]
    pub(crate) fn finished(&self) {
        bump(&self.0.finished);
    }

    pub(crate) fn heap_escaped(&self) {
        bump(&self.0.heap_escaped);
    }

    #[inline]
    pub(crate) fn suspended(&self) {
        bump(&self.0.suspensions);
    }

    pub(crate) fn blocked(&self) {
        bump(&self.0.blocked);
    }

    pub(crate) fn long_poll(&self) {
        self.0.long_polls.fetch_add(1, Ordering::Relaxed);
    }

    /// A spawn by a thread that is no worker of the runtime: there may be several.
    pub(crate) fn spawned_outside(&self) {
        self.0.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// As above, of a future that was boxed.
    pub(crate) fn heap_escaped_outside(&self) {
        self.0.heap_escaped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The counters of those who are no workers.
    pub(crate) fn outside_counters(&self) -> &Counters {
        self.counters
            .last()
            .expect("one more than there can be workers")
    }

    pub(crate) fn worker_metrics(&self) -> Vec<WorkerMetrics> {
        let stats = self.mesh.stats();
        let of_one = |stats: WorkerStats| WorkerMetrics {
            worker: stats.worker.index(),
            dispatched: stats.taken,
            stolen: stats.stolen,
            raided: stats.raided,
            deflected: stats.deflected,
            parked: stats.parked,
            long_polls: self.counters[stats.worker.index()]
                .0
                .long_polls
                .load(Ordering::Relaxed),
        };
        stats.into_iter().map(of_one).collect()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let stacks = self.stacks.metrics();
        let mut metrics = Metrics {
            starved: self.starved.count(),
            stacks_live: stacks.live,
            stacks_live_max: stacks.live_max,
            ..Metrics::default()
        };
        for Counters(fields) in &self.counters {
            metrics.spawned += fields.spawned.load(Ordering::Relaxed);
            metrics.finished += fields.finished.load(Ordering::Relaxed);
            metrics.heap_escaped_spawns += fields.heap_escaped.load(Ordering::Relaxed);
            metrics.stackful_suspensions += fields.suspensions.load(Ordering::Relaxed);
            metrics.blocked_waits += fields.blocked.load(Ordering::Relaxed);
        }
        metrics
    }
}
