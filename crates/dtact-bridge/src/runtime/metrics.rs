//! Counters that cost next to nothing: each worker writes its own, and readers add them up.

use crossbeam_utils::CachePadded;
use dtact_mesh::{Attributes, Priority, WorkerId, WorkerStats};

use crate::{
    runtime::Shared,
    sync::{Arc, AtomicU64, OnceLock, Ordering},
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
    /// See [`PriorityMetrics::polls`].
    pub polls: u64,
    /// Times that a fiber let others run.
    pub yields: u64,
    /// Times that a fiber was parked until it is woken.
    pub parks: u64,
    by_priority: ByPriority,
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
    /// Fibers that were spawned by code that it ran.
    pub spawned: u64,
    /// Fibers that ended on it, in whichever way.
    pub finished: u64,
    /// See [`PriorityMetrics::polls`].
    pub polls: u64,
    /// Times that a fiber let others run.
    pub yields: u64,
    /// Times that a fiber was parked until it is woken.
    pub parks: u64,
    /// Spawns on it whose future was boxed.
    pub heap_escaped_spawns: u64,
    /// Times that a fiber was suspended on it in [`wait`](crate::wait()).
    pub stackful_suspensions: u64,
    /// Times that its thread was blocked in [`wait`](crate::wait()).
    pub blocked_waits: u64,
    by_priority: ByPriority,
}

/// What became of the fibers of one priority: see [`Metrics::of`] and [`WorkerMetrics::of`].
///
/// A fiber counts under the priority that it has at that moment: one with a
/// [`TaskMetadata`](crate::TaskMetadata) asks for its own when it first runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityMetrics {
    /// Fibers spawned.
    pub spawned: u64,
    /// Fibers ended, in whichever way.
    pub finished: u64,
    /// Times that a fiber was run, until it ended, yielded, waited, or was woken meanwhile: the
    /// polls that are over, and the stretches between two suspensions.
    pub polls: u64,
    /// Times that a fiber let others run.
    pub yields: u64,
    /// Times that a fiber was parked, at an `.await` or in [`wait`](crate::wait()), until it is
    /// woken.
    pub parks: u64,
}

impl PriorityMetrics {
    const fn plus(self, other: Self) -> Self {
        Self {
            spawned: self.spawned + other.spawned,
            finished: self.finished + other.finished,
            polls: self.polls + other.polls,
            yields: self.yields + other.yields,
            parks: self.parks + other.parks,
        }
    }

    /// The counters are read one after the other: a part may be ahead of its whole.
    const fn minus(self, part: Self) -> Self {
        Self {
            spawned: self.spawned.saturating_sub(part.spawned),
            finished: self.finished.saturating_sub(part.finished),
            polls: self.polls.saturating_sub(part.polls),
            yields: self.yields.saturating_sub(part.yields),
            parks: self.parks.saturating_sub(part.parks),
        }
    }
}

/// By the number of the priority.
type ByPriority = [PriorityMetrics; 4];

impl Metrics {
    /// What became of the fibers of one priority.
    #[must_use]
    pub const fn of(&self, priority: Priority) -> PriorityMetrics {
        self.by_priority[priority as usize]
    }
}

impl WorkerMetrics {
    /// What this worker did with the fibers of one priority.
    #[must_use]
    pub const fn of(&self, priority: Priority) -> PriorityMetrics {
        self.by_priority[priority as usize]
    }
}

/// The counters of one worker, each written by it alone.
#[derive(Debug, Default)]
pub(crate) struct Counters(CachePadded<Fields>);

#[derive(Debug, Default)]
struct Fields {
    all: Counts,
    heap_escaped: AtomicU64,
    suspensions: AtomicU64,
    blocked: AtomicU64,
    /// Written by those who watch the worker.
    long_polls: AtomicU64,
    /// What is in `all` of other priorities than the default, which few fibers have: so the
    /// others cost a look and no index. By the number of the priority; that of the default is
    /// what remains.
    special: [Counts; 4],
}

/// The counters of a runtime.
#[derive(Debug)]
pub(crate) struct AllCounters {
    /// One for each worker there can be, made when it first counts.
    workers: Box<[OnceLock<Arc<Counters>>]>,
    /// Everybody else's.
    outside: Counters,
}

impl AllCounters {
    pub(crate) fn new(workers_max: usize) -> Self {
        Self {
            workers: (0..workers_max).map(|_| OnceLock::new()).collect(),
            outside: Counters::default(),
        }
    }

    pub(crate) fn of(&self, worker: WorkerId) -> &Arc<Counters> {
        self.workers[worker.index()].get_or_init(Arc::default)
    }

    fn each(&self) -> impl Iterator<Item = &Counters> {
        let workers = self.workers.iter().filter_map(OnceLock::get);
        workers.map(|own| &**own).chain([&self.outside])
    }
}

/// What is counted for each priority. A poll ends by one of these, so it has no counter.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    spawned: AtomicU64,
    finished: AtomicU64,
    yields: AtomicU64,
    parks: AtomicU64,
    /// Woken or cancelled before it could park.
    requeues: AtomicU64,
}

/// One of them.
pub(crate) type Which = fn(&Counts) -> &AtomicU64;

impl Counts {
    pub(crate) const SPAWNED: Which = |counts| &counts.spawned;
    pub(crate) const FINISHED: Which = |counts| &counts.finished;
    pub(crate) const YIELDS: Which = |counts| &counts.yields;
    pub(crate) const PARKS: Which = |counts| &counts.parks;
    pub(crate) const REQUEUES: Which = |counts| &counts.requeues;

    fn read(&self) -> PriorityMetrics {
        let [finished, yields, parks, requeues] =
            [&self.finished, &self.yields, &self.parks, &self.requeues]
                .map(|counter| counter.load(Ordering::Relaxed));
        PriorityMetrics {
            spawned: self.spawned.load(Ordering::Relaxed),
            finished,
            polls: finished + yields + parks + requeues,
            yields,
            parks,
        }
    }
}

/// Adds one to a counter that only this thread writes.
#[inline]
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counters {
    /// Counts what happens to a fiber that asks for this of the scheduler.
    #[inline]
    pub(crate) fn count(&self, attributes: Attributes, which: Which) {
        bump(which(&self.0.all));
        if attributes != Attributes::new() {
            self.count_special(attributes, which);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_special(&self, attributes: Attributes, which: Which) {
        let priority = attributes.priority();
        if priority != Priority::Normal {
            bump(which(&self.0.special[priority as usize]));
        }
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
    pub(crate) fn spawned_outside(&self, attributes: Attributes) {
        self.0.all.spawned.fetch_add(1, Ordering::Relaxed);
        let priority = attributes.priority();
        if priority != Priority::Normal {
            let special = &self.0.special[priority as usize];
            special.spawned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As above, of a future that was boxed.
    pub(crate) fn heap_escaped_outside(&self) {
        self.0.heap_escaped.fetch_add(1, Ordering::Relaxed);
    }

    /// All priorities together, and each.
    fn read(&self) -> (PriorityMetrics, ByPriority) {
        let all = self.0.all.read();
        let mut each = ByPriority::default();
        for (metrics, counts) in each.iter_mut().zip(&self.0.special) {
            *metrics = counts.read();
        }
        let special = each
            .iter()
            .fold(PriorityMetrics::default(), |sum, one| sum.plus(*one));
        each[Priority::Normal as usize] = all.minus(special);
        (all, each)
    }
}

impl Shared {
    /// The counters of those who are no workers.
    pub(crate) fn outside_counters(&self) -> &Counters {
        &self.counters.outside
    }

    pub(crate) fn worker_metrics(&self) -> Vec<WorkerMetrics> {
        let stats = self.mesh.stats();
        let of_one = |stats: WorkerStats| {
            let counters = self.counters.of(stats.worker);
            let (all, by_priority) = counters.read();
            let fields = &counters.0;
            WorkerMetrics {
                worker: stats.worker.index(),
                dispatched: stats.taken,
                stolen: stats.stolen,
                raided: stats.raided,
                deflected: stats.deflected,
                parked: stats.parked,
                long_polls: fields.long_polls.load(Ordering::Relaxed),
                spawned: all.spawned,
                finished: all.finished,
                polls: all.polls,
                yields: all.yields,
                parks: all.parks,
                heap_escaped_spawns: fields.heap_escaped.load(Ordering::Relaxed),
                stackful_suspensions: fields.suspensions.load(Ordering::Relaxed),
                blocked_waits: fields.blocked.load(Ordering::Relaxed),
                by_priority,
            }
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
        for counters in self.counters.each() {
            let (all, by_priority) = counters.read();
            metrics.spawned += all.spawned;
            metrics.finished += all.finished;
            metrics.polls += all.polls;
            metrics.yields += all.yields;
            metrics.parks += all.parks;
            for (sum, one) in metrics.by_priority.iter_mut().zip(by_priority) {
                *sum = sum.plus(one);
            }
            let fields = &counters.0;
            metrics.heap_escaped_spawns += fields.heap_escaped.load(Ordering::Relaxed);
            metrics.stackful_suspensions += fields.suspensions.load(Ordering::Relaxed);
            metrics.blocked_waits += fields.blocked.load(Ordering::Relaxed);
        }
        metrics
    }
}
