//! Owns a first-in first-out queue that every worker may take from.
//!
//! A list through the link words under a short mutex: no call allocates, and a chain of any length
//! is added in constant time. Beside the lock are the length and a bit of the word that says which
//! queues hold anything; both are written under the lock, after the list.
//!
//! - [shared.I1] Outside of the lock's critical sections, length, bit and list agree.

#![expect(
    clippy::significant_drop_tightening,
    reason = "what is beside the lock is written under it"
)]

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering},
    task::{Links, TaskIndex, next_of, set_next},
};

#[derive(Debug)]
pub(crate) struct SharedQueue(CachePadded<Inner>);

#[derive(Debug)]
struct Inner {
    /// Written under the lock; read by anyone. Relaxed: a hint.
    length: AtomicUsize,
    /// First and last; both or neither.
    ends: Mutex<Option<(TaskIndex, TaskIndex)>>,
}

impl SharedQueue {
    pub(crate) fn new() -> Self {
        Self(CachePadded::new(Inner {
            length: AtomicUsize::new(0),
            ends: Mutex::new(None),
        }))
    }

    /// How many tasks are queued.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.length.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, links: &impl Links, ready: &AtomicU64, bit: u64, task: TaskIndex) {
        set_next(links, task, None);
        self.push_chain(links, ready, bit, (task, task, 1));
    }

    /// Appends a list of `count` tasks, already linked from `first` to `last`, its end marked.
    pub(crate) fn push_chain(
        &self,
        links: &impl Links,
        ready: &AtomicU64,
        bit: u64,
        (first, last, count): (TaskIndex, TaskIndex, usize),
    ) {
        let mut ends = self.0.ends.lock();
        let front = match *ends {
            None => first,
            Some((front, back)) => {
                set_next(links, back, Some(first));
                front
            }
        };
        let was_empty = ends.is_none();
        *ends = Some((front, last));
        let length = &self.0.length;
        length.store(length.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        if was_empty {
            // Relaxed, as the length: whoever must see it passes a fence, as we do after this.
            ready.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Takes up to `wanted` tasks, oldest first: gives the first, and how many there are, linked
    /// one to the next; the last one's link means nothing.
    pub(crate) fn take(
        &self,
        links: &impl Links,
        ready: &AtomicU64,
        bit: u64,
        wanted: usize,
    ) -> Option<(TaskIndex, usize)> {
        let mut ends = self.0.ends.lock();
        let (first, back) = (*ends)?;
        let mut taken = 1;
        let mut next = next_of(links, first);
        while taken < wanted {
            let Some(task) = next else { break };
            next = next_of(links, task);
            taken += 1;
        }
        *ends = next.map(|front| (front, back));
        let length = &self.0.length;
        length.store(length.load(Ordering::Relaxed) - taken, Ordering::Relaxed);
        if next.is_none() {
            ready.fetch_and(!bit, Ordering::Relaxed);
        }
        Some((first, taken))
    }
}
