//! Owns the names of things scheduled and of those who run them, and the one word per task that
//! the linked queues thread their lists through.

use core::fmt;

use crate::sync::{AtomicU32, Ordering};

/// The end of a list: the one `u32` that is no task's index.
pub(crate) const NIL: u32 = u32::MAX;

/// The index of a task in whatever table its user keeps: any `u32` but the largest.
///
/// The mesh never looks behind an index. At any moment a task is in at most one queue; pushing one
/// that is already queued loses tasks or runs one twice.
///
/// ```
/// use dtact_mesh::TaskIndex;
///
/// assert_eq!(TaskIndex::from_raw(7).map(TaskIndex::raw), Some(7));
/// assert_eq!(TaskIndex::from_raw(u32::MAX), None);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct TaskIndex(u32);

impl TaskIndex {
    /// The task with this index; `None` for `u32::MAX`, which ends lists.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        if raw == NIL { None } else { Some(Self(raw)) }
    }

    /// The index as a number, less than `u32::MAX`.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u32 {
        self.0
    }
}

/// The place of a worker in its mesh: `0..workers_max`. Those from `workers` on are spares.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct WorkerId(u16);

impl WorkerId {
    /// The worker at this place. Whether a mesh has it is checked where the name is used.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The place as a number.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The place as an index into tables of workers.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What the mesh needs of its tasks: one link word each, used only while the task is in a linked
/// queue (shared, pinned or inbox).
///
/// The mesh owns the word from the call that queues the task until the call that returns it; its
/// content is free for other use in between. An implementation that returns one word for two tasks,
/// or a different word each time, loses tasks; it cannot break memory safety.
pub trait Links: Send + Sync + 'static {
    /// The link word of `task`.
    fn link(&self, task: TaskIndex) -> &AtomicU32;
}

/// Ready-made [`Links`]: one word for each index below a fixed capacity.
///
/// ```
/// use dtact_mesh::{ArrayLinks, Links, TaskIndex};
///
/// let links = ArrayLinks::new(2);
/// let task = TaskIndex::from_raw(1).expect("1 is an index");
/// let _word = links.link(task);
/// ```
#[derive(Debug)]
pub struct ArrayLinks(Box<[AtomicU32]>);

impl ArrayLinks {
    /// Words for the indices `0..capacity`.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self((0..capacity).map(|_| AtomicU32::new(NIL)).collect())
    }
}

impl Links for ArrayLinks {
    /// # Panics
    /// If the index is not below the capacity.
    #[inline]
    fn link(&self, task: TaskIndex) -> &AtomicU32 {
        &self.0[task.raw() as usize]
    }
}

/// The task after `task` in its list. Relaxed: the list's own edge orders what its links say.
#[inline]
pub(crate) fn next_of(links: &impl Links, task: TaskIndex) -> Option<TaskIndex> {
    TaskIndex::from_raw(links.link(task).load(Ordering::Relaxed))
}

/// Makes `next` (or the end) follow `task`. Relaxed, as in [`next_of`].
#[inline]
pub(crate) fn set_next(links: &impl Links, task: TaskIndex, next: Option<TaskIndex>) {
    links.link(task).store(raw_or_nil(next), Ordering::Relaxed);
}

/// The word that stands for an optional task.
#[inline]
pub(crate) fn raw_or_nil(task: Option<TaskIndex>) -> u32 {
    task.map_or(NIL, TaskIndex::raw)
}
