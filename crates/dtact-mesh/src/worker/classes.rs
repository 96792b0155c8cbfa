//! Owns the tasks that ask for something: their rings, their order, and how they find workers that
//! may run them.
//!
//! # Confined tasks
//! A task that may not go everywhere is not announced: the one worker that an announcement wakes
//! might not be allowed to have it, and would keep others from being woken. Instead, whoever
//! publishes it looks for a sleeper that may have it, and rouses that one. It clears the flag by
//! which the sleeper says that it sleeps, so that a second task rouses another.

use core::cell::{Cell, OnceCell};

use super::Worker;
use crate::{
    attributes::Priority,
    config::Mode,
    domains::Distance,
    lane::Lane,
    pinned::Pinned,
    run_queue::{Owner, RunQueue},
    task::{Links, Tagged, TaskIndex},
    turns::Turns,
};

/// What a worker keeps for tasks that ask for something.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// A bit for each lane, then one for each priority's pinned list: it may hold something. The
    /// last one: a task was made next, see `make_next.rs`.
    ready: Cell<u16>,
    /// Made when the first such task comes.
    queues: OnceCell<Box<Queues>>,
    turns: Turns,
    pub(super) shared_turns: Turns,
}

#[derive(Debug, Default)]
struct Queues {
    lanes: [OnceCell<Owner>; Lane::COUNT],
    pinned: [Pinned; 4],
    /// Whose turn it is within each priority.
    sources: [Cell<u8>; 4],
}

const PINNED_AT: usize = 8;
const MADE_NEXT_AT: usize = 15;

impl Classes {
    /// Whether no such task waits here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ready.get() == 0
    }

    /// Whether any ring of these may hold something.
    pub(super) fn has_rings(&self) -> bool {
        self.ready.get() & ((1 << PINNED_AT) - 1) != 0
    }

    fn queues(&self) -> &Queues {
        self.queues.get_or_init(Box::default)
    }

    fn set(&self, bit: usize) {
        self.ready.set(self.ready.get() | 1 << bit);
    }

    fn clear(&self, bit: usize) {
        self.ready.set(self.ready.get() & !(1 << bit));
    }

    pub(super) fn set_made_next(&self) {
        self.set(MADE_NEXT_AT);
    }

    pub(super) fn forget_made_next(&self) {
        self.clear(MADE_NEXT_AT);
    }

    fn is_made_next(&self) -> bool {
        self.ready.get() & 1 << MADE_NEXT_AT != 0
    }

    /// The priorities that may have something here, a bit each.
    fn priorities(&self) -> u8 {
        let ready = self.ready.get();
        ((ready | ready >> 4 | ready >> PINNED_AT) & 0b1111) as u8
    }
}

impl<L: Links> Worker<L> {
    fn lane_queue(&self, lane: Lane) -> &Owner {
        self.classes.queues().lanes[lane.index()]
            .get_or_init(|| Owner::new(self.seat.lane_made(lane)))
    }

    /// Takes over what the seat's last worker has left.
    pub(super) fn find_classes(&self) {
        if !L::HAS_ATTRIBUTES {
            return;
        }
        for lane in Lane::all().filter(|&lane| lane != Lane::NORMAL) {
            if self.seat.lane(lane).is_some() && !self.lane_queue(lane).is_empty() {
                self.classes.set(lane.index());
            }
        }
    }

    /// The ring that a task belongs to when it is queued here.
    #[inline]
    pub(super) fn lane_of(&self, task: TaskIndex) -> Lane {
        if !L::HAS_ATTRIBUTES {
            return Lane::NORMAL;
        }
        let attributes = self.mesh.attributes(task);
        if attributes.is_usual() {
            return Lane::NORMAL;
        }
        let is_confined = self.mesh.config().mode == Mode::P2PMesh
            && self.mesh.reach(attributes) < Distance::Machine;
        Lane::new(attributes.priority(), is_confined)
    }

    /// Queues a task if it asks for something. False: it goes the usual way.
    #[inline]
    pub(super) fn push_special(&self, task: TaskIndex) -> bool {
        let attributes = self.mesh.attributes(task);
        if attributes.is_usual() && self.mesh.config().mode != Mode::Pinned {
            return false;
        }
        self.place(task)
    }

    #[cold]
    fn place(&self, task: TaskIndex) -> bool {
        let mesh = &*self.mesh;
        let attributes = mesh.attributes(task);
        if mesh.config().mode == Mode::Global || attributes.is_in_shared_queue() {
            mesh.inject(task);
            return true;
        }
        if let Some(home) = attributes.home()
            && home.index() < mesh.config().workers_max
            && mesh.config().domains.distance(self.id, home) > mesh.reach(attributes)
        {
            mesh.inject(task);
            return true;
        }
        let lane = self.lane_of(task);
        if lane == Lane::NORMAL {
            return false;
        }
        self.enqueue_special(lane, Tagged::new(task));
        if lane.is_confined() {
            self.rouse_near(mesh.reach(attributes));
        } else if !self.alone {
            mesh.announce();
        }
        true
    }

    /// Whether a woken task may be next: one of the usual priority that belongs here.
    #[inline]
    pub(super) fn fits_slot(&self, task: TaskIndex) -> bool {
        let attributes = self.mesh.attributes(task);
        if attributes.is_usual() {
            return true;
        }
        attributes.priority() == Priority::Normal
            && !attributes.is_in_shared_queue()
            && attributes.home().is_none_or(|home| {
                self.mesh.config().domains.distance(self.id, home) <= self.mesh.reach(attributes)
            })
    }

    pub(super) fn enqueue_special(&self, lane: Lane, task: Tagged) {
        let Err(task) = self.lane_queue(lane).push(task) else {
            self.hold();
            return self.classes.set(lane.index());
        };
        if lane.is_confined() || self.mesh.config().mode == Mode::Pinned {
            // The warehouse is everybody's, and the task is not.
            self.push_pinned(task.task());
        } else {
            self.store(lane.priority(), core::iter::once(task.task()));
            self.mesh.announce();
        }
    }

    /// Queues a pinned task that is more or less urgent than most.
    #[inline]
    pub(super) fn push_pinned_special(&self, task: TaskIndex) -> bool {
        let priority = self.mesh.attributes(task).priority();
        if priority == Priority::Normal {
            return false;
        }
        self.classes.queues().pinned[priority as usize].push(&self.mesh.links, task);
        self.classes.set(PINNED_AT + priority as usize);
        true
    }

    /// The most urgent of these.
    pub(super) fn pop_pinned_special(&self) -> Option<TaskIndex> {
        if !L::HAS_ATTRIBUTES {
            return None;
        }
        (0..4).rev().find_map(|at| self.pop_pinned_of(at))
    }

    fn pop_pinned_of(&self, priority: usize) -> Option<TaskIndex> {
        let bit = PINNED_AT + priority;
        if self.classes.ready.get() & 1 << bit == 0 {
            return None;
        }
        let list = &self.classes.queues().pinned[priority];
        let task = list.pop(&self.mesh.links);
        if list.is_empty() {
            self.classes.clear(bit);
        }
        task
    }

    pub(super) fn put_back_special(&self) {
        while let Some(task) = self.pop_pinned_special() {
            self.mesh.inject_pinned(self.id, task);
        }
    }

    /// [`next_local`](Self::next_local) while such tasks wait.
    #[cold]
    pub(super) fn next_by_priority(&self) -> Option<TaskIndex> {
        if self.classes.is_made_next() {
            return self.take_made_next();
        }
        if let Some(task) = self.look_around() {
            return Some(task);
        }
        self.collect_mail();
        loop {
            let mut mask = self.classes.priorities();
            if !self.has_nothing_normal() {
                mask |= 1 << Priority::Normal as u8;
            }
            if mask == 0 {
                return None;
            }
            let priority = self.classes.turns.pick(mask);
            if let Some(task) = self.take_of(priority) {
                return Some(task);
            }
        }
    }

    fn has_nothing_normal(&self) -> bool {
        self.has_nothing_to_take() && self.pinned.is_empty()
    }

    /// One of this priority, if thieves have left any: ring, confined ring and pinned tasks by
    /// turns, the slot before them.
    fn take_of(&self, priority: usize) -> Option<TaskIndex> {
        let is_normal = priority == Priority::Normal as usize;
        if is_normal {
            if let Some(task) = self.take_slot() {
                return Some(task);
            }
            self.slot_run.set(0);
        }
        let turn = &self.classes.queues().sources[priority];
        let first = turn.get();
        turn.set((first + 1) % 3);
        (first..first + 3).find_map(|source| match source % 3 {
            0 if is_normal => self.take_ring(),
            0 => self.take_lane(priority),
            1 => self.take_lane(priority + 4),
            _ if is_normal => self.pinned.pop(&self.mesh.links),
            _ => self.pop_pinned_of(priority),
        })
    }

    fn take_lane(&self, index: usize) -> Option<TaskIndex> {
        if self.classes.ready.get() & 1 << index == 0 {
            return None;
        }
        let lane = Lane::from_index(index);
        let queue = self.lane_queue(lane);
        let task = queue.pop_one();
        match queue.front() {
            None => self.classes.clear(index),
            Some(front) if lane.is_confined() => {
                self.rouse_near(self.mesh.reach(self.mesh.attributes(front)));
            }
            Some(_) if !self.alone => self.mesh.wake_one(),
            Some(_) => {}
        }
        task.map(Tagged::task)
    }

    /// Steals from a ring of this lane into the own one.
    pub(super) fn steal_special(
        &self,
        lane: Lane,
        victim: &RunQueue,
        allowed: impl Fn(TaskIndex) -> bool,
    ) -> Option<(TaskIndex, u64)> {
        let stolen = self.lane_queue(lane).steal(victim, allowed)?;
        if stolen.1 > 0 {
            self.classes.set(lane.index());
        }
        Some(stolen)
    }

    /// Moves the tasks of all these rings to the shared queues: they go anywhere now.
    pub(super) fn give_away_special(&self) {
        if !L::HAS_ATTRIBUTES {
            return;
        }
        for lane in Lane::all().filter(|&lane| lane != Lane::NORMAL) {
            if self.classes.ready.get() & 1 << lane.index() == 0 {
                continue;
            }
            let queue = self.lane_queue(lane);
            let tasks = core::iter::from_fn(|| queue.pop_one().map(Tagged::task));
            self.store(lane.priority(), tasks);
            self.classes.clear(lane.index());
        }
    }

    /// Wakes one sleeper that may have what waits here and goes so far.
    #[cold]
    pub(super) fn rouse_near(&self, reach: Distance) {
        if !self.mesh.steals() {
            return;
        }
        self.mesh.event_count.fence();
        if self.mesh.event_count.parked() == 0 {
            return;
        }
        let peers = self.peers.rings(reach).flatten();
        let mut seats = peers.filter_map(|&peer| self.mesh.made_seat(peer.into()));
        let _roused = seats.any(|seat| seat.rouse());
    }
}
