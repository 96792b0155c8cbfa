//! Owns what the workers of a mesh share, and the end of it that any thread may use.

use crate::{
    error::MeshError,
    park::EventCount,
    roster::Roster,
    seat::Seat,
    shared_queue::SharedQueue,
    stats::WorkerStats,
    sync::{Arc, AtomicBool, AtomicUsize, OnceLock, Ordering},
    task::{Links, TaskIndex, WorkerId},
    worker::Worker,
};

/// The most workers that a mesh can have, spares included.
pub(crate) const WORKERS_LIMIT: usize = 1024;

/// How large a mesh is.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Config {
    /// How many workers run at a time: at least 1.
    pub workers: usize,
    /// How many there may be with the spares that stand in for blocked ones: at least `workers`,
    /// at most 1024. A spare that is never used costs a pointer.
    pub workers_max: usize,
}

/// The many-thread end of a scheduler of tasks: makes workers, takes tasks from outside, closes.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Config, Mesh, TaskIndex, WorkerId};
///
/// let config = Config { workers: 1, workers_max: 1 };
/// let mesh = Mesh::new(config, ArrayLinks::new(8))?;
/// let task = TaskIndex::from_raw(3).expect("3 is an index");
/// mesh.inject(task);
///
/// let worker = mesh.worker(WorkerId::from_raw(0)).expect("nobody has claimed it");
/// assert_eq!(worker.next(), Some(task));
/// assert_eq!(worker.next(), None);
/// # Ok::<(), dtact_mesh::MeshError>(())
/// ```
#[derive(Debug)]
pub struct Mesh<L> {
    config: Config,
    pub(crate) links: L,
    seats: Box<[OnceLock<Arc<Seat>>]>,
    /// One more than the largest index of a seat that was ever made.
    seats_end: AtomicUsize,
    pub(crate) injector: SharedQueue,
    pub(crate) warehouse: SharedQueue,
    pub(crate) event_count: EventCount,
    pub(crate) roster: Roster,
    closed: AtomicBool,
}

impl<L: Links> Mesh<L> {
    /// A mesh without tasks, whose workers nobody has claimed yet.
    ///
    /// # Errors
    /// If `config` asks for no workers, for fewer in all than run at a time, or for more than 1024.
    pub fn new(config: Config, links: L) -> Result<Arc<Self>, MeshError> {
        Ok(Arc::new(Self::build(config, links)?))
    }

    pub(crate) fn build(config: Config, links: L) -> Result<Self, MeshError> {
        let Config {
            workers,
            workers_max,
        } = config;
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
        Ok(Self {
            config,
            links,
            seats: (0..workers_max).map(|_| OnceLock::new()).collect(),
            seats_end: AtomicUsize::new(0),
            injector: SharedQueue::new(),
            warehouse: SharedQueue::new(),
            event_count: EventCount::new(workers_max),
            roster: Roster::new(workers, workers_max),
            closed: AtomicBool::new(false),
        })
    }

    /// What the mesh was made with.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config
    }

    /// The link words of the tasks.
    #[must_use]
    pub fn links(&self) -> &L {
        &self.links
    }

    /// The one-thread end of worker `id`. `None` if there is no such worker or somebody has it;
    /// dropping the worker gives it back, with the tasks that it held.
    #[must_use]
    pub fn worker(self: &Arc<Self>, id: WorkerId) -> Option<Worker<L>> {
        if id.index() >= self.config.workers_max || !self.roster.claim(id) {
            return None;
        }
        Some(Worker::new(Arc::clone(self), id, Arc::clone(self.seat(id))))
    }

    /// Queues `task` for whichever worker comes first. From any thread.
    ///
    /// Tasks leave the queue in the order of the calls, in batches; a worker that still has an
    /// earlier batch to run may start on the next one before it has finished.
    pub fn inject(&self, task: TaskIndex) {
        self.injector.push(&self.links, task);
        self.announce();
    }

    /// Queues `task` for worker `to` alone, and wakes it if it sleeps. From any thread; nobody
    /// needs to have claimed the worker yet.
    ///
    /// # Panics
    /// If the mesh has no worker `to`.
    #[track_caller]
    pub fn inject_pinned(&self, to: WorkerId, task: TaskIndex) {
        self.seat(to).post(&self.links, task);
    }

    /// Ends all sleep: parked and dormant workers wake, and none sleeps from here on. Tasks stay
    /// queued, and workers still get them from [`Worker::next`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Either a seat is there to be woken below, or its worker will see the store above.
        self.event_count.fence();
        for seat in self.seats() {
            seat.parker.unpark();
        }
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the store in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// Says that no thread will claim `id`, which [`Replacement::Start`] asked for: its place is
    /// free for another try.
    ///
    /// [`Replacement::Start`]: crate::Replacement::Start
    ///
    /// # Panics
    /// If `id` was not asked for, or a thread has claimed it.
    #[track_caller]
    pub fn abandon_start(&self, id: WorkerId) {
        let reserved = self.roster.unreserve(id);
        assert!(
            reserved,
            "worker {id} is not one that waits for a thread; abandon each start once"
        );
    }

    /// What each worker has done so far, for those that were ever claimed or sent to.
    #[must_use]
    pub fn stats(&self) -> Vec<WorkerStats> {
        let ids = (0..u16::MAX).map(WorkerId::from_raw);
        let seats = ids.zip(self.seats.iter());
        seats
            .filter_map(|(id, seat)| Some(seat.get()?.counts.read(id)))
            .collect()
    }

    /// *announce*: something is published; wakes one sleeper, unless somebody searches.
    #[inline]
    pub(crate) fn announce(&self) {
        self.event_count.fence();
        self.wake_one();
    }

    /// Wakes one sleeper, unless somebody searches.
    #[inline]
    pub(crate) fn wake_one(&self) {
        if self.event_count.wants_waking()
            && let Some(id) = self.event_count.claim()
        {
            self.seat(id).parker.unpark();
        }
    }

    /// Whether there is a task that any worker could take. Exact after a SeqCst fence, in that it
    /// misses nothing published before a fence that precedes this one.
    pub(crate) fn has_work(&self) -> bool {
        self.has_shared() || self.seats().any(|seat| !seat.queue.is_empty())
    }

    #[inline]
    pub(crate) fn has_shared(&self) -> bool {
        !self.injector.is_empty() || !self.warehouse.is_empty()
    }

    /// The seats made so far.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats[..self.seats_end()]
            .iter()
            .filter_map(OnceLock::get)
    }

    /// A bound on the indices of the seats made so far.
    pub(crate) fn seats_end(&self) -> usize {
        // Relaxed: whoever needs a seat's tasks to be visible has passed a fence.
        self.seats_end.load(Ordering::Relaxed)
    }

    /// The seat at an index below [`seats_end`](Self::seats_end), if it is made.
    pub(crate) fn made_seat(&self, index: usize) -> Option<&Arc<Seat>> {
        self.seats[index].get()
    }

    /// The seat of `id`, made if need be.
    #[track_caller]
    pub(crate) fn seat(&self, id: WorkerId) -> &Arc<Seat> {
        let Some(seat) = self.seats.get(id.index()) else {
            panic!(
                "the mesh has {} workers, so there is no worker {id}",
                self.seats.len()
            );
        };
        seat.get_or_init(|| {
            let spare = id.index() >= self.config.workers;
            self.seats_end.fetch_max(id.index() + 1, Ordering::Relaxed);
            Arc::new(Seat::new(if spare { 0 } else { self.config.workers }))
        })
    }
}
