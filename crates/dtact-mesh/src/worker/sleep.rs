//! Owns how a worker goes to sleep for want of work, and how it comes back. The protocol is in
//! `park/README.md`; its steps are named here.

use std::time::Instant;

use super::Worker;
use crate::{park::Unlisted, task::Links};

/// Why [`Worker::park`] returned.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Parked {
    /// There may be work: ask [`Worker::next`].
    Work,
    /// The mesh is closed; nobody sleeps any more.
    Closed,
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
    /// and is not woken for nothing: there are no timeouts.
    pub fn park(&self) -> Parked {
        self.park_at_most(None)
    }

    /// As [`park`](Self::park), but also returns, as [`Parked::Work`], when `deadline` has come;
    /// for whoever has something to do then. It is not woken before for that.
    pub fn park_until(&self, deadline: Instant) -> Parked {
        self.park_at_most(Some(deadline))
    }

    fn park_at_most(&self, deadline: Option<Instant>) -> Parked {
        if self.mesh.is_closed() {
            return Parked::Closed;
        }
        if self.slot.get().is_some() || !self.queue.is_empty() || !self.pinned.is_empty() {
            return Parked::Work;
        }
        if self.searching.get() {
            self.stop_searching();
        }
        let event_count = &self.mesh.event_count;
        self.seat.set_asleep(true);
        event_count.list(self.id);
        let unlisted = loop {
            match if event_count.rechecks() {
                self.look()
            } else {
                Look::Quiet
            } {
                Look::Quiet => {}
                Look::Own => break self.cancel(false),
                Look::Shared => break self.cancel(true),
            }
            self.seat.counts.count_parked();
            let has_token = match deadline {
                Some(deadline) => self.seat.parker.park_until(deadline),
                None => {
                    self.seat.parker.park();
                    true
                }
            };
            if !event_count.is_listed(self.id) {
                break Unlisted::Claimed;
            }
            if !has_token {
                // Whoever claims it from here on finds it off the list, or leaves a token for
                // the next sleep, which then looks once more than it had to.
                break self.cancel(false);
            }
        };
        self.seat.set_asleep(false);
        if unlisted == Unlisted::Claimed {
            self.searching.set(true);
        }
        if self.mesh.is_closed() {
            Parked::Closed
        } else {
            Parked::Work
        }
    }

    /// *look*: everything that could give this worker something to do. A fence came before.
    fn look(&self) -> Look {
        if self.mesh.is_closed() || self.seat.has_mail() {
            Look::Own
        } else if self.mesh.has_work() {
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
