//! Owns what a worker keeps to itself for speed: the slot, with the task that it has just woken,
//! and the chunk, tasks that it has taken out of its ring at once. A raider gets at both, as at the
//! mailboxes, when the worker stands still.
//!
//! All is atomic and Relaxed, ordered by the [guard](crate::guard): [guard.I1].

#![expect(clippy::cast_possible_truncation, reason = "at most 15 tasks")]

use crossbeam_utils::CachePadded;

use crate::{
    guard::Guard,
    sync::{AtomicU32, Ordering},
    task::{NIL, Tagged, TaskIndex},
};

/// The most that the owner takes out of its ring at once: one to run, the others into the chunk.
pub(crate) const CHUNK_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct Private {
    pub(crate) guard: Guard,
    inner: CachePadded<Inner>,
}

#[derive(Debug)]
struct Inner {
    slot: AtomicU32,
    chunk: Chunk,
}

/// Tasks in the order in which they were in the ring. All but the questions is for who is inside.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// They are those from `at` to `end`.
    at: AtomicU32,
    end: AtomicU32,
    /// One more than there can be, so that a mask is enough to stay within.
    tasks: [AtomicU32; CHUNK_MAX],
}

impl Chunk {
    fn new() -> Self {
        Self {
            at: AtomicU32::new(0),
            end: AtomicU32::new(0),
            tasks: core::array::from_fn(|_| AtomicU32::new(NIL)),
        }
    }

    /// Whether it is empty. Only the owner fills it, so for it a yes is exact.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at.load(Ordering::Relaxed) == self.end.load(Ordering::Relaxed)
    }

    /// Writes a task to a place beyond the end, of an empty chunk.
    #[inline]
    pub(crate) fn put(&self, at: u64, task: u32) {
        self.tasks[at as usize % CHUNK_MAX].store(task, Ordering::Relaxed);
    }

    /// Makes so many tasks that were put the chunk.
    #[inline]
    pub(crate) fn set_length(&self, length: u64) {
        self.at.store(0, Ordering::Relaxed);
        self.end.store(length as u32, Ordering::Relaxed);
    }

    /// Copies what is in it, in its order, and says how many that are.
    pub(crate) fn copy_to(&self, into: &mut [u32]) -> usize {
        let (at, end) = (
            self.at.load(Ordering::Relaxed),
            self.end.load(Ordering::Relaxed),
        );
        for (at, copy) in (at..end).zip(into) {
            *copy = self.tasks[at as usize % CHUNK_MAX].load(Ordering::Relaxed);
        }
        (end - at) as usize
    }

    /// Makes these tasks the chunk: at most [`CHUNK_MAX`] less one.
    pub(crate) fn fill(&self, tasks: &[u32]) {
        debug_assert!(tasks.len() < CHUNK_MAX, "one place stays free");
        for (at, &task) in (0..).zip(tasks) {
            self.put(at, task);
        }
        self.set_length(tasks.len() as u64);
    }

    /// Puts a task behind the others. False if there is no place.
    fn append(&self, task: Tagged) -> bool {
        let (at, end) = (
            self.at.load(Ordering::Relaxed),
            self.end.load(Ordering::Relaxed),
        );
        let has_place = ((end - at) as usize) < CHUNK_MAX - 1;
        if has_place {
            self.put(u64::from(end), task.raw());
            self.end.store(end + 1, Ordering::Relaxed);
        }
        has_place
    }

    /// The first of them.
    #[inline]
    pub(crate) fn front(&self) -> Option<TaskIndex> {
        let at = self.at.load(Ordering::Relaxed);
        (at != self.end.load(Ordering::Relaxed)).then(|| {
            let task = &self.tasks[at as usize % CHUNK_MAX];
            Tagged::from_slot(task.load(Ordering::Relaxed)).task()
        })
    }

    #[inline]
    pub(crate) fn pull(&self) -> Option<Tagged> {
        let at = self.at.load(Ordering::Relaxed);
        if at == self.end.load(Ordering::Relaxed) {
            return None;
        }
        self.at.store(at + 1, Ordering::Relaxed);
        let task = &self.tasks[at as usize % CHUNK_MAX];
        Some(Tagged::from_slot(task.load(Ordering::Relaxed)))
    }
}

impl Private {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            guard,
            inner: CachePadded::new(Inner {
                slot: AtomicU32::new(NIL),
                chunk: Chunk::new(),
            }),
        }
    }

    /// Whether the slot is empty. Only the owner fills it, so for it a yes is exact.
    #[inline]
    pub(crate) fn is_slot_empty(&self) -> bool {
        self.inner.slot.load(Ordering::Relaxed) == NIL
    }

    #[inline]
    pub(crate) fn chunk(&self) -> &Chunk {
        &self.inner.chunk
    }

    /// Owner only: puts a task into the slot, and gives the one that was there.
    #[inline]
    pub(crate) fn replace_slot(&self, task: TaskIndex) -> Option<TaskIndex> {
        let _inside = self.guard.enter();
        let before = self.inner.slot.load(Ordering::Relaxed);
        self.inner.slot.store(task.raw(), Ordering::Relaxed);
        TaskIndex::from_raw(before)
    }

    /// Owner only.
    #[inline]
    pub(crate) fn take_slot(&self) -> Option<TaskIndex> {
        if self.is_slot_empty() {
            return None;
        }
        let _inside = self.guard.enter();
        self.pull_slot()
    }

    /// Owner only.
    pub(crate) fn pop_chunk(&self) -> Option<Tagged> {
        let _inside = self.guard.enter();
        self.chunk().pull()
    }

    /// Owner only: puts a task behind those of the chunk. False if there is no place.
    pub(crate) fn append(&self, task: Tagged) -> bool {
        let _inside = self.guard.enter();
        self.chunk().append(task)
    }

    /// For who is inside: the owner, or a raider.
    #[inline]
    pub(crate) fn pull_slot(&self) -> Option<TaskIndex> {
        let task = self.inner.slot.load(Ordering::Relaxed);
        self.inner.slot.store(NIL, Ordering::Relaxed);
        TaskIndex::from_raw(task)
    }

    /// For who is inside: what is in the slot.
    pub(crate) fn peek_slot(&self) -> Option<TaskIndex> {
        TaskIndex::from_raw(self.inner.slot.load(Ordering::Relaxed))
    }
}
