//! Owns deflection: a worker with many tasks passes some on to one with few.
//!
//! ```text
//!   push finds `limit` tasks in the ring
//!      |                                       less loaded of two, nearest domain first
//!      |-- publish the load                  +-----------------> mailbox, one hop more
//!      |-- at the threshold: take a parcel --+
//!      |                                     +--(hops used up)--> warehouse
//!      |-- set the next limit
//!      +-- full: half of the ring -------------------------------> warehouse
//! ```
//!
//! # The threshold
//! A worker deflects from `base` tasks on, its percentage of a ring. If nobody takes any, the next
//! try is a step later; the threshold rises with the queue and falls with it, so that a mesh that
//! is loaded everywhere tries once in a step, not at each push. A peer takes a parcel if it has,
//! with it, at most half of what the worker has.

use super::Worker;
use crate::{
    attributes::Kind,
    config::{Deflection, Mode},
    domains::Distance,
    run_queue::{CAPACITY, PARCEL_MAX, STEP},
    seat::Seat,
    sync::Arc,
    task::{Links, NIL, Tagged},
};

impl<L: Links> Worker<L> {
    /// A push has found `limit` tasks, or thieves have taken some that it does not know of.
    #[cold]
    pub(super) fn enqueue_at_limit(&self, task: Tagged) {
        if self.mesh.config().mode == Mode::Global {
            let links = &self.mesh.links;
            let priority = self.mesh.attributes(task.task()).priority();
            self.mesh.shared.inject(links, priority, task.task());
            return self.mesh.announce();
        }
        if !self.holds.get() {
            self.begin_to_hold();
            return self.enqueue(task);
        }
        let mut length = self.queue.len();
        if let Some(deflection) = self.deflection()
            && length >= self.base()
        {
            self.deflect(deflection, length);
            length = self.queue.len();
        }
        self.set_limit(length + 1);
        if let Err(task) = self.queue.push_over_limit(task) {
            self.overflow(task);
        }
    }

    /// Tells the others how many tasks there are, and sets the next limit by it.
    pub(super) fn publish_load(&self, length: u64) {
        self.set_limit(length);
    }

    /// The next look is a step further on, or at the threshold, if that comes before.
    pub(super) fn set_limit(&self, length: u64) {
        let steps = length / STEP;
        if steps != self.steps.replace(steps) {
            #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
            self.seat.set_load(steps as u32);
        }
        if self.mesh.config().mode == Mode::Global || !self.holds.get() {
            return self.queue.set_limit(0);
        }
        let next = (steps + 1) * STEP;
        let base = self.base();
        let limit = if length < base { next.min(base) } else { next };
        self.queue.set_limit(limit.max(1));
    }

    fn deflection(&self) -> Option<Deflection> {
        let config = self.mesh.config();
        config
            .deflection
            .filter(|_| config.mode == Mode::P2PMesh && config.workers_max > 1)
    }

    /// From how many tasks on this worker deflects.
    fn base(&self) -> u64 {
        if self.deflection().is_none() {
            return CAPACITY as u64;
        }
        // One alone is about to be run here.
        (CAPACITY as u64 * u64::from(self.seat.threshold()) / 100).max(2)
    }

    fn deflect(&self, deflection: Deflection, length: u64) {
        #[expect(clippy::cast_possible_truncation, reason = "at most a ring")]
        let half = length as usize / 2;
        let parcel = deflection.parcel.min(half);
        let Some((peer, distance)) = self.choose_peer(parcel, length) else {
            return;
        };
        let parcel = parcel.min(peer.room(self.id));
        let mut tasks = [NIL; PARCEL_MAX];
        let taken = self.queue.take_oldest(&mut tasks[..parcel]);
        // Sorted in place: those that go, from the front on; the others are seen to at once.
        let mut going = 0;
        for at in 0..taken {
            let task = Tagged::from_slot(tasks[at]);
            if !self.may_deflect(task, length, distance) {
                // There is room: it has just been taken. It goes behind the others.
                let kept = self.queue.push_over_limit(task);
                debug_assert!(kept.is_ok(), "the ring has room for what was taken");
                continue;
            }
            match task.passed_on(deflection.hops_max) {
                Some(task) => {
                    tasks[going] = task.raw();
                    going += 1;
                }
                None => self.store_exhausted(task),
            }
        }
        if going == 0 {
            return;
        }
        self.seat.counts.count_deflected(going as u64);
        let going = tasks[..going].iter().map(|&raw| Tagged::from_slot(raw));
        if peer.deliver(self.id, going) {
            self.mesh.holders.set(peer.id);
        } else {
            self.mesh.rescue(peer);
        }
    }

    #[cold]
    fn store_exhausted(&self, task: Tagged) {
        let task = task.task();
        let priority = self.mesh.attributes(task).priority();
        self.store(priority, core::iter::once(task));
        self.mesh.announce();
    }

    fn may_deflect(&self, task: Tagged, length: u64, distance: Distance) -> bool {
        if !L::HAS_ATTRIBUTES {
            return true;
        }
        match self.mesh.attributes(task.task()).kind() {
            Kind::Compute => true,
            Kind::IO => length >= 2 * self.base(),
            Kind::Memory => distance <= Distance::Node,
            Kind::System => false,
        }
    }

    /// The less loaded of two, if it has little enough to do: of the nearest, else of those further
    /// away.
    fn choose_peer(&self, parcel: usize, length: u64) -> Option<(&Arc<Seat>, Distance)> {
        let distances = [
            Distance::Core,
            Distance::Complex,
            Distance::Node,
            Distance::Machine,
        ];
        let rings = self.peers.rings(Distance::Machine).zip(distances);
        for (peers, distance) in rings {
            if peers.is_empty() {
                continue;
            }
            let one = self.random_below(peers.len());
            // Another one, if there is: each of the others with the same chance.
            let other = (one + 1 + self.random_below((peers.len() - 1).max(1))) % peers.len();
            let seats = [one, other].map(|at| {
                let seat = self.mesh.made_seat(peers[at].into());
                seat.filter(|seat| seat.accepts())
            });
            let least = seats.into_iter().flatten().min_by_key(|seat| seat.load());
            if let Some(seat) = least {
                let has = u64::from(seat.load()) * STEP + parcel as u64;
                if 2 * has <= length && seat.room(self.id) > 0 {
                    return Some((seat, distance));
                }
            }
        }
        None
    }
}
