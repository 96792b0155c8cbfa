//! Owns a first-in first-out queue that every worker may take from: the injector, for threads
//! outside the mesh, and the warehouse, for what does not fit into a ring.
//!
//! A list through the link words under a short mutex: no call allocates, and a chain of any length
//! is added in constant time. The length is an atomic beside the lock, so that looking costs one
//! load. It is written under the lock, after the list.
//!
//! - [shared.I1] Outside of the lock's critical sections, length and list agree.

#![expect(
    clippy::significant_drop_tightening,
    reason = "the count beside the lock is written under it"
)]

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicUsize, Mutex, Ordering},
    task::{Links, TaskIndex, next_of, set_next},
};

#[derive(Debug)]
pub(crate) struct SharedQueue {
    /// Written under the lock; read by anyone. Relaxed: a hint, unless a fence came first.
    length: CachePadded<AtomicUsize>,
    /// First and last; both or neither.
    ends: Mutex<Option<(TaskIndex, TaskIndex)>>,
}

impl SharedQueue {
    pub(crate) fn new() -> Self {
        Self {
            length: CachePadded::new(AtomicUsize::new(0)),
            ends: Mutex::new(None),
        }
    }

    /// How many tasks are queued.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&self, links: &impl Links, task: TaskIndex) {
        set_next(links, task, None);
        self.push_chain(links, task, task, 1);
    }

    /// Appends a list of `count` tasks, already linked from `first` to `last`, its end marked.
    pub(crate) fn push_chain(
        &self,
        links: &impl Links,
        first: TaskIndex,
        last: TaskIndex,
        count: usize,
    ) {
        let mut ends = self.ends.lock();
        let front = match *ends {
            None => first,
            Some((front, back)) => {
                set_next(links, back, Some(first));
                front
            }
        };
        *ends = Some((front, last));
        self.length.store(
            self.length.load(Ordering::Relaxed) + count,
            Ordering::Relaxed,
        );
    }

    /// Takes up to `wanted` tasks, oldest first; gives the first, hands the others to `rest`.
    pub(crate) fn take(
        &self,
        links: &impl Links,
        wanted: usize,
        mut rest: impl FnMut(TaskIndex),
    ) -> Option<TaskIndex> {
        if self.is_empty() {
            return None;
        }
        let mut ends = self.ends.lock();
        let (first, back) = (*ends)?;
        let mut taken = 1;
        let mut next = next_of(links, first);
        while taken < wanted {
            let Some(task) = next else { break };
            next = next_of(links, task);
            rest(task);
            taken += 1;
        }
        *ends = next.map(|front| (front, back));
        self.length.store(
            self.length.load(Ordering::Relaxed) - taken,
            Ordering::Relaxed,
        );
        Some(first)
    }
}
