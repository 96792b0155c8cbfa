//! Owns the counters of a worker: written by it alone, read by anyone.

use crate::{
    sync::counter::{AtomicU32, AtomicU64, Ordering},
    task::{NIL, TaskIndex, WorkerId},
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
    /// Tasks that it took from workers that stood still, which nobody else saw.
    pub raided: u64,
    /// Tasks that it passed on to others, each counted at each hop.
    pub deflected: u64,
    /// Tasks that it put into the warehouse.
    pub stored: u64,
    /// Queues of other workers that it looked into, to find tasks or to see that there are none,
    /// and reads of the line that says for 64 workers which of them may hold any.
    pub probed: u64,
    /// Times that it went to sleep for want of work.
    pub parked: u64,
}

/// Plain counters: `core`'s atomics even in the models, which nothing is ordered by.
#[derive(Debug)]
pub(crate) struct Counts {
    taken: AtomicU64,
    stolen: AtomicU64,
    raided: AtomicU64,
    deflected: AtomicU64,
    stored: AtomicU64,
    probed: AtomicU64,
    parked: AtomicU64,
    /// The task that it was given last and is not done with, or [`NIL`].
    running: AtomicU32,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            taken: AtomicU64::new(0),
            stolen: AtomicU64::new(0),
            raided: AtomicU64::new(0),
            deflected: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            probed: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            running: AtomicU32::new(NIL),
        }
    }

    /// One more was taken, and is run from now on.
    #[inline]
    pub(crate) fn begin(&self, task: TaskIndex) {
        add(&self.taken, 1);
        self.running.store(task.raw(), Ordering::Relaxed);
    }

    /// Nothing is run from now on, or the task again that was.
    pub(crate) fn set_running(&self, task: Option<TaskIndex>) {
        self.running
            .store(task.map_or(NIL, TaskIndex::raw), Ordering::Relaxed);
    }

    /// What is run, and how many were taken up to it.
    pub(crate) fn running(&self) -> Option<(TaskIndex, u64)> {
        let taken = self.taken.load(Ordering::Relaxed);
        let task = TaskIndex::from_raw(self.running.load(Ordering::Relaxed))?;
        Some((task, taken))
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn count_raided(&self, tasks: u64) {
        add(&self.raided, tasks);
    }

    pub(crate) fn count_deflected(&self, tasks: u64) {
        add(&self.deflected, tasks);
    }

    pub(crate) fn count_stored(&self, tasks: u64) {
        add(&self.stored, tasks);
    }

    pub(crate) fn count_stolen(&self, tasks: u64) {
        add(&self.stolen, tasks);
    }

    pub(crate) fn count_probed(&self, queues: u64) {
        add(&self.probed, queues);
    }

    pub(crate) fn count_parked(&self) {
        add(&self.parked, 1);
    }

    pub(crate) fn read(&self, worker: WorkerId) -> WorkerStats {
        WorkerStats {
            worker,
            taken: self.taken.load(Ordering::Relaxed),
            stolen: self.stolen.load(Ordering::Relaxed),
            raided: self.raided.load(Ordering::Relaxed),
            deflected: self.deflected.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            probed: self.probed.load(Ordering::Relaxed),
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
