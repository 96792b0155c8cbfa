//! Owns the counters of a worker: written by it alone, read by anyone.

use crate::{
    sync::counter::{AtomicU64, Ordering},
    task::WorkerId,
};

/// What a worker has done since the mesh was made. Wraps at 2^64.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct WorkerStats {
    /// Whose counts these are.
    pub worker: WorkerId,
    /// Tasks that it was given to run.
    pub taken: u64,
    /// Tasks that it took out of other workers' rings.
    pub stolen: u64,
    /// Times that it went to sleep for want of work.
    pub parked: u64,
}

/// Plain counters: `core`'s atomics even in the models, which nothing is ordered by.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    taken: AtomicU64,
    stolen: AtomicU64,
    parked: AtomicU64,
}

impl Counts {
    #[inline]
    pub(crate) fn count_taken(&self) {
        add(&self.taken, 1);
    }

    pub(crate) fn count_stolen(&self, tasks: u64) {
        add(&self.stolen, tasks);
    }

    pub(crate) fn count_parked(&self) {
        add(&self.parked, 1);
    }

    pub(crate) fn read(&self, worker: WorkerId) -> WorkerStats {
        WorkerStats {
            worker,
            taken: self.taken.load(Ordering::Relaxed),
            stolen: self.stolen.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
        }
    }
}

/// One writer, so a load and a store do: no read-modify-write.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(amount),
        Ordering::Relaxed,
    );
}
