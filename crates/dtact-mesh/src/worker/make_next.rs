//! Owns how a task that waits here is made the next to run, out of its turn.
//!
//! ```text
//!   slot:    where it is
//!   chunk:   to its front                        [ c b A ] -> [ A c b ]
//!   ring:    into the chunk, with those before   [ ] < c b A d  ->  [ A c b ] < d
//!   pinned:  to the front of the list
//! ```
//!
//! It never leaves the queues: raiders find it as they did before, and a task is in one of them. A
//! bit of [`Classes`](super::Classes), which the worker looks at before anything else, says that
//! the front of one of them comes first.
//!
//! # Who starves
//! Nobody: at most [`IN_A_ROW_MAX`] tasks in a row are made next; then the others have a turn.

use core::cell::Cell;

use super::Worker;
use crate::{
    private::{CHUNK_MAX, Private},
    run_queue::Owner,
    task::{Links, NIL, Tagged, TaskIndex},
};

/// How many tasks in a row may be made next.
const IN_A_ROW_MAX: u32 = 3;
/// How far down the list of pinned tasks one is looked for.
const PINNED_MAX: usize = 16;

/// Which queue's front comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Slot,
    Chunk,
    Pinned,
}

/// What a worker knows of the tasks that it made next.
#[derive(Debug)]
pub(super) struct MadeNext {
    front: Cell<Front>,
    in_a_row: Cell<u32>,
    /// How many tasks had been taken when the last one was made next.
    taken: Cell<u64>,
}

impl MadeNext {
    pub(super) fn new() -> Self {
        Self {
            front: Cell::new(Front::Slot),
            in_a_row: Cell::new(0),
            taken: Cell::new(0),
        }
    }
}

impl<L: Links> Worker<L> {
    /// Makes a task the next that this worker runs, if it waits here: in the slot, among the first
    /// 15 of those of usual priority that may move, or among the first 16 of those that may not.
    /// Says whether it does.
    ///
    /// That is for a task that gives way to a certain other: call this, queue the one that gives
    /// way, and take the [`next`](Self::next). It is refused for the fourth such task in a row, so
    /// that all others get their turn, and where tasks ask for nothing
    /// ([`Links::HAS_ATTRIBUTES`]).
    ///
    /// Any index will do: what is not queued here stays as it is.
    #[cold]
    pub fn make_next(&self, task: TaskIndex) -> bool {
        if !L::HAS_ATTRIBUTES {
            return false;
        }
        let made = &self.made_next;
        let taken = self.seat.counts.taken();
        if taken > made.taken.get() + 1 {
            made.in_a_row.set(0);
        }
        if made.in_a_row.get() >= IN_A_ROW_MAX {
            made.in_a_row.set(0);
            return false;
        }
        self.collect_mail();
        let moved = bring_forward(&self.seat.private, &self.queue, task);
        let found = moved.or_else(|| {
            let is_pinned = self
                .pinned
                .bring_forward(&self.mesh.links, task, PINNED_MAX);
            is_pinned.then_some(Front::Pinned)
        });
        let Some(front) = found else { return false };
        made.in_a_row.set(made.in_a_row.get() + 1);
        made.taken.set(taken);
        made.front.set(front);
        self.classes.set_made_next();
        true
    }

    /// What was made next, if a raider has not been faster; else whatever is next.
    pub(super) fn take_made_next(&self) -> Option<TaskIndex> {
        self.classes.forget_made_next();
        let private = &self.seat.private;
        let task = match self.made_next.front.get() {
            Front::Slot => private.take_slot(),
            Front::Chunk => private.pop_chunk().map(Tagged::task),
            Front::Pinned => self.pinned.pop(&self.mesh.links),
        };
        task.or_else(|| self.next_local())
    }
}

/// Looks for a task in slot, chunk and ring, and brings it to the front of the chunk unless it is
/// in the slot. By the owner.
pub(crate) fn bring_forward(private: &Private, queue: &Owner, task: TaskIndex) -> Option<Front> {
    let _inside = private.guard.enter();
    if private.peek_slot() == Some(task) {
        return Some(Front::Slot);
    }
    // The task, then those of the chunk, then those of the ring that were before it.
    let mut all = [NIL; CHUNK_MAX];
    let kept = private.chunk().copy_to(&mut all[1..]);
    let is_it = |&raw: &u32| Tagged::from_slot(raw).task() == task;
    if let Some(before) = all[1..=kept].iter().position(is_it) {
        all[1..=1 + before].rotate_right(1);
        private.chunk().fill(&all[1..=kept]);
        return Some(Front::Chunk);
    }
    let taken = queue.take_up_to(task, &mut all[1 + kept..]);
    if taken == 0 {
        return None;
    }
    let last = kept + taken;
    all[0] = all[last];
    private.chunk().fill(&all[..last]);
    Some(Front::Chunk)
}
