//! Owns how a worker goes to sleep for want of work, and how it comes back. The protocol is in
//! `park/README.md`; its steps are named here.

use std::time::Instant;

use super::Worker;
use crate::{park::Unlisted, task::Links, watch};

/// Why [`Worker::park`] returned.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Parked {
    /// There may be work: ask [`Worker::next`].
    Work,
    /// The mesh is closed; nobody sleeps any more.
    Closed,
}

/// What [`Worker::list`] did.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Listed {
    /// The worker counts as parked: from now on [`Worker::unlist`] says whether it was woken, and
    /// nothing else may be called.
    Sleeps,
    /// It does not sleep, for this reason.
    Awake(Parked),
}

/// What a worker that is about to sleep sees when it looks once more.
enum Look {
    /// Nothing: it may sleep.
    Quiet,
    /// Work for this worker, or the end of the mesh.
    Own,
    /// A task that any worker could take.
    Shared,
}

impl<L: Links> Worker<L> {
    /// Sleeps until there may be work, or the mesh is closed. A sleeping worker takes no CPU time
    /// and is not woken for nothing: in an idle mesh there are no timeouts.
    pub fn park(&self) -> Parked {
        self.park_at_most(None)
    }

    /// As [`park`](Self::park), but also returns, as [`Parked::Work`], when `deadline` has come;
    /// for whoever has something to do then. It is not woken before for that.
    pub fn park_until(&self, deadline: Instant) -> Parked {
        self.park_at_most(Some(deadline))
    }

    fn park_at_most(&self, deadline: Option<Instant>) -> Parked {
        if let Listed::Awake(why) = self.list() {
            return why;
        }
        let unlisted = loop {
            if let Some(unlisted) = self.sleep(deadline) {
                break unlisted;
            }
            if !self.mesh.event_count.is_listed(self.id) {
                break Unlisted::Claimed;
            }
            if let Some(unlisted) = self.look_again() {
                break unlisted;
            }
        };
        self.wake_up(unlisted)
    }

    /// The first half of [`park`](Self::park), for a simulator: counts the worker as parked, unless
    /// there is work, and does not block.
    pub fn list(&self) -> Listed {
        if self.mesh.is_closed() {
            return Listed::Awake(Parked::Closed);
        }
        if !self.has_nothing() {
            return Listed::Awake(Parked::Work);
        }
        if self.searching.get() {
            self.stop_searching();
        }
        self.seat.set_asleep(true);
        self.mesh.event_count.list(self.id);
        match self.look_listed() {
            None => {
                self.seat.counts.count_parked();
                Listed::Sleeps
            }
            Some(unlisted) => Listed::Awake(self.wake_up(unlisted)),
        }
    }

    /// The second half: after [`Listed::Sleeps`], whether the worker was woken, and why. `None`: it
    /// sleeps still. Does not block.
    pub fn unlist(&self) -> Option<Parked> {
        if !self.seat.parker.park_timeout(core::time::Duration::ZERO) {
            return None;
        }
        let unlisted = if self.mesh.event_count.is_listed(self.id) {
            self.look_again()?
        } else {
            Unlisted::Claimed
        };
        Some(self.wake_up(unlisted))
    }

    /// One sleep. `Some`: it has come off the list, because `deadline` has come, or having seen
    /// something that nobody announces.
    fn sleep(&self, deadline: Option<Instant>) -> Option<Unlisted> {
        // Past the fence of *list*: whoever wakes up later sees that there is no sentinel.
        if self.mesh.watch.is_on()
            && !self.sentinel.get()
            && self.mesh.seats().any(|seat| seat.is_awake())
            && self.mesh.watch.volunteer()
        {
            self.sentinel.set(true);
        }
        let look = if self.sentinel.get() {
            Instant::now().checked_add(self.mesh.watch.period())
        } else {
            None
        };
        let Some(first) = look.into_iter().chain(deadline).min() else {
            self.seat.parker.park();
            return None;
        };
        if self.seat.parker.park_until(first) {
            return None;
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            // Whoever claims it from here on finds it off the list, or leaves a token for the next
            // sleep, which then looks once more than it had to.
            return Some(self.cancel(false));
        }
        if self.look_at_all() {
            return Some(self.cancel(true));
        }
        let is_busy = self
            .mesh
            .watch
            .was_busy(self.mesh.seats().map(|seat| &**seat));
        if !is_busy && self.mesh.seats().all(|seat| !seat.is_awake()) {
            self.stop_watching();
        }
        None
    }

    /// Nobody is awake: no more timeouts, unless somebody wakes up at this moment.
    fn stop_watching(&self) {
        self.sentinel.set(false);
        self.mesh.watch.resign();
        // Whoever wakes up says so before it looks for a sentinel; we resign before we look.
        self.mesh.event_count.fence();
        if self.mesh.seats().any(|seat| seat.is_awake()) && self.mesh.watch.volunteer() {
            self.sentinel.set(true);
        }
    }

    /// Says that the worker is up, and sees to it that somebody watches, if there is a watchdog.
    fn wake_up(&self, unlisted: Unlisted) -> Parked {
        self.seat.set_asleep(false);
        if unlisted == Unlisted::Claimed {
            self.searching.set(true);
            self.woken_at.set(Some(self.mesh.watch.clock.0()));
        }
        if self.mesh.watch.is_on() {
            self.hand_watch_over();
        }
        if self.mesh.is_closed() {
            Parked::Closed
        } else {
            Parked::Work
        }
    }

    #[cold]
    fn hand_watch_over(&self) {
        if self.sentinel.replace(false) {
            self.mesh.watch.resign();
        }
        self.mesh.event_count.fence();
        if !self.mesh.watch.has_sentinel() {
            let mut seats = self.mesh.seats();
            let _roused = seats.any(|seat| seat.rouse());
        }
    }

    /// Reports polls that take too long. True if there is something to be had from one that does.
    #[cold]
    pub(super) fn look_at_all(&self) -> bool {
        let watch = &self.mesh.watch;
        let mut is_any = false;
        for seat in self.mesh.seats() {
            if seat.id == self.id {
                continue;
            }
            if let Some(standing) = watch::standing(seat, watch.clock) {
                watch.report(seat.id, seat, standing);
                is_any |=
                    self.mesh.steals() && standing.nanos >= watch.deadline && seat.has_private();
            }
        }
        is_any
    }

    /// As [`look_listed`](Self::look_listed), after a token that may have cleared `asleep`.
    fn look_again(&self) -> Option<Unlisted> {
        self.seat.set_asleep(true);
        self.mesh.event_count.fence();
        self.look_listed()
    }

    /// *look*, and *cancel* if there is anything.
    fn look_listed(&self) -> Option<Unlisted> {
        if !self.mesh.event_count.rechecks() {
            return None;
        }
        match self.look() {
            Look::Quiet => None,
            Look::Own => Some(self.cancel(false)),
            Look::Shared => Some(self.cancel(true)),
        }
    }

    /// Everything that could give this worker something to do. A fence came before.
    fn look(&self) -> Look {
        if self.mesh.is_closed() || self.seat.has_mail() {
            Look::Own
        } else if self.mesh.has_work(self.id) {
            Look::Shared
        } else {
            Look::Quiet
        }
    }

    /// Off the list again: as a searcher if it goes for a task that others may take too.
    fn cancel(&self, searches: bool) -> Unlisted {
        let unlisted = self.mesh.event_count.cancel(self.id, searches);
        self.searching
            .set(searches && unlisted == Unlisted::Cancelled);
        unlisted
    }
}
