//! Owns a first-in first-out queue that every worker may take from.
//!
//! A [list through the link words](crate::striped) under a short mutex: no call allocates, and a
//! list of any length is added in constant time. Beside the lock are the length and a bit of the
//! word that says which queues hold anything; both are written under the lock, after the list.
//!
//! - [shared.I1] Outside of the lock's critical sections, length, bit and list agree.

#![expect(
    clippy::significant_drop_tightening,
    reason = "what is beside the lock is written under it"
)]

use crossbeam_utils::CachePadded;

use crate::{
    striped::Striped,
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering},
    task::{Links, TaskIndex},
};

#[derive(Debug)]
pub(crate) struct SharedQueue(CachePadded<Inner>);

#[derive(Debug)]
struct Inner {
    /// Written under the lock; read by anyone. Relaxed: a hint.
    length: AtomicUsize,
    tasks: Mutex<Striped>,
}

impl SharedQueue {
    pub(crate) fn new() -> Self {
        Self(CachePadded::new(Inner {
            length: AtomicUsize::new(0),
            tasks: Mutex::new(Striped::new()),
        }))
    }

    /// How many tasks are queued.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.length.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, links: &impl Links, ready: &AtomicU64, bit: u64, task: TaskIndex) {
        self.add(ready, bit, |tasks| tasks.push(links, task));
    }

    /// Appends a list of tasks.
    pub(crate) fn append(&self, links: &impl Links, ready: &AtomicU64, bit: u64, list: &Striped) {
        if list.len() > 0 {
            self.add(ready, bit, |tasks| tasks.append(links, list));
        }
    }

    #[inline]
    fn add(&self, ready: &AtomicU64, bit: u64, add: impl FnOnce(&mut Striped)) {
        let mut tasks = self.0.tasks.lock();
        let was_empty = tasks.len() == 0;
        add(&mut tasks);
        self.0.length.store(tasks.len(), Ordering::Relaxed);
        if was_empty {
            // Relaxed, as the length: whoever must see it passes a fence, as we do after this.
            ready.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Takes the oldest tasks, as many as there is room for, and says how many.
    pub(crate) fn take(
        &self,
        links: &impl Links,
        ready: &AtomicU64,
        bit: u64,
        into: &mut [TaskIndex],
    ) -> usize {
        let mut tasks = self.0.tasks.lock();
        let taken = tasks.take(links, into);
        self.0.length.store(tasks.len(), Ordering::Relaxed);
        if taken > 0 && tasks.len() == 0 {
            ready.fetch_and(!bit, Ordering::Relaxed);
        }
        taken
    }
}
