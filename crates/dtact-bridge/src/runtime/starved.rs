//! Closure fibers that wait for a stack to begin on.
//!
//! # The race
//!
//! Worker A finds the pool of stacks empty and adds a fiber here; worker B gives a stack back and
//! finds nobody here. Nobody would ever look again. So A adds first and then looks at the pool once
//! more, B gives back first and then looks here. Between the two each passes a sequentially
//! consistent fence, so at least one of them sees what the other did:
//!
//! ```text
//!        worker A: no stack              worker B: has one too many
//!        ------------------              --------------------------
//!        add()                           give it back to the pool
//!          list, count, fence            next_after_give_back()
//!        try the pool again                fence, count, list
//! ```
//!
//! A worker that is about to sleep gives all of its idle stacks back, as B does: so none of them
//! is hidden from A.

use std::collections::VecDeque;

use dtact_mesh::TaskIndex;

use crate::sync::{AtomicU32, Mutex, Ordering, fence};

/// The queue of those fibers. All of them are OWNED by it.
#[derive(Debug)]
pub(crate) struct Starved {
    list: Mutex<VecDeque<TaskIndex>>,
    /// Its length, to be read without the lock.
    count: AtomicU32,
}

impl Starved {
    pub(crate) fn new() -> Self {
        Self {
            list: Mutex::new(VecDeque::new()),
            count: AtomicU32::new(0),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Adds a fiber. The caller must try the pool again afterwards, and [`pop`](Self::pop) if it
    /// gets a stack.
    pub(crate) fn add(&self, task: TaskIndex) {
        let mut list = crate::sync::lock(&self.list);
        list.push_back(task);
        // Relaxed: what orders it is the fence.
        self.count.fetch_add(1, Ordering::Relaxed);
        drop(list);
        // Pairs with the fence in `next_after_give_back`.
        fence(Ordering::SeqCst);
    }

    /// The one that has waited longest. For whoever has a stack for it.
    pub(crate) fn pop(&self) -> Option<TaskIndex> {
        let mut list = crate::sync::lock(&self.list);
        let task = list.pop_front()?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        drop(list);
        Some(task)
    }

    /// Whether somebody waits who has not seen what the caller just gave back to the pool.
    pub(crate) fn is_waiting_after_give_back(&self) -> bool {
        // Pairs with the fence in `add`.
        fence(Ordering::SeqCst);
        self.count() != 0
    }
}
