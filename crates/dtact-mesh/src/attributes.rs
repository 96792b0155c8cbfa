//! Owns what a task may ask of the scheduler: how urgent it is, how far it may move, what it does.

use crate::task::WorkerId;

/// How urgent a task is. A higher one runs first; a lower one waits a bounded number of dispatches
/// (`docs/scheduling.md` has the formula).
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Default)]
pub enum Priority {
    /// After all others.
    Low = 0,
    /// Everything that asks for nothing.
    #[default]
    Normal = 1,
    /// Before these.
    High = 2,
    /// Before everything else.
    Critical = 3,
}

/// How far a task may move from the worker that it belongs to (its [home](Attributes::home), or
/// the worker that queues it). What is near is in [`Domains`](crate::Domains).
///
/// A worker whose thread blocks lets its tasks go anywhere, rather than have them wait for it.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub enum Affinity {
    /// Anywhere.
    #[default]
    Any = 0,
    /// To workers of the same memory node.
    SameNUMA = 1,
    /// To workers that share the last level of cache.
    SameCCX = 2,
    /// To workers on the same core.
    SameCore = 3,
}

/// What a task mostly does. Steers how long a worker that has run such a task looks for more before
/// it sleeps, and whether tasks of this kind are passed on when a worker has too many.
///
/// | kind | search before sleep | deflected |
/// |---|---|---|
/// | `Compute` | usual | yes |
/// | `IO` | twice as long | last, when there are twice as many |
/// | `Memory` | usual | within the memory node |
/// | `System` | none | never |
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub enum Kind {
    /// It computes.
    #[default]
    Compute = 0,
    /// It runs for a moment and waits for messages or devices again.
    IO = 1,
    /// It works on memory of its own.
    Memory = 2,
    /// It does a service now and then, and nobody waits for it.
    System = 3,
}

/// What one task asks of the scheduler, in one word. All zero is the default.
///
/// ```
/// use dtact_mesh::{Affinity, Attributes, Kind, Priority, WorkerId};
///
/// let urgent = Attributes::new()
///     .with_priority(Priority::High)
///     .with_affinity(Affinity::SameCCX)
///     .with_kind(Kind::IO)
///     .with_home(Some(WorkerId::from_raw(3)));
/// assert_eq!(urgent.priority(), Priority::High);
/// assert_eq!(Attributes::from_bits(urgent.to_bits()), urgent);
/// assert_eq!(Attributes::new().to_bits(), 0);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub struct Attributes(u32);

/// ```text
///   31        16 15    7 6      5  4 3      2 1      0
///   | home + 1  |   0   |shared|kind|affinity|priority| ^ Normal
/// ```
const AFFINITY_AT: u32 = 2;
const KIND_AT: u32 = 4;
const HOME_AT: u32 = 16;
const FIELD: u32 = 0b11;
const SHARED: u32 = 1 << 6;
const USED: u32 = 0xFFFF_007F;

impl Attributes {
    /// Normal priority, any worker, compute, no home.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// The word that was made by [`to_bits`](Self::to_bits). Bits without a meaning are dropped.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & USED)
    }

    /// As a word, 0 for the default.
    #[must_use]
    #[inline]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The same with another priority.
    #[must_use]
    pub const fn with_priority(self, priority: Priority) -> Self {
        self.with(0, priority as u32 ^ Priority::Normal as u32)
    }

    /// The same with another affinity.
    #[must_use]
    pub const fn with_affinity(self, affinity: Affinity) -> Self {
        self.with(AFFINITY_AT, affinity as u32)
    }

    /// The same with another kind.
    #[must_use]
    pub const fn with_kind(self, kind: Kind) -> Self {
        self.with(KIND_AT, kind as u32)
    }

    /// The same with another home: the worker from which the affinity is measured. Without one it
    /// is the worker that queues the task. Matters only to tasks that may not go anywhere.
    #[must_use]
    pub const fn with_home(self, home: Option<WorkerId>) -> Self {
        let home = match home {
            Some(home) => home.raw() as u32 + 1,
            None => 0,
        };
        // The largest id stands for none: no mesh has as many workers.
        Self((self.0 & 0xFFFF) | (home & 0xFFFF) << HOME_AT)
    }

    /// The same, but whether it waits in the queue that all workers share, whenever it is queued:
    /// as each task does with [`Mode::Global`](crate::Mode::Global). An affinity then does not
    /// count.
    #[must_use]
    pub const fn with_shared_queue(self, shared: bool) -> Self {
        Self((self.0 & !SHARED) | if shared { SHARED } else { 0 })
    }

    /// Whether it waits in the queue that all workers share.
    #[must_use]
    #[inline]
    pub const fn is_in_shared_queue(self) -> bool {
        self.0 & SHARED != 0
    }

    /// Whether it asks for no ring but the usual one.
    #[inline]
    pub(crate) const fn is_usual(self) -> bool {
        self.0 & !(FIELD << KIND_AT) == 0
    }

    const fn with(self, at: u32, value: u32) -> Self {
        Self((self.0 & !(FIELD << at)) | value << at)
    }

    /// How urgent it is.
    #[must_use]
    #[inline]
    pub const fn priority(self) -> Priority {
        match (self.0 & FIELD) ^ Priority::Normal as u32 {
            0 => Priority::Low,
            1 => Priority::Normal,
            2 => Priority::High,
            _ => Priority::Critical,
        }
    }

    /// How far it may move.
    #[must_use]
    #[inline]
    pub const fn affinity(self) -> Affinity {
        match self.0 >> AFFINITY_AT & FIELD {
            0 => Affinity::Any,
            1 => Affinity::SameNUMA,
            2 => Affinity::SameCCX,
            _ => Affinity::SameCore,
        }
    }

    /// What it mostly does.
    #[must_use]
    #[inline]
    pub const fn kind(self) -> Kind {
        match self.0 >> KIND_AT & FIELD {
            0 => Kind::Compute,
            1 => Kind::IO,
            2 => Kind::Memory,
            _ => Kind::System,
        }
    }

    /// The worker from which the affinity is measured, if one was named.
    #[must_use]
    #[inline]
    pub const fn home(self) -> Option<WorkerId> {
        match (self.0 >> HOME_AT) as u16 {
            0 => None,
            home => Some(WorkerId::from_raw(home - 1)),
        }
    }
}
