//! Owns the one-thread end of the mesh: where a worker puts tasks and what it runs next.
//!
//! ```text
//!   push_woken --> [ slot ] --displaced--> tail of the ring
//!   push, push_yielded -----------------> [ ring ] <== half of it, thieves
//!                                          |    | above the threshold: to a less loaded worker
//!                                          |    +-----> its mailbox
//!                                          | full: half of it
//!   inject --> [ injector ]           [ warehouse ]
//!   push_pinned, mail ------------------> [ pinned ]      (nobody else takes these)
//!
//!   next: chunk, slot, then pinned and ring by turns, then injector and warehouse, then theft
//! ```
//!
//! Tasks that ask for something are in rings of their own (`classes.rs`); while there are none, a
//! worker notices that by one comparison.
//!
//! # Who starves
//! Nobody: the slot gives at most [`SLOT_RUN_MAX`] tasks in a row, pinned tasks and the ring take
//! turns, and after [`SHARED_EVERY`] calls, [`LOOK_LATEST`] at most, the shared queues come first.
//! A slot that waits for a chunk then goes into the ring.

mod blocking;
mod classes;
mod deflect;
pub(crate) mod make_next;
mod search;
mod sleep;
mod take_if_next;

use classes::Classes;
use make_next::MadeNext;
use search::Watched;

pub use blocking::{Dormant, Replacement};
pub use sleep::{Listed, Parked};

use core::{cell::Cell, fmt};

use crate::{
    attributes::{Kind, Priority},
    config::Mode,
    domains::Peers,
    lane::Lane,
    mesh::Mesh,
    pinned::Pinned,
    private::CHUNK_MAX,
    run_queue::{BATCH_MAX, CAPACITY, Owner, STEP},
    seat::Seat,
    shared::Origin,
    striped::Striped,
    sync::Arc,
    task::{Links, Tagged, TaskIndex, WorkerId},
};

/// How many tasks in a row may come from the slot.
const SLOT_RUN_MAX: u32 = 3;
/// Each so many calls of `next` the shared queues come first. Prime, so that it falls in step with
/// no pattern of the tasks.
const SHARED_EVERY: u32 = 17;
/// They come first after so many at the latest: a chunk that is not filled again is empty by then.
const LOOK_LATEST: u32 = SHARED_EVERY + 16;
const _: () = assert!(LOOK_LATEST as usize - SHARED_EVERY as usize >= CHUNK_MAX);
/// A ring with so many tasks is long. What comes into it soon pushes out as many others; so they
/// are few beside what was run meanwhile, and each has a turn at once.
const LONG: u64 = STEP;
const FEW: usize = 6;
const _: () = assert!(FEW < CHUNK_MAX, "they go into an empty chunk");
/// Each so many of these, a look at whether another worker's ring stands still.
const STALLED_EVERY: u32 = 29;

/// The one-thread end of a mesh: a worker, which may move between threads but is used by one.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Config, Mesh, Parked, TaskIndex, WorkerId};
///
/// let mesh = Mesh::new(Config::new(1, 1), ArrayLinks::new(8))?;
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
    /// Whether no other worker ever takes what this one pushes.
    alone: bool,
    has_slot: bool,
    queue: Owner,
    /// Whether the worker is among the [holders](crate::holders), or nobody asks for these.
    holds: Cell<bool>,
    pinned: Pinned,
    /// What waits elsewhere than in slot, ring and `pinned`.
    classes: Classes,
    made_next: MadeNext,
    slot_run: Cell<u32>,
    until_shared: Cell<u32>,
    until_stalled: Cell<u32>,
    /// The load that others were told.
    steps: Cell<u64>,
    watched: Cell<Watched>,
    /// Whose turn it is, pinned tasks' or the ring's; and of each priority, which shared queue's.
    pinned_first: Cell<bool>,
    shared_turns: [Cell<usize>; 4],
    /// Whether the event count counts this worker as searching.
    searching: Cell<bool>,
    /// When it was woken for a task, until it is known whether that was worth it.
    woken_at: Cell<Option<u64>>,
    /// Whether it sleeps with a timeout, to look at the others.
    sentinel: Cell<bool>,
    /// Whether it went dormant and has not heard otherwise.
    dormant: Cell<bool>,
    /// What it ran when it blocked.
    blocked_in: Cell<Option<TaskIndex>>,
    random: Cell<u32>,
    /// How many rounds it searches before it gives up.
    patience: Cell<u32>,
    /// Of what kind the last task was.
    kind: Cell<Kind>,
    peers: Peers,
}

impl<L: Links> Worker<L> {
    pub(crate) fn new(mesh: Arc<Mesh<L>>, id: WorkerId, seat: Arc<Seat>) -> Self {
        let config = mesh.config();
        // Different numbers send thieves to different victims; 0 would stay 0.
        let random = (u32::from(id.raw()) ^ config.seed.rotate_left(16)).wrapping_mul(0x9E37_79B9);
        let alone = config.workers_max == 1 || !mesh.steals();
        let worker = Self {
            alone,
            holds: Cell::new(alone || mesh.holders.is_set(id.index())),
            has_slot: config.mode != Mode::Global,
            queue: Owner::new(Arc::clone(&seat.queue)),
            pinned: Pinned::default(),
            classes: Classes::default(),
            made_next: MadeNext::new(),
            slot_run: Cell::new(0),
            until_shared: Cell::new(LOOK_LATEST),
            until_stalled: Cell::new(STALLED_EVERY),
            steps: Cell::new(0),
            watched: Cell::new(Watched::NOBODY),
            pinned_first: Cell::new(false),
            shared_turns: Default::default(),
            searching: Cell::new(false),
            woken_at: Cell::new(None),
            sentinel: Cell::new(false),
            dormant: Cell::new(false),
            blocked_in: Cell::new(None),
            random: Cell::new(random | 1),
            patience: Cell::new(1),
            kind: Cell::new(Kind::Compute),
            peers: Peers::of(id, &config.domains, config.workers_max),
            mesh,
            seat,
            id,
        };
        worker.seat.private.guard.close();
        worker.seat.set_accepts(true);
        worker.find_classes();
        worker.set_limit(worker.queue.len());
        worker
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
        if L::HAS_ATTRIBUTES && self.push_special(task) {
            return;
        }
        self.enqueue(Tagged::new(task));
        if !self.alone {
            self.mesh.announce();
        }
    }

    /// Queues a task that has yielded behind the worker's others. Wakes nobody at once: the next
    /// [`next`](Self::next) does, if it leaves tasks behind.
    #[inline]
    pub fn push_yielded(&self, task: TaskIndex) {
        if L::HAS_ATTRIBUTES && self.push_special(task) {
            return;
        }
        self.enqueue(Tagged::new(task));
    }

    /// Makes a task that this worker has just woken the next to run, but for up to 15 that were
    /// taken out of a long ring at once. What was next before goes behind the worker's others, as
    /// by [`push`](Self::push). A task that is more or less urgent
    /// than most, or belongs elsewhere, is pushed itself.
    ///
    /// After 3 such tasks in a row, another has to wait its turn.
    #[inline]
    pub fn push_woken(&self, task: TaskIndex) {
        if !self.has_slot || L::HAS_ATTRIBUTES && !self.fits_slot(task) {
            return self.push(task);
        }
        match self.seat.private.replace_slot(task) {
            Some(displaced) => self.push(displaced),
            None => self.hold(),
        }
    }

    /// Queues a task that only this worker may run, behind its others of this kind.
    #[inline]
    pub fn push_pinned(&self, task: TaskIndex) {
        if L::HAS_ATTRIBUTES && self.push_pinned_special(task) {
            return;
        }
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
        if self.mesh.config().mode == Mode::Pinned {
            let found = self.next_local();
            return self.finish(found);
        }
        self.collect_mail();
        let found = self.pinned.pop(&self.mesh.links);
        let found = found.or_else(|| self.pop_pinned_special());
        self.finish(found)
    }

    /// Whether nothing but the running task could run here, as far as cheap loads tell: a task that
    /// yields may as well be run again at once.
    ///
    /// What waits in other workers' rings does not count. So one that yields for ever has to come
    /// by [`next`](Self::next) now and then, which looks there.
    #[must_use]
    pub fn is_lone(&self) -> bool {
        self.has_nothing() && !self.seat.has_mail() && !self.mesh.has_shared()
    }

    /// Whether slot, chunk, rings and pinned tasks are empty.
    #[inline]
    fn has_nothing(&self) -> bool {
        self.has_nothing_to_take() && self.pinned.is_empty() && self.classes.is_empty()
    }

    /// Whether slot, chunk and the usual ring are empty: what others take from.
    #[inline]
    fn has_nothing_to_take(&self) -> bool {
        self.seat.private.is_slot_empty()
            && self.seat.private.chunk().is_empty()
            && self.queue.is_empty()
    }

    /// Counts what was found, and ends a search that it was found in.
    #[inline]
    fn finish(&self, found: Option<TaskIndex>) -> Option<TaskIndex> {
        match found {
            Some(task) => {
                self.seat.counts.begin(task);
                if L::HAS_ATTRIBUTES {
                    self.kind.set(self.mesh.links.attributes(task).kind());
                }
            }
            None => self.seat.counts.set_running(None),
        }
        if self.searching.get() {
            self.end_search(found.is_some());
        }
        found
    }

    /// Slot, pinned tasks and mail, ring; with a look at the shared queues now and then.
    #[inline]
    fn next_local(&self) -> Option<TaskIndex> {
        if L::HAS_ATTRIBUTES && !self.classes.is_empty() {
            return self.next_by_priority();
        }
        // Behind the few that were taken out of a long ring: one that waits for several of these
        // is then woken once for all, not once for each.
        if self.seat.private.chunk().is_empty()
            && let Some(task) = self.take_slot()
        {
            return Some(task);
        }
        self.slot_run.set(0);
        if let Some(task) = self.look_around() {
            return Some(task);
        }
        self.collect_mail();
        if L::HAS_ATTRIBUTES && !self.classes.is_empty() {
            return self.next_by_priority();
        }
        if self.pinned.is_empty() {
            return self.take_ring();
        }
        let pinned_first = self.pinned_first.get();
        self.pinned_first.set(!pinned_first);
        let ring = if pinned_first { None } else { self.take_ring() };
        ring.or_else(|| self.pinned.pop(&self.mesh.links))
    }

    /// The shared queues, and what others do not get to: after [`SHARED_EVERY`] calls, as soon as
    /// the chunk is empty, so that what is brought in has a place there; or after [`LOOK_LATEST`].
    #[inline]
    fn look_around(&self) -> Option<TaskIndex> {
        if !self.is_look_due() {
            self.until_shared.set(self.until_shared.get() - 1);
            return None;
        }
        self.until_shared.set(LOOK_LATEST);
        if !self.seat.private.chunk().is_empty() {
            self.release_slot();
        }
        let found = if self.mesh.has_shared() {
            self.take_share(self.queue.len() >= LONG)
        } else {
            None
        };
        found.or_else(|| self.look_for_stalled())
    }

    /// Whether the next look around does look.
    #[inline]
    fn is_look_due(&self) -> bool {
        let left = self.until_shared.get() - 1;
        left <= LOOK_LATEST - SHARED_EVERY && (left == 0 || self.seat.private.chunk().is_empty())
    }

    /// The chunk is filled again and again: the slot, which comes after it, waits no longer.
    #[cold]
    #[inline(never)]
    fn release_slot(&self) {
        if let Some(task) = self.seat.private.take_slot() {
            self.retire_slot(task);
        }
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
        let task = self.seat.private.take_slot()?;
        let run = self.slot_run.get() + 1;
        self.slot_run.set(run);
        if run <= SLOT_RUN_MAX {
            return Some(task);
        }
        self.retire_slot(task);
        None
    }

    #[cold]
    #[inline(never)]
    fn retire_slot(&self, task: TaskIndex) {
        self.push_yielded(task);
    }

    #[inline]
    fn collect_mail(&self) {
        if self.seat.has_mail() {
            self.collect();
        }
    }

    #[cold]
    fn collect(&self) {
        self.seat.collect(
            &self.mesh.links,
            |task| self.push_pinned(task),
            |task| self.arrive(task),
        );
    }

    /// A task that may move on has come to this worker: into the ring that it belongs to.
    #[inline]
    fn arrive(&self, task: Tagged) {
        if L::HAS_ATTRIBUTES && !self.mesh.attributes(task.task()).is_usual() {
            return self.arrive_special(task);
        }
        self.enqueue(task);
    }

    #[cold]
    #[inline(never)]
    fn arrive_special(&self, task: Tagged) {
        match self.lane_of(task.task()) {
            Lane::NORMAL => self.enqueue(task),
            lane => self.enqueue_special(lane, task),
        }
    }

    /// From the ring. If more stays behind than this worker can run now, somebody who sleeps may
    /// have it: this announces what was pushed without an announcement, or slipped past one.
    #[inline]
    fn take_ring(&self) -> Option<TaskIndex> {
        let private = &self.seat.private;
        let inside = private.guard.enter();
        let task = match private.chunk().pull() {
            Some(task) => task.task(),
            None => self.take_and_refill()?,
        };
        drop(inside);
        self.announce_ring();
        Some(task)
    }

    /// What stays in the ring, to somebody who sleeps.
    #[inline]
    fn announce_ring(&self) {
        if !self.queue.is_empty() && self.mesh.event_count.wants_waking() && !self.alone {
            self.mesh.wake_one();
        }
    }

    /// From the ring itself, and a chunk with it. Apart, so that taking from the chunk is short.
    #[inline(never)]
    fn take_and_refill(&self) -> Option<TaskIndex> {
        let popped = self.queue.pop(self.seat.private.chunk())?;
        Some(self.note_popped(popped))
    }

    #[inline]
    fn note_popped(&self, (task, length): (TaskIndex, u64)) -> TaskIndex {
        if length / STEP < self.steps.get() {
            self.publish_load(length);
        }
        task
    }

    /// A fair share of a shared queue: one task to run, the others into the ring.
    #[inline]
    fn take_shared(&self) -> Option<TaskIndex> {
        if self.mesh.has_shared() {
            self.take_share(false)
        } else {
            None
        }
    }

    #[cold]
    fn take_share(&self, is_long: bool) -> Option<TaskIndex> {
        let mesh = &*self.mesh;
        let most = if is_long { FEW } else { BATCH_MAX };
        let workers = mesh.config().workers;
        let share = |length: usize| match mesh.config().mode {
            Mode::Global => 1,
            Mode::P2PMesh | Mode::Pinned => (length / workers + 1).min(most),
        };
        let mut tasks = [TaskIndex::FIRST; BATCH_MAX];
        let mut mask = mesh.shared.priorities();
        while mask != 0 {
            let priority = self.classes.shared_turns.pick(mask);
            mask &= !(1 << priority);
            let turn = self.shared_turns[priority].get();
            self.shared_turns[priority].set(turn.wrapping_add(1));
            let taken = mesh
                .shared
                .take(&mesh.links, priority, turn, share, &mut tasks);
            if let Some((count, origin)) = taken {
                self.spread(&tasks[1..count], origin, is_long);
                return Some(tasks[0]);
            }
        }
        None
    }

    /// Queues here what came with another one out of a shared queue: behind the worker's others, or
    /// where these are many, before them.
    fn spread(&self, tasks: &[TaskIndex], origin: Origin, is_long: bool) {
        let mut others_may_take = false;
        for &task in tasks {
            let tagged = match origin {
                Origin::Injector => Tagged::new(task),
                Origin::Warehouse => Tagged::settled(task),
            };
            let is_placed = is_long
                && (!L::HAS_ATTRIBUTES || self.mesh.attributes(task).is_usual())
                && self.seat.private.append(tagged);
            if !is_placed {
                self.arrive(tagged);
                others_may_take = true;
            }
        }
        // They were seen in the shared queue, and now only here: say so again.
        if others_may_take && !self.alone {
            self.mesh.announce();
        }
    }

    /// Into the ring, which may have more to do than that.
    #[inline]
    fn enqueue(&self, task: Tagged) {
        if let Err(task) = self.queue.push(task) {
            self.enqueue_at_limit(task);
        }
    }

    /// Sees to it that others look here for something to take.
    #[inline]
    fn hold(&self) {
        if !self.holds.get() {
            self.begin_to_hold();
        }
    }

    #[cold]
    fn begin_to_hold(&self) {
        self.holds.set(true);
        if self.mesh.event_count.marks() {
            self.mesh.holders.set(self.id);
        }
        self.set_limit(self.queue.len());
    }

    /// Has others look elsewhere. Nothing may be left but pinned tasks ([holders.I1]).
    #[cold]
    pub(crate) fn hold_nothing(&self) {
        if self.alone || !self.holds.replace(false) {
            return;
        }
        debug_assert!(
            self.has_nothing_to_take() && !self.classes.has_rings(),
            "a worker that says so holds nothing"
        );
        // The next push fails, and says that there is something again.
        self.queue.set_limit(0);
        self.mesh.holders.clear(self.id);
        self.mesh.event_count.fence();
        if self.mesh.event_count.rechecks() && self.seat.has_mail() {
            self.begin_to_hold();
        }
    }

    /// The ring is full: the older half of it and then `task` go to the warehouse at once, or
    /// where no task may move, to the pinned ones.
    #[cold]
    fn overflow(&self, task: Tagged) {
        let mut older = [0; CAPACITY / 2];
        let count = self.queue.take_half(&mut older);
        // A thief may have been faster than we. Then the task goes alone, which is rare and right.
        let older = older[..count].iter().map(|&raw| Tagged::from_slot(raw));
        let all = older.chain([task]).map(Tagged::task);
        if self.mesh.config().mode == Mode::Pinned {
            all.for_each(|task| self.push_pinned(task));
        } else {
            self.store(Priority::Normal, all);
        }
    }

    /// Into the warehouse.
    fn store(&self, priority: Priority, tasks: impl Iterator<Item = TaskIndex>) {
        let links = &self.mesh.links;
        let mut list = Striped::new();
        for task in tasks {
            list.push(links, task);
        }
        self.seat.counts.count_stored(list.len() as u64);
        self.mesh.shared.store(links, priority, &list);
    }
}

impl<L: Links> Drop for Worker<L> {
    /// Leaves the tasks where others find them: those of the ring, chunk and slot in the ring, the
    /// pinned ones in the inbox, for whoever claims the worker next.
    fn drop(&mut self) {
        self.leave_seat();
        self.seat.put_back(&self.mesh.links, &self.pinned);
        self.put_back_special();
        if self.has_nothing() {
            self.hold_nothing();
        }
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
