//! Owns what a worker does when it has nothing of its own: shared queues, then theft.
//!
//! At most half of the running workers search at a time; the others have nothing to add but
//! traffic. Producers wake nobody while somebody searches, so whoever stops as the last one looks
//! whether more was published meanwhile, and wakes another (*stop* in `park/README.md`).

use super::Worker;
use crate::{
    sync::spin_loop,
    task::{Links, TaskIndex},
};

/// The most rounds of one search. Round r is preceded by 2^r pauses of some 10 to 50 ns: all
/// together stay below a few microseconds, the price of the sleep and wake-up that they may save.
const PATIENCE_MAX: u32 = if cfg!(dtact_loom) { 1 } else { 6 };

/// The worker that this one has an eye on, and how much had been taken from its ring; `None` if the
/// ring was empty.
#[derive(Copy, Clone, Debug)]
pub(super) struct Watched {
    index: usize,
    taken_count: Option<u64>,
}

impl Watched {
    pub(super) const NOBODY: Self = Self {
        index: 0,
        taken_count: None,
    };
}

impl<L: Links> Worker<L> {
    #[cold]
    pub(super) fn next_elsewhere(&self) -> Option<TaskIndex> {
        if let Some(task) = self.take_shared() {
            return Some(task);
        }
        if self.alone || !self.searching.get() && !self.start_searching() {
            return None;
        }
        let patience = self.patience.get();
        for round in 0..patience {
            if round > 0 {
                for _ in 0..1_u32 << round {
                    spin_loop();
                }
                if let Some(task) = self.next_local().or_else(|| self.take_shared()) {
                    self.patience.set((patience + 1).min(PATIENCE_MAX));
                    return Some(task);
                }
            }
            if let Some(task) = self.steal() {
                self.patience.set((patience + 1).min(PATIENCE_MAX));
                return Some(task);
            }
        }
        self.patience.set((patience - 1).max(1));
        None
    }

    fn start_searching(&self) -> bool {
        let mesh = &*self.mesh;
        let running = mesh
            .roster
            .active()
            .saturating_sub(mesh.event_count.parked());
        let started = mesh.event_count.start_searching(running);
        self.searching.set(started);
        started
    }

    /// Ends this worker's search. What was published while producers relied on it is passed on.
    pub(super) fn stop_searching(&self) {
        self.searching.set(false);
        if self.mesh.event_count.stop_searching() && self.mesh.has_work() {
            self.mesh.wake_one();
        }
    }

    /// Half of the first ring that has anything, starting anywhere.
    fn steal(&self) -> Option<TaskIndex> {
        let end = self.mesh.seats_end();
        let start = self.random_below(end);
        (start..end)
            .chain(0..start)
            .find_map(|index| self.steal_from(index))
    }

    /// Half of a ring that stands still, for a worker that has tasks of its own: it never searches,
    /// and what is queued behind a long task elsewhere would wait for that.
    ///
    /// A ring stands still if it holds something and nobody has taken from it since this worker
    /// looked at it the last time. To look costs a cache miss, to take a few more: both are rare.
    #[cold]
    pub(super) fn steal_from_stalled(&self) -> Option<TaskIndex> {
        let watched = self.watched.get();
        let victim = self.mesh.made_seat(watched.index);
        let now = victim.and_then(|victim| victim.queue.taken_count_unless_empty());
        if watched.index != self.id.index() && now.is_some() && now == watched.taken_count {
            self.watched.set(Watched {
                taken_count: None,
                ..watched
            });
            return self.steal_from(watched.index);
        }
        let index = self.random_below(self.mesh.seats_end());
        let victim = self.mesh.made_seat(index);
        let taken_count = victim.and_then(|victim| victim.queue.taken_count_unless_empty());
        self.watched.set(Watched { index, taken_count });
        None
    }

    fn steal_from(&self, index: usize) -> Option<TaskIndex> {
        if index == self.id.index() {
            return None;
        }
        let victim = self.mesh.made_seat(index)?;
        let (task, more) = self.queue.steal(&victim.queue)?;
        self.seat.counts.count_stolen(1 + more);
        Some(task)
    }

    /// A number below `end`, which is not 0: xorshift, then a multiplication instead of a division.
    fn random_below(&self, end: usize) -> usize {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        ((u64::from(random) * end as u64) >> 32) as usize
    }
}
