//! The regions of stacks that are alive, as a signal handler can read them.
//!
//! ```text
//!   static block ──next──▶ block ──next──▶ …        never freed, and made only where all is full
//!   ┌──────┬──────┬───┐    ┌──────┬───┐
//!   │ slot │ slot │ … │    │ slot │ … │            version, and four words by value
//!   └──────┴──────┴───┘    └──────┴───┘
//! ```
//!
//! The handler may interrupt anything, so it takes no lock and follows no pointer into memory that
//! can be freed: a slot holds numbers, and a block stays for ever. Writers take turns by a lock,
//! which the handler does not look at.
//!
//! # Invariants
//!
//! - [overflow.I1] Words that a reader uses were all written by one registration: the version was
//!   even before it read them, and the same afterwards.
//! - [overflow.I2] The slot of a region is stable while anybody can be on one of its stacks: it is
//!   filled before the first is handed out, and emptied when the pool is dropped. So a reader that
//!   skips a slot which changes under its eyes misses nothing that it looks for.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | version, first load of a reader | `Acquire` | version, last store of a writer | words could be older than the version |
//! | fence after the words are read | `Acquire` | fence before the words are written | words could be newer than the version, and the second load not notice |
//! | next, load | `Acquire` | next, store | the block's slots could be read before they are made |

#[cfg(not(dtact_loom))]
use core::ptr;
use std::sync::PoisonError;

use crate::layout::StackLayout;
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Mutex, Ordering, fence};

/// The slots of a block: ten size classes of six pools.
#[cfg(not(dtact_loom))]
pub(crate) const BLOCK_SLOTS: usize = 64;

/// What there is to know of a region.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct RegionRecord {
    /// The address of its lowest byte.
    pub(crate) bottom: usize,
    /// Its bytes; not 0.
    pub(crate) bytes: usize,
    /// How stacks lie in it.
    pub(crate) layout: StackLayout,
}

/// A stack whose guard was hit: its places, as addresses.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct GuardHit {
    /// The lowest byte of the guard.
    pub(crate) guard: usize,
    /// The lowest byte of the stack.
    pub(crate) bottom: usize,
    /// One past the highest byte of the stack.
    pub(crate) top: usize,
}

impl RegionRecord {
    /// The stack in whose guard an address lies.
    fn guard_at(&self, address: usize) -> Option<GuardHit> {
        let offset = address
            .checked_sub(self.bottom)
            .filter(|&offset| offset < self.bytes)?;
        let span = self.layout.guard_around(offset)?;
        // The guard above the last stack is below none.
        (span.top <= self.bytes).then(|| GuardHit {
            guard: self.bottom + span.guard,
            bottom: self.bottom + span.bottom,
            top: self.bottom + span.top,
        })
    }
}

/// One place for a record; empty while `bytes` is 0.
#[derive(Debug)]
struct Slot {
    /// Odd while the words are written.
    version: AtomicU32,
    bottom: AtomicUsize,
    bytes: AtomicUsize,
    layout: [AtomicUsize; 2],
}

impl Slot {
    #[cfg(not(dtact_loom))]
    const fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            bottom: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            layout: [AtomicUsize::new(0), AtomicUsize::new(0)],
        }
    }

    /// The model checker's atomics are not made at compile time.
    #[cfg(dtact_loom)]
    fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            bottom: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            layout: [AtomicUsize::new(0), AtomicUsize::new(0)],
        }
    }

    /// The record, unless the slot is empty or changes while it is read [overflow.I1].
    fn read(&self) -> Option<RegionRecord> {
        // Acquire: pairs with the last store of `write`.
        let version = self.version.load(Ordering::Acquire);
        let record = self.words();
        // Acquire: pairs with the fence in `write`, through any word that it wrote.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        let is_stable =
            version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        record.filter(|_| is_stable)
    }

    fn places(&self) -> [&AtomicUsize; 4] {
        let [stride, guard] = &self.layout;
        [&self.bottom, &self.bytes, stride, guard]
    }

    /// The words, whoever wrote them.
    fn words(&self) -> Option<RegionRecord> {
        // Relaxed: `read` orders them by the version.
        let words = self.places().map(|word| word.load(Ordering::Relaxed));
        let [bottom, bytes, stride, guard] = words;
        let layout = StackLayout::from_words([stride, guard])?;
        (bytes != 0).then_some(RegionRecord {
            bottom,
            bytes,
            layout,
        })
    }

    /// Writes the words; `None` empties the slot. The caller holds the lock of the writers.
    fn write(&self, record: Option<RegionRecord>) {
        // Relaxed: writers are ordered by their lock.
        let version = self.version.load(Ordering::Relaxed);
        // Relaxed: ordered before the words by the fence.
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        // Release: pairs with the fence in `read`.
        fence(Ordering::Release);
        let words = record.map_or([0; 4], |record| {
            let [stride, guard] = record.layout.to_words();
            [record.bottom, record.bytes, stride, guard]
        });
        for (place, word) in self.places().into_iter().zip(words) {
            // Relaxed: the version orders them.
            place.store(word, Ordering::Relaxed);
        }
        // Release: pairs with the first load of `read`.
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// Whether nobody has it. The caller holds the lock of the writers.
    fn is_empty(&self) -> bool {
        // Relaxed: writers are ordered by their lock.
        self.bytes.load(Ordering::Relaxed) == 0
    }
}

/// Some slots, and the way to more of them.
#[derive(Debug)]
struct Block<const SLOTS: usize> {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Self>,
}

impl<const SLOTS: usize> Block<SLOTS> {
    #[cfg(not(dtact_loom))]
    const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; SLOTS],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[cfg(dtact_loom)]
    fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::new()),
            next: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The block after this one.
    #[allow(unsafe_code, reason = "blocks are reached through pointers")]
    fn next(&self) -> Option<&Self> {
        // Acquire: pairs with the store in `add`.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: null, or a block that `add` has leaked whole before it published it.
        unsafe { next.as_ref() }
    }
}

/// All regions of stacks of a process.
#[derive(Debug)]
pub(crate) struct Registry<const SLOTS: usize> {
    first: Block<SLOTS>,
    writers: Mutex<()>,
}

/// A place in a registry, given up when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it takes the region out of the registry"]
pub(crate) struct Registration<'registry> {
    slot: &'registry Slot,
    writers: &'registry Mutex<()>,
}

impl<const SLOTS: usize> Registry<SLOTS> {
    #[cfg(not(dtact_loom))]
    pub(crate) const fn new() -> Self {
        Self {
            first: Block::new(),
            writers: Mutex::new(()),
        }
    }

    #[cfg(dtact_loom)]
    pub(crate) fn new() -> Self {
        Self {
            first: Block::new(),
            writers: Mutex::new(()),
        }
    }

    /// Adds a region, before anybody gets one of its stacks [overflow.I2].
    pub(crate) fn add(&self, record: RegionRecord) -> Registration<'_> {
        // Nothing in here panics, and a poisoned lock would mean no harm.
        let lock = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut block = &self.first;
        let slot = loop {
            if let Some(slot) = block.slots.iter().find(|slot| slot.is_empty()) {
                break slot;
            }
            block = match block.next() {
                Some(next) => next,
                None => {
                    let fresh = Box::leak(Box::new(Block::new()));
                    // Release: pairs with the load in `Block::next`.
                    block.next.store(fresh, Ordering::Release);
                    fresh
                }
            };
        };
        slot.write(Some(record));
        drop(lock);
        Registration {
            slot,
            writers: &self.writers,
        }
    }

    /// The stack in whose guard an address lies. It may be called in a signal handler, whatever
    /// that has interrupted.
    pub(crate) fn guard_at(&self, address: usize) -> Option<GuardHit> {
        let mut block = Some(&self.first);
        while let Some(here) = block {
            let mut records = here.slots.iter().filter_map(Slot::read);
            if let Some(hit) = records.find_map(|it| it.guard_at(address)) {
                return Some(hit);
            }
            block = here.next();
        }
        None
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let lock = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        self.slot.write(None);
        drop(lock);
    }
}

#[cfg(all(test, dtact_loom))]
mod models;

#[cfg(all(test, not(dtact_loom)))]
mod tests;
