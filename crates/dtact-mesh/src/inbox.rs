//! Owns the way to one worker from anywhere: a list that anyone pushes to and the worker takes
//! whole.
//!
//! ```text
//!   push:      head -> newest -> ... -> oldest -> NIL
//!   take all:  head -> NIL;  the list, turned round, is appended to the pinned tasks
//! ```
//!
//! A push is a CAS of `head`. Its only hazard would be a `head` that was taken and came back, and
//! there is none: the link that the push wrote names the `head` it replaces, whatever that task did
//! in the meantime. Order: the CAS is Release and every later CAS continues its release sequence,
//! so the taker's Acquire swap sees the links of all pushers.

use crate::{
    pinned::Pinned,
    sync::{AtomicU32, Ordering},
    task::{Links, NIL, TaskIndex, next_of, raw_or_nil, set_next},
};

#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicU32,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicU32::new(NIL),
        }
    }

    /// One relaxed load: a hint, unless a fence came first.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == NIL
    }

    /// From any thread.
    pub(crate) fn push(&self, links: &impl Links, task: TaskIndex) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            set_next(links, task, TaskIndex::from_raw(head));
            // Release: the link above, for the taker. Nothing is read through `head`: Relaxed.
            let swap = self.head.compare_exchange_weak(
                head,
                task.raw(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return,
                Err(newer) => head = newer,
            }
        }
    }

    /// Owner only: moves everything, oldest first, to the end of `pinned`.
    pub(crate) fn take_all(&self, links: &impl Links, pinned: &Pinned) {
        // Acquire: pairs with the Release CAS of every pusher.
        let newest = TaskIndex::from_raw(self.head.swap(NIL, Ordering::Acquire));
        let Some(newest) = newest else { return };
        let mut older = next_of(links, newest);
        let mut oldest = newest;
        set_next(links, newest, None);
        while let Some(task) = older {
            older = next_of(links, task);
            links
                .link(task)
                .store(raw_or_nil(Some(oldest)), Ordering::Relaxed);
            oldest = task;
        }
        pinned.append(links, oldest, newest);
    }
}
