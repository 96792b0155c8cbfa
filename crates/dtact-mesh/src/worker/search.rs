//! Owns what a worker does when it has nothing of its own: shared queues, then theft.
//!
//! At most half of the running workers search at a time; the others have nothing to add but
//! traffic. Producers wake nobody while somebody searches, so whoever stops as the last one looks
//! whether more was published meanwhile, and wakes another (*stop* in `park/README.md`).

use super::Worker;
use crate::{
    run_queue::BATCH_MAX,
    sync::spin_loop,
    task::{Links, TaskIndex},
};

/// The most rounds of one search. Round r is preceded by 2^r pauses of some 10 to 50 ns: all
/// together stay below a few microseconds, the price of the sleep and wake-up that they may save.
const PATIENCE_MAX: u32 = if cfg!(dtact_loom) { 1 } else { 6 };

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
            .find_map(|index| self.steal_from(index, BATCH_MAX))
    }

    /// One task of somebody else's ring, for a worker that has tasks of its own. Whoever always has
    /// some never searches, and what is queued behind a long task elsewhere would wait for that.
    #[cold]
    pub(super) fn steal_one(&self) -> Option<TaskIndex> {
        self.steal_from(self.random_below(self.mesh.seats_end()), 1)
    }

    fn steal_from(&self, index: usize, most: usize) -> Option<TaskIndex> {
        if index == self.id.index() {
            return None;
        }
        let victim = self.mesh.made_seat(index)?;
        let (task, more) = self.queue.steal(&victim.queue, most)?;
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
