//! Owns how a task that gives way to a certain other takes that one out of the ring itself, where
//! it is that one's turn: the order is the same as by [`next`](Worker::next), and what is saved is
//! to be queued meanwhile.

use super::Worker;
use crate::task::{Links, TaskIndex};

impl<L: Links> Worker<L> {
    /// Takes the task if it is its turn: if [`next`](Self::next) would give it, as far as cheap
    /// loads tell. Says whether it did; the task is then the caller's, as after `next`.
    ///
    /// That is for a task that waits for a certain other: the caller runs that one, and calls
    /// [`go_on_with`](Self::go_on_with) when it comes back to its own. Now and then it is refused
    /// for no other reason than that a call of `next` looks around further.
    ///
    /// Any index will do: what is not queued here stays as it is. `may_take` is asked where it is
    /// the task's turn, and nothing is taken where it says no.
    #[must_use]
    #[inline]
    pub fn take_if_next(&self, task: TaskIndex, may_take: impl FnOnce() -> bool) -> bool {
        if !self.is_next(task) || !may_take() {
            return false;
        }
        let private = &self.seat.private;
        let inside = private.guard.enter();
        let chunk = private.chunk();
        let is_taken = match chunk.front() {
            Some(front) if front == task => chunk.pull().is_some(),
            Some(_) => false,
            None => {
                let popped = self.queue.pop_if(chunk, |front| front == task);
                popped.map(|popped| self.note_popped(popped)).is_some()
            }
        };
        drop(inside);
        if !is_taken {
            return false;
        }
        self.until_shared.set(self.until_shared.get() - 1);
        self.pinned_first.set(!self.pinned.is_empty());
        self.slot_run.set(0);
        self.announce_ring();
        self.finish(Some(task)).is_some()
    }

    /// Notes that a task which gave way by [`take_if_next`](Self::take_if_next) goes on.
    #[inline]
    pub fn go_on_with(&self, task: TaskIndex) {
        self.finish(Some(task));
    }

    /// Whether it is its turn, unless a thief is faster.
    #[inline]
    fn is_next(&self, task: TaskIndex) -> bool {
        let private = &self.seat.private;
        let front = private.chunk().front();
        let is_another_first = L::HAS_ATTRIBUTES && !self.classes.is_empty()
            || front.is_none() && !private.is_slot_empty()
            || self.is_look_due()
            || self.seat.has_mail()
            || !self.pinned.is_empty() && self.pinned_first.get();
        !is_another_first && front.or_else(|| self.queue.front()) == Some(task)
    }
}
