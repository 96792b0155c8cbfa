//! Owns what a mesh is made with, and the check of it.

use core::{fmt, time::Duration};
use std::time::Instant;

use crate::{
    domains::Domains,
    error::MeshError,
    run_queue::PARCEL_MAX,
    shared::SHARDS_MAX,
    sync::{Arc, OnceLock, machine_threads},
    task::{HOPS_LIMIT, TaskIndex, WorkerId},
};

/// The most workers that a mesh can have, spares included.
pub(crate) const WORKERS_LIMIT: usize = 1024;

/// How tasks get from worker to worker.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub enum Mode {
    /// Each worker has queues of its own, and passes on or steals.
    #[default]
    P2PMesh,
    /// One queue for all, in the order of the calls, for each priority. Affinity means nothing.
    Global,
    /// A task stays on the worker that queued it, or on its [home](crate::Attributes::home) if it
    /// has one; injected ones without a home are dealt out by turns. Nobody else ever runs them,
    /// not even while the worker's thread blocks.
    Pinned,
}

/// When a worker that has many tasks passes some on, and how.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Deflection {
    /// From how full a ring on, in percent: 0 to 100. It rises while nobody takes any, and comes
    /// back.
    pub threshold: u8,
    /// How often a task is passed on before it goes to the warehouse: 1 to 13.
    pub hops_max: u8,
    /// How many are passed on at once: 1 to 32.
    pub parcel: usize,
}

impl Default for Deflection {
    /// From three quarters of a ring on, 32 at once, four times.
    fn default() -> Self {
        Self {
            threshold: 75,
            hops_max: 4,
            parcel: PARCEL_MAX,
        }
    }
}

/// A poll that takes too long.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct LongPoll {
    /// The worker that is not done with it.
    pub worker: WorkerId,
    /// What it runs.
    pub task: TaskIndex,
    /// For how long it has been running, at least.
    pub duration: Duration,
}

/// Who is told of polls that take too long.
///
/// ```
/// use std::time::Duration;
///
/// use dtact_mesh::{Config, Watchdog};
///
/// let watchdog = Watchdog::new(Duration::from_millis(10), |poll| drop(format!("{poll:?}")));
/// let _config = Config { watchdog: Some(watchdog), ..Config::new(2, 2) };
/// ```
#[derive(Clone)]
pub struct Watchdog {
    pub(crate) limit: Duration,
    pub(crate) report: Arc<dyn Fn(LongPoll) + Send + Sync>,
}

impl Watchdog {
    /// Calls `report`, once a poll and from the thread of another worker, when a poll has taken
    /// `limit` or longer; and lets other workers have what waits behind it.
    ///
    /// The clock is read while workers are awake, and nobody is woken to read it in an idle mesh.
    /// It takes a second worker that is not in a long poll itself.
    pub fn new(limit: Duration, report: impl Fn(LongPoll) + Send + Sync + 'static) -> Self {
        Self {
            limit,
            report: Arc::new(report),
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Where a mesh reads the time: nanoseconds from any point on, never going back.
#[derive(Copy, Clone, Debug)]
pub struct Clock(pub fn() -> u64);

impl Default for Clock {
    /// The system's monotonic clock.
    fn default() -> Self {
        fn system() -> u64 {
            static START: OnceLock<Instant> = OnceLock::new();
            let elapsed = START.get_or_init(Instant::now).elapsed();
            u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
        }
        Self(system)
    }
}

/// What a mesh is made with. [`Config::new`] fills in the usual.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Config, Deflection, Mesh, Mode};
///
/// let config = Config {
///     mode: Mode::P2PMesh,
///     deflection: Some(Deflection { threshold: 50, ..Deflection::default() }),
///     ..Config::new(2, 4)
/// };
/// assert!(Mesh::new(config, ArrayLinks::new(8)).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers run at a time: at least 1.
    pub workers: usize,
    /// How many there may be with the spares that stand in for blocked ones: at least `workers`,
    /// at most 1024. A spare that is never used costs a pointer.
    pub workers_max: usize,
    /// How tasks get from worker to worker.
    pub mode: Mode,
    /// Which workers are near to each other: a place for each of `workers`.
    pub domains: Domains,
    /// Whether and when workers pass tasks on. `None`: tasks move by theft alone.
    pub deflection: Option<Deflection>,
    /// Whether a worker without tasks takes those of others.
    pub stealing: bool,
    /// How long a worker may run one task before others take those that it alone sees: the task
    /// that it has just woken, and up to 15 that it has taken out of its ring.
    pub slot_deadline: Duration,
    /// Who is told of polls that take too long.
    pub watchdog: Option<Watchdog>,
    /// How many queues the threads outside share: 1 to 56.
    pub shards: usize,
    /// Where the time is read. Only a simulator has another than the usual one.
    pub clock: Clock,
    /// Decides the random choices of the workers, together with their ids.
    pub seed: u32,
}

/// Asked once: the answer takes some thirty system calls, and a later one would be no better, since
/// it says how many queues there are, not who runs.
fn shards_default() -> usize {
    static SHARDS: OnceLock<usize> = OnceLock::new();
    *SHARDS.get_or_init(|| machine_threads().clamp(1, SHARDS_MAX))
}

impl Config {
    /// So many workers, all equally near; passing on and stealing; no watchdog; as many queues for
    /// outside threads as the machine runs threads at a time, within the bounds.
    #[must_use]
    pub fn new(workers: usize, workers_max: usize) -> Self {
        Self {
            workers,
            workers_max,
            mode: Mode::default(),
            domains: Domains::flat(workers.min(WORKERS_LIMIT)),
            deflection: Some(Deflection::default()),
            stealing: true,
            slot_deadline: Duration::from_micros(100),
            watchdog: None,
            shards: shards_default(),
            clock: Clock::default(),
            seed: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), MeshError> {
        let Self {
            workers,
            workers_max,
            ..
        } = *self;
        if workers == 0 {
            return Err(MeshError::NoWorkers);
        }
        if workers_max < workers {
            return Err(MeshError::MaxBelowWorkers {
                workers,
                workers_max,
            });
        }
        if workers_max > WORKERS_LIMIT {
            return Err(MeshError::TooManyWorkers { workers_max });
        }
        if !(1..=SHARDS_MAX).contains(&self.shards) {
            return Err(MeshError::BadShards {
                shards: self.shards,
            });
        }
        if let Some(deflection) = self.deflection {
            if deflection.threshold > 100 {
                return Err(MeshError::BadThreshold {
                    percent: deflection.threshold,
                });
            }
            if !(1..=HOPS_LIMIT).contains(&deflection.hops_max) {
                return Err(MeshError::BadHops {
                    hops_max: deflection.hops_max,
                });
            }
            if !(1..=PARCEL_MAX).contains(&deflection.parcel) {
                return Err(MeshError::BadParcel {
                    parcel: deflection.parcel,
                });
            }
        }
        if self
            .watchdog
            .as_ref()
            .is_some_and(|dog| dog.limit.is_zero())
        {
            return Err(MeshError::ZeroLimit);
        }
        self.domains.check(workers)
    }
}
