//! Owns the one-thread end of the mesh: where a worker puts tasks and what it runs next.
//!
//! ```text
//!   push_woken --> [ slot ] --displaced--> tail of the ring
//!   push, push_yielded -----------------> [ ring ] <== half of it, thieves
//!                                            | full: half of it
//!   inject --> [ injector ]             [ warehouse ]
//!   push_pinned, mail ------------------> [ pinned ]      (nobody else takes these)
//!
//!   next: slot, then pinned and ring by turns, then injector and warehouse, then theft
//! ```
//!
//! # Who starves
//! Nobody: the slot gives at most [`SLOT_RUN_MAX`] tasks in a row, pinned tasks and the ring take
//! turns, and each [`SHARED_EVERY`]th call looks at the shared queues first.

mod blocking;
mod search;
mod sleep;

use search::Watched;

pub use blocking::{Dormant, Replacement};
pub use sleep::Parked;

use core::{cell::Cell, fmt};

use crate::{
    mesh::Mesh,
    pinned::Pinned,
    run_queue::{BATCH_MAX, CAPACITY, Owner},
    seat::Seat,
    sync::Arc,
    task::{Links, TaskIndex, WorkerId, set_next},
};

/// How many tasks in a row may come from the slot.
const SLOT_RUN_MAX: u32 = 3;
/// Each so many calls of `next` the shared queues come first. Prime, so that it falls in step with
/// no pattern of the tasks.
const SHARED_EVERY: u32 = 61;
/// Each so many of these, a look at whether another worker's ring stands still.
const STALLED_EVERY: u32 = 8;

/// The one-thread end of a mesh: a worker, which may move between threads but is used by one.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Config, Mesh, Parked, TaskIndex, WorkerId};
///
/// let mesh = Mesh::new(Config { workers: 1, workers_max: 1 }, ArrayLinks::new(8))?;
/// let worker = mesh.worker(WorkerId::from_raw(0)).expect("nobody has claimed it");
/// let task = |raw| TaskIndex::from_raw(raw).expect("small numbers are indices");
/// worker.push(task(1));
/// worker.push_woken(task(2));
/// assert_eq!(worker.next(), Some(task(2)));
/// assert_eq!(worker.next(), Some(task(1)));
/// mesh.close();
/// assert_eq!(worker.park(), Parked::Closed);
/// # Ok::<(), dtact_mesh::MeshError>(())
/// ```
pub struct Worker<L: Links> {
    mesh: Arc<Mesh<L>>,
    seat: Arc<Seat>,
    id: WorkerId,
    /// Whether no other worker can ever be there to take what this one pushes.
    alone: bool,
    queue: Owner,
    pinned: Pinned,
    slot: Cell<Option<TaskIndex>>,
    slot_run: Cell<u32>,
    until_shared: Cell<u32>,
    until_stalled: Cell<u32>,
    watched: Cell<Watched>,
    /// Whose turn it is, pinned tasks' or the ring's; and which shared queue's.
    pinned_first: Cell<bool>,
    warehouse_first: Cell<bool>,
    /// Whether the event count counts this worker as searching.
    searching: Cell<bool>,
    /// Whether it went dormant and has not heard otherwise.
    dormant: Cell<bool>,
    random: Cell<u32>,
    /// How many rounds it searches before it gives up.
    patience: Cell<u32>,
}

impl<L: Links> Worker<L> {
    pub(crate) fn new(mesh: Arc<Mesh<L>>, id: WorkerId, seat: Arc<Seat>) -> Self {
        Self {
            alone: mesh.config().workers_max == 1,
            queue: Owner::new(Arc::clone(&seat.queue)),
            pinned: Pinned::default(),
            slot: Cell::new(None),
            slot_run: Cell::new(0),
            until_shared: Cell::new(SHARED_EVERY),
            until_stalled: Cell::new(STALLED_EVERY),
            watched: Cell::new(Watched::NOBODY),
            pinned_first: Cell::new(false),
            warehouse_first: Cell::new(false),
            searching: Cell::new(false),
            dormant: Cell::new(false),
            // Any odd number is a good seed; different ones send thieves to different victims.
            random: Cell::new(u32::from(id.raw()).wrapping_mul(0x9E37_79B8) | 1),
            patience: Cell::new(1),
            mesh,
            seat,
            id,
        }
    }

    /// Which worker this is.
    #[must_use]
    #[inline]
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// The mesh it belongs to.
    #[must_use]
    #[inline]
    pub fn mesh(&self) -> &Arc<Mesh<L>> {
        &self.mesh
    }

    /// Queues a new task behind the worker's others, for it or a thief. Wakes at most one parked
    /// worker, none while one searches.
    #[inline]
    pub fn push(&self, task: TaskIndex) {
        self.enqueue(task);
        if !self.alone {
            self.mesh.announce();
        }
    }

    /// Queues a task that has yielded behind the worker's others. Wakes nobody at once: the next
    /// [`next`](Self::next) does, if it leaves tasks behind.
    #[inline]
    pub fn push_yielded(&self, task: TaskIndex) {
        self.enqueue(task);
    }

    /// Makes a task that this worker has just woken the next to run. What was next before goes
    /// behind the worker's others, as by [`push`](Self::push).
    ///
    /// After 3 such tasks in a row, another has to wait its turn.
    #[inline]
    pub fn push_woken(&self, task: TaskIndex) {
        if let Some(displaced) = self.slot.replace(Some(task)) {
            self.push(displaced);
        }
    }

    /// Queues a task that only this worker may run, behind its others of this kind.
    #[inline]
    pub fn push_pinned(&self, task: TaskIndex) {
        self.pinned.push(&self.mesh.links, task);
    }

    /// Queues a task that only worker `to` may run, and wakes that worker if it sleeps.
    ///
    /// # Panics
    /// If the mesh has no worker `to`.
    #[track_caller]
    pub fn send_pinned(&self, to: WorkerId, task: TaskIndex) {
        if to == self.id {
            self.push_pinned(task);
        } else {
            self.mesh.seat(to).send(&self.mesh.links, self.id, task);
        }
    }

    /// The task to run next; `None` if nothing was found anywhere, having searched.
    ///
    /// After `None`, call [`park`](Self::park), or this again: others may rely on this worker to
    /// find what is published from now on.
    #[inline]
    pub fn next(&self) -> Option<TaskIndex> {
        let found = self.next_local().or_else(|| self.next_elsewhere());
        self.finish(found)
    }

    /// As [`next`](Self::next), but only tasks that no other worker may run.
    #[must_use]
    pub fn next_pinned(&self) -> Option<TaskIndex> {
        self.collect_mail();
        let found = self.pinned.pop(&self.mesh.links);
        self.finish(found)
    }

    /// Whether nothing but the running task could run here, as far as cheap loads tell: a task that
    /// yields may as well be run again at once.
    ///
    /// What waits in other workers' rings does not count. So one that yields for ever has to come
    /// by [`next`](Self::next) now and then, which looks there.
    #[must_use]
    pub fn is_lone(&self) -> bool {
        self.slot.get().is_none()
            && self.queue.is_empty()
            && self.pinned.is_empty()
            && !self.seat.has_mail()
            && !self.mesh.has_shared()
    }

    /// Counts what was found, and ends a search that it was found in.
    #[inline]
    fn finish(&self, found: Option<TaskIndex>) -> Option<TaskIndex> {
        if found.is_some() {
            self.seat.counts.count_taken();
        }
        if self.searching.get() {
            self.stop_searching();
        }
        found
    }

    /// Slot, pinned tasks and mail, ring; with a look at the shared queues now and then.
    #[inline]
    fn next_local(&self) -> Option<TaskIndex> {
        if let Some(task) = self.take_slot() {
            return Some(task);
        }
        self.slot_run.set(0);
        let countdown = self.until_shared.get() - 1;
        self.until_shared.set(countdown);
        if countdown == 0 {
            self.until_shared.set(SHARED_EVERY);
            if let Some(task) = self.take_shared() {
                return Some(task);
            }
            if let Some(task) = self.look_for_stalled() {
                return Some(task);
            }
        }
        self.collect_mail();
        if self.pinned.is_empty() {
            return self.take_ring();
        }
        let pinned_first = self.pinned_first.get();
        self.pinned_first.set(!pinned_first);
        let ring = if pinned_first { None } else { self.take_ring() };
        ring.or_else(|| self.pinned.pop(&self.mesh.links))
    }

    #[inline]
    fn look_for_stalled(&self) -> Option<TaskIndex> {
        let countdown = self.until_stalled.get() - 1;
        if countdown > 0 {
            self.until_stalled.set(countdown);
            return None;
        }
        self.until_stalled.set(STALLED_EVERY);
        if self.alone {
            None
        } else {
            self.steal_from_stalled()
        }
    }

    #[inline]
    fn take_slot(&self) -> Option<TaskIndex> {
        let task = self.slot.take()?;
        let run = self.slot_run.get() + 1;
        self.slot_run.set(run);
        if run <= SLOT_RUN_MAX {
            return Some(task);
        }
        self.enqueue(task);
        None
    }

    #[inline]
    fn collect_mail(&self) {
        if self.seat.has_mail() {
            self.seat.collect(&self.mesh.links, &self.pinned);
        }
    }

    /// From the ring. If more stays behind than this worker can run now, somebody who sleeps may
    /// have it: this announces what was pushed without an announcement, or slipped past one.
    #[inline]
    fn take_ring(&self) -> Option<TaskIndex> {
        let task = self.queue.pop()?;
        if self.queue.is_stealable() {
            self.mesh.wake_one();
        }
        Some(task)
    }

    /// A fair share of a shared queue: one task to run, the others into the ring.
    #[inline]
    fn take_shared(&self) -> Option<TaskIndex> {
        if self.mesh.has_shared() {
            self.take_share()
        } else {
            None
        }
    }

    #[cold]
    fn take_share(&self) -> Option<TaskIndex> {
        let mesh = &*self.mesh;
        let warehouse_first = self.warehouse_first.get();
        self.warehouse_first.set(!warehouse_first);
        let queues = if warehouse_first {
            [&mesh.warehouse, &mesh.injector]
        } else {
            [&mesh.injector, &mesh.warehouse]
        };
        for queue in queues {
            let share = (queue.len() / mesh.config().workers + 1).min(BATCH_MAX);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most the share, a usize"
            )]
            let share = 1 + self.queue.free(share as u64 - 1) as usize;
            let taken = queue.take(&mesh.links, share, |task| self.enqueue(task));
            if taken.is_some() {
                // They were seen in the shared queue, and now only here: say so again.
                if self.queue.is_stealable() {
                    mesh.announce();
                }
                return taken;
            }
        }
        None
    }

    /// Into the ring, which makes room if it is full.
    #[inline]
    fn enqueue(&self, task: TaskIndex) {
        if let Err(task) = self.queue.push(task) {
            self.overflow(task);
        }
    }

    /// The ring is full: the older half of it and then `task` go to the warehouse as one chain.
    #[cold]
    fn overflow(&self, task: TaskIndex) {
        let links = &self.mesh.links;
        let mut older = [0; CAPACITY / 2];
        let count = self.queue.take_half(&mut older);
        set_next(links, task, None);
        let mut first = task;
        for task in older[..count]
            .iter()
            .rev()
            .copied()
            .filter_map(TaskIndex::from_raw)
        {
            set_next(links, task, Some(first));
            first = task;
        }
        // A thief may have been faster than we. Then the task goes alone, which is rare and right.
        self.mesh
            .warehouse
            .push_chain(links, first, task, count + 1);
    }
}

impl<L: Links> Drop for Worker<L> {
    /// Leaves the tasks where others find them: those of the ring, chunk and slot in the ring, the
    /// pinned ones in the inbox, for whoever claims the worker next.
    fn drop(&mut self) {
        self.publish_private();
        self.seat.put_back(&self.mesh.links, &self.pinned);
        self.mesh.roster.release(self.id);
        if self.searching.get() {
            self.stop_searching();
        }
        self.mesh.announce();
    }
}

impl<L: Links> fmt::Debug for Worker<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
