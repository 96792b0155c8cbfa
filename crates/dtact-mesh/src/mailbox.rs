//! Owns the way from one worker to another: a small ring with one producer and one consumer.
//!
//! ```text
//!   sender --push--> [ 64 slots ] --pop--> receiver
//!              tail ^            ^ head
//! ```
//!
//! Invariants:
//!
//! - [mail.I1] `head <= tail <= head + CAPACITY` (counts wrap, differences do not).
//! - [mail.I2] Only the sending worker writes `tail` and the slots; only the receiver, or a raider
//!   in its place, `head`.
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | `tail` store, sender | Release | the receiver's `tail` load: the slot is written |
//! | `head` store, receiver | Release | the sender's `head` load: the slot is read |
//! | slots | Relaxed | ordered by the two counts |

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicU32, Ordering},
    task::{NIL, Tagged},
};

pub(crate) const CAPACITY: u32 = if cfg!(any(dtact_loom, dtact_shuttle)) {
    2
} else {
    64
};

#[derive(Debug)]
pub(crate) struct Mailbox {
    head: CachePadded<AtomicU32>,
    tail: CachePadded<AtomicU32>,
    slots: [AtomicU32; CAPACITY as usize],
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicU32::new(0)),
            tail: CachePadded::new(AtomicU32::new(0)),
            slots: core::array::from_fn(|_| AtomicU32::new(NIL)),
        }
    }

    #[inline]
    fn slot(&self, count: u32) -> &AtomicU32 {
        &self.slots[(count % CAPACITY) as usize]
    }

    /// Sender only. `Err` gives the task back if the mailbox is full.
    #[inline]
    pub(crate) fn push(&self, task: Tagged) -> Result<(), Tagged> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: the receiver has read what it passed, so its slot may be reused.
        if tail.wrapping_sub(self.head.load(Ordering::Acquire)) >= CAPACITY {
            return Err(task);
        }
        self.slot(tail).store(task.raw(), Ordering::Relaxed);
        // Release: the slot is written before the receiver sees the count.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Sender only: how many more it takes.
    pub(crate) fn room(&self) -> usize {
        // Acquire: as in `push`.
        let head = self.head.load(Ordering::Acquire);
        let used = self.tail.load(Ordering::Relaxed).wrapping_sub(head);
        CAPACITY.saturating_sub(used) as usize
    }

    /// Receiver only, which is who is inside the receiver's [guard](crate::guard).
    #[inline]
    pub(crate) fn pop(&self) -> Option<Tagged> {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: pairs with the sender's Release store of `tail`.
        if self.tail.load(Ordering::Acquire) == head {
            return None;
        }
        let task = self.slot(head).load(Ordering::Relaxed);
        // Release: we have read the slot before the sender sees it free.
        self.head.store(head.wrapping_add(1), Ordering::Release);
        Some(Tagged::from_slot(task))
    }
}

/// Pushes and pops so many tasks, one at a time, on one thread: what the benches time.
///
/// Gives the sum of the tasks, which depends on each.
#[doc(hidden)]
#[must_use]
pub fn exercise_mailbox(count: u32) -> u64 {
    let mailbox = Mailbox::new();
    let tasks = (0..count).filter_map(|raw| crate::task::TaskIndex::from_raw(raw % 1000));
    let tasks = tasks.filter_map(|task| {
        mailbox.push(Tagged::new(task)).ok()?;
        mailbox.pop()
    });
    tasks.map(|task| u64::from(task.raw())).sum()
}
