//! Owns what the workers of a mesh share, and the end of it that any thread may use.

use crate::{
    attributes::Attributes,
    config::{Config, Mode},
    domains::Distance,
    error::{MeshError, ThresholdError},
    holders::Holders,
    lane::Lane,
    park::EventCount,
    roster::Roster,
    run_queue::RunQueue,
    seat::Seat,
    shared::Shared,
    stats::WorkerStats,
    sync::{Arc, AtomicBool, AtomicUsize, OnceLock, Ordering},
    task::{Links, TaskIndex, WorkerId},
    watch::Watch,
    worker::Worker,
};

/// The many-thread end of a scheduler of tasks: makes workers, takes tasks from outside, closes.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Config, Mesh, TaskIndex, WorkerId};
///
/// let mesh = Mesh::new(Config::new(1, 1), ArrayLinks::new(8))?;
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
    pub(crate) shared: Shared,
    pub(crate) watch: Watch,
    /// Whose turn it is to be dealt a task that is not to move any more.
    dealt: AtomicUsize,
    pub(crate) holders: Holders,
    pub(crate) event_count: EventCount,
    pub(crate) roster: Roster,
    closed: AtomicBool,
}

impl<L: Links> Mesh<L> {
    /// A mesh without tasks, whose workers nobody has claimed yet.
    ///
    /// # Errors
    /// If `config` asks for what cannot be: see [`MeshError`].
    pub fn new(config: Config, links: L) -> Result<Arc<Self>, MeshError> {
        Ok(Arc::new(Self::build(config, links)?))
    }

    pub(crate) fn build(config: Config, links: L) -> Result<Self, MeshError> {
        config.check()?;
        let workers_max = config.workers_max;
        Ok(Self {
            links,
            seats: (0..workers_max).map(|_| OnceLock::new()).collect(),
            seats_end: AtomicUsize::new(0),
            shared: Shared::new(config.shards),
            watch: Watch::new(config.watchdog.clone(), config.slot_deadline, config.clock),
            dealt: AtomicUsize::new(0),
            holders: Holders::new(workers_max),
            event_count: EventCount::new(workers_max),
            roster: Roster::new(config.workers, workers_max),
            closed: AtomicBool::new(false),
            config,
        })
    }

    /// What the mesh was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
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

    /// Queues `task` for whichever worker comes first, or for those that its attributes allow. From
    /// any thread.
    ///
    /// Tasks of one priority leave the queue in the order of the calls of one thread, in batches; a
    /// worker that still has an earlier batch to run may start on the next one before it has
    /// finished.
    pub fn inject(&self, task: TaskIndex) {
        let attributes = self.attributes(task);
        if let Some(home) = self.fixed_home(attributes) {
            let seat = self.seat(home);
            // A spare that nobody sits on may never be claimed: its tasks are anybody's.
            if self.config.mode == Mode::Pinned || seat.accepts() {
                if seat.post_movable(&self.links, task) {
                    self.holders.set(home);
                } else {
                    self.rescue(seat);
                }
                return;
            }
        }
        self.shared.inject(&self.links, attributes.priority(), task);
        self.announce();
    }

    /// What `task` asks for; nothing, at no cost, where no task ever does.
    #[inline]
    pub(crate) fn attributes(&self, task: TaskIndex) -> Attributes {
        if L::HAS_ATTRIBUTES {
            self.links.attributes(task)
        } else {
            Attributes::new()
        }
    }

    /// How far a task may go from its worker.
    #[inline]
    pub(crate) fn reach(&self, attributes: Attributes) -> Distance {
        match self.config.mode {
            Mode::P2PMesh if attributes.is_in_shared_queue() => Distance::Machine,
            Mode::P2PMesh => attributes.affinity().reach(),
            Mode::Global => Distance::Machine,
            Mode::Pinned => Distance::Same,
        }
    }

    /// The worker that a task is bound to be near to, if there is such a one.
    pub(crate) fn fixed_home(&self, attributes: Attributes) -> Option<WorkerId> {
        if self.reach(attributes) == Distance::Machine {
            return None;
        }
        let home = attributes.home();
        let home = home.filter(|home| home.index() < self.config.workers_max);
        if self.config.mode != Mode::Pinned {
            return home;
        }
        home.or_else(|| {
            let turn = self.dealt.fetch_add(1, Ordering::Relaxed) % self.config.workers;
            #[expect(clippy::cast_possible_truncation, reason = "ids are below 1024")]
            Some(WorkerId::from_raw(turn as u16))
        })
    }

    /// Takes back what was sent to a worker that has gone away meanwhile. It goes anywhere now.
    #[cold]
    pub(crate) fn rescue(&self, seat: &Seat) {
        if self.config.mode == Mode::Pinned {
            return;
        }
        let links = &self.links;
        let raid = seat.private.guard.raid(|| {
            seat.pull_mail(links, |task| {
                if task.is_pinned() {
                    seat.post(links, task.task());
                } else {
                    let task = task.task();
                    self.shared
                        .inject(links, self.attributes(task).priority(), task);
                }
            });
        });
        // If the owner is back, or somebody else is at it, they have it.
        if raid.is_some() {
            self.announce();
        }
    }

    /// From how full a ring on `worker` passes tasks on, in percent: 0 as soon as another has less
    /// to do, 100 only what does not fit. The worker looks at it again within 64 pushes.
    ///
    /// # Errors
    /// If there is no such worker, `percent` is over 100, or the mesh deflects nothing.
    ///
    /// ```
    /// use dtact_mesh::{ArrayLinks, Config, Mesh, ThresholdError, WorkerId};
    ///
    /// let mesh = Mesh::new(Config::new(2, 2), ArrayLinks::new(8))?;
    /// let worker = WorkerId::from_raw(1);
    /// assert_eq!(mesh.set_deflection_threshold(worker, 50), Ok(()));
    /// let error = mesh.set_deflection_threshold(worker, 101);
    /// assert_eq!(error, Err(ThresholdError::OverHundred { percent: 101 }));
    /// # Ok::<(), dtact_mesh::MeshError>(())
    /// ```
    pub fn set_deflection_threshold(
        &self,
        worker: WorkerId,
        percent: u8,
    ) -> Result<(), ThresholdError> {
        let workers_max = self.config.workers_max;
        if worker.index() >= workers_max {
            return Err(ThresholdError::UnknownWorker {
                worker,
                workers_max,
            });
        }
        if percent > 100 {
            return Err(ThresholdError::OverHundred { percent });
        }
        if self.config.deflection.is_none() || self.config.mode != Mode::P2PMesh {
            return Err(ThresholdError::NoDeflection);
        }
        self.seat(worker).set_threshold(percent);
        Ok(())
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

    /// Whether tasks in rings are others' to take.
    #[inline]
    pub(crate) fn steals(&self) -> bool {
        self.config.stealing && self.config.mode == Mode::P2PMesh
    }

    /// Whether there is a task that `worker` could take. Exact after a SeqCst fence, in that it
    /// misses nothing published before a fence that precedes this one.
    pub(crate) fn has_work(&self, worker: WorkerId) -> bool {
        if self.has_shared() {
            return true;
        }
        if !self.steals() {
            return false;
        }
        let mut probed = self.holders.lines();
        let mut seats = self.holders.iter().filter_map(|at| self.made_seat(at));
        let found = seats.any(|seat| {
            probed += 1;
            self.could_rob(worker, seat)
        });
        self.seat(worker).counts.count_probed(probed);
        found
    }

    fn could_rob(&self, worker: WorkerId, seat: &Seat) -> bool {
        if !seat.queue.is_empty() {
            return true;
        }
        L::HAS_ATTRIBUTES
            && Lane::all().any(|lane| {
                let front = seat.lane(lane).and_then(RunQueue::front);
                front.is_some_and(|task| !lane.is_confined() || self.may_go(task, seat.id, worker))
            })
    }

    /// Whether a task that waits at worker `from` may be run by `to`.
    pub(crate) fn may_go(&self, task: TaskIndex, from: WorkerId, to: WorkerId) -> bool {
        self.config.domains.distance(from, to) <= self.reach(self.attributes(task))
    }

    #[inline]
    pub(crate) fn has_shared(&self) -> bool {
        !self.shared.is_empty()
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
            let senders = if spare { 0 } else { self.config.workers };
            let deflection = self.config.deflection.unwrap_or_default();
            Arc::new(Seat::new(id, senders, deflection.threshold))
        })
    }
}
