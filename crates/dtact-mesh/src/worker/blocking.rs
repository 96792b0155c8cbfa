//! Owns what a worker does when its thread blocks in a task, and when too many run because one
//! came back: the worker's side of the [roster](crate::roster).

use super::Worker;
use crate::{
    attributes::Priority,
    config::Mode,
    roster::Substitute,
    task::{Links, Tagged, WorkerId},
};

/// Who runs in place of a worker that blocks: what [`Worker::begin_blocking`] found.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Replacement {
    /// A dormant worker took over.
    Woken,
    /// The caller shall start a thread that claims this worker, or else say
    /// [`Mesh::abandon_start`](crate::Mesh::abandon_start).
    Start(WorkerId),
    /// As many run as should, without this one.
    NotNeeded,
    /// There are `workers_max` workers, and none of them is dormant: one fewer runs meanwhile.
    LimitReached,
}

/// Why [`Worker::go_dormant`] returned.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Dormant {
    /// There is a task that only this worker may run: run what [`Worker::next_pinned`] gives until
    /// it gives nothing, then call [`Worker::go_dormant`] again.
    Pinned,
    /// It takes the place of one that blocks: it runs like any other again.
    Activated,
    /// The mesh is closed.
    Closed,
    /// No more than should run, so this one goes on.
    Stayed,
}

impl<L: Links> Worker<L> {
    /// Says that the worker's thread is about to block. All its tasks but the pinned ones become
    /// visible to thieves, and another worker takes its place if there is one.
    ///
    /// # Panics
    /// If it was called before without [`end_blocking`](Self::end_blocking).
    #[track_caller]
    pub fn begin_blocking(&self) -> Replacement {
        let substitute = self.mesh.roster.block(self.id);
        let Some(substitute) = substitute else {
            panic!(
                "worker {} blocks already; end that before it begins to block again",
                self.id
            )
        };
        self.dormant.set(false);
        let running = self.seat.counts.running().map(|(task, _)| task);
        self.blocked_in.set(running);
        self.seat.counts.set_running(None);
        self.leave_seat();
        if self.searching.get() {
            self.stop_searching();
        }
        if !self.queue.is_empty() {
            self.mesh.announce();
        }
        match substitute {
            Substitute::NotNeeded => Replacement::NotNeeded,
            Substitute::Nobody => Replacement::LimitReached,
            Substitute::Reserved(id) => Replacement::Start(id),
            Substitute::Dormant(id) => {
                // The token: the dormant worker looks at the roster when it takes it.
                self.mesh.seat(id).parker.unpark();
                Replacement::Woken
            }
        }
    }

    /// Says that the worker's thread runs again. One too many may run from now on; whichever
    /// worker first finds [`is_surplus`](Self::is_surplus) true should go dormant.
    ///
    /// # Panics
    /// If [`begin_blocking`](Self::begin_blocking) was not called before.
    #[track_caller]
    pub fn end_blocking(&self) {
        let unblocked = self.mesh.roster.unblock(self.id);
        assert!(
            unblocked,
            "worker {} does not block; begin that before it ends",
            self.id
        );
        self.return_to_seat();
        self.seat.counts.set_running(self.blocked_in.take());
    }

    /// Whether more workers run than should. One relaxed load: meant for every dispatch.
    #[must_use]
    #[inline]
    pub fn is_surplus(&self) -> bool {
        self.mesh.roster.is_surplus()
    }

    /// If more workers run than should, gives all tasks of this one but the pinned ones to the
    /// others, and sleeps until it is needed.
    ///
    /// # Panics
    /// Between [`begin_blocking`](Self::begin_blocking) and [`end_blocking`](Self::end_blocking).
    #[track_caller]
    pub fn go_dormant(&self) -> Dormant {
        if self.searching.get() {
            self.stop_searching();
        }
        if self.mesh.is_closed() {
            return self.wake_for_close();
        }
        if !self.mesh.roster.retire(self.id) {
            let activated = self.dormant.replace(false);
            return if activated {
                Dormant::Activated
            } else {
                Dormant::Stayed
            };
        }
        self.dormant.set(true);
        self.classes.forget_made_next();
        self.seat.set_accepts(false);
        self.mesh.event_count.fence();
        self.collect_mail();
        self.give_away();
        self.hold_nothing();
        self.seat.set_asleep(true);
        // Mail and the end of the mesh: either we see them below, or their sender sees us asleep.
        self.mesh.event_count.fence();
        let why = loop {
            if self.mesh.is_closed() {
                break self.wake_for_close();
            }
            if !self.mesh.roster.is_dormant(self.id) {
                self.dormant.set(false);
                break Dormant::Activated;
            }
            if !self.has_nothing() || self.seat.has_mail() {
                break Dormant::Pinned;
            }
            self.seat.parker.park();
            // A token may have cleared it.
            self.seat.set_asleep(true);
            self.mesh.event_count.fence();
        };
        self.seat.set_asleep(false);
        self.seat.set_accepts(why != Dormant::Pinned);
        why
    }

    fn wake_for_close(&self) -> Dormant {
        self.dormant.set(false);
        self.mesh.roster.rejoin(self.id);
        Dormant::Closed
    }

    /// What only this worker sees becomes visible to thieves, and what comes from now on goes to
    /// others. Where nothing moves, it stays.
    pub(super) fn leave_seat(&self) {
        self.classes.forget_made_next();
        self.seat.set_accepts(false);
        // Whoever sends looks at that after it has sent, past a fence: one of us sees the other.
        self.mesh.event_count.fence();
        if self.mesh.config().mode != Mode::Pinned {
            self.collect_mail();
            self.publish_private();
            self.give_away_special();
            if !self.mesh.steals() {
                self.give_away();
            }
        }
        self.seat.private.guard.open();
    }

    fn return_to_seat(&self) {
        self.seat.private.guard.close();
        self.seat.set_accepts(true);
    }

    /// The chunk and the slot go into the ring.
    fn publish_private(&self) {
        while let Some(task) = self.seat.private.pop_chunk() {
            self.enqueue(task);
        }
        if let Some(task) = self.seat.private.take_slot() {
            self.arrive(Tagged::new(task));
        }
    }

    /// All tasks that may move go to the warehouse, oldest first.
    fn give_away(&self) {
        if self.mesh.config().mode == Mode::Pinned {
            return;
        }
        self.give_away_special();
        let chunk = core::iter::from_fn(|| self.seat.private.pop_chunk().map(Tagged::task));
        let ring = core::iter::from_fn(|| self.queue.pop_one().map(Tagged::task));
        let slot = core::iter::from_fn(|| self.seat.private.take_slot());
        self.store(Priority::Normal, chunk.chain(ring).chain(slot));
        self.publish_load(0);
        self.mesh.announce();
    }
}
