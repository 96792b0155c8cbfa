//! Owns the names of things scheduled and of those who run them, and the one word per task that
//! the linked queues thread their lists through.

use core::fmt;

use crate::{
    attributes::Attributes,
    sync::{AtomicU32, Ordering},
};

/// The end of a list, or no task: a `u32` that is no task's index.
pub(crate) const NIL: u32 = u32::MAX;

/// An index has so many bits; the others of a queue's slot are its [`Tagged`] word's.
const INDEX_BITS: u32 = 28;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// The index of a task in whatever table its user keeps: 0 to 2^28 - 2.
///
/// The mesh never looks behind an index. At any moment a task is in at most one queue; pushing one
/// that is already queued loses tasks or runs one twice.
///
/// ```
/// use dtact_mesh::TaskIndex;
///
/// assert_eq!(TaskIndex::from_raw(7).map(TaskIndex::raw), Some(7));
/// assert_eq!(TaskIndex::from_raw((1 << 28) - 1), None);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct TaskIndex(u32);

impl TaskIndex {
    /// Some task, where one must stand that nobody looks at.
    pub(crate) const FIRST: Self = Self(0);

    /// The task with this index; `None` if it is larger than an index may be.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        if raw < INDEX_MASK {
            Some(Self(raw))
        } else {
            None
        }
    }

    /// The index as a number, less than 2^28 - 1.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u32 {
        self.0
    }
}

/// How often a task can be passed on at most: larger tags mean something else.
pub(crate) const HOPS_LIMIT: u8 = 13;
/// It came out of the warehouse: it is not passed on again.
const SETTLED: u32 = 14;
/// In a mailbox: for its receiver alone.
const PINNED: u32 = 15;

/// A task as the slots of rings and mailboxes hold it: the index, and in the bits that an index
/// does not use how often the task was passed on.
///
/// ```text
///   31  28 27                         0
///   | tag |            index          |     tag: 0..=13 hops, 14 settled, 15 pinned
/// ```
///
/// So a hop costs a task no memory of its own, and running it costs one mask. The linked queues
/// hold no tags: what leaves the shared ones is settled, but for the injector's, which is new.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct Tagged(u32);

impl Tagged {
    /// A task that was never passed on.
    #[inline]
    pub(crate) const fn new(task: TaskIndex) -> Self {
        Self(task.0)
    }

    pub(crate) const fn settled(task: TaskIndex) -> Self {
        Self(task.0 | SETTLED << INDEX_BITS)
    }

    pub(crate) const fn pinned(task: TaskIndex) -> Self {
        Self(task.0 | PINNED << INDEX_BITS)
    }

    /// From a slot that was written with [`raw`](Self::raw).
    #[inline]
    pub(crate) const fn from_slot(raw: u32) -> Self {
        Self(raw)
    }

    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) const fn task(self) -> TaskIndex {
        TaskIndex(self.0 & INDEX_MASK)
    }

    pub(crate) const fn is_pinned(self) -> bool {
        self.0 >> INDEX_BITS == PINNED
    }

    /// The same with one hop more; `None` if it has had `hops_max` or is settled.
    pub(crate) fn passed_on(self, hops_max: u8) -> Option<Self> {
        let hops = self.0 >> INDEX_BITS;
        (hops < u32::from(hops_max)).then(|| Self(self.0 + (1 << INDEX_BITS)))
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
/// queue (shared, pinned or inbox), and what they ask of the scheduler, if they do.
///
/// The mesh owns the word from the call that queues the task until the call that returns it; its
/// content is free for other use in between. An implementation that returns one word for two tasks,
/// or a different word each time, loses tasks; it cannot break memory safety.
pub trait Links: Send + Sync + 'static {
    /// Whether any task asks for anything: if not, the code that looks for it is not compiled.
    const HAS_ATTRIBUTES: bool = false;

    /// The link word of `task`.
    fn link(&self, task: TaskIndex) -> &AtomicU32;

    /// What `task` asks of the scheduler. Must not change while the task is queued. Also called,
    /// by any thread, for tasks that have just left a queue: any answer does then, but there must
    /// be one for each index that was ever queued.
    #[inline]
    fn attributes(&self, task: TaskIndex) -> Attributes {
        let _ = task;
        Attributes::new()
    }
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
