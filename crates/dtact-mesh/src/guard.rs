//! Owns the right to what a worker keeps to itself: its owner has it at the price of two stores
//! and a load, and somebody else may take it from an owner that stands still.
//!
//! ```text
//!             announce (CAS)             take (CAS)
//!    FREE ------------------> ANNOUNCED -----------> TAKING --> FREE
//!     ^  ^                        |
//!     |  +---- owner enters ------+                  (the owner is back: no raid)
//!     |  open (owner)                    take (CAS)
//!     +----------------------> OPEN <--------------> RAIDED     (the owner is away)
//!               close
//! ```
//!
//! Invariants:
//!
//! - `[guard.I1]` At most one of the owner, between `enter` and its end, and a raider, inside
//!   `raid`, touches what is guarded.
//!
//! # Why
//! The owner says that it enters (`busy`), and then looks whether a raid is announced. A raider
//! announces its raid, and then looks whether the owner is inside. Between its two steps each has a
//! barrier, so at least one sees the other. An owner that sees ANNOUNCED takes it back by CAS, and
//! a raider that saw nobody inside moves ANNOUNCED to TAKING by CAS: one of them fails. A raider
//! that finds the owner inside gives up; an owner that finds TAKING waits, for a few dozen loads
//! and stores. Each announcement has a number of its own, so that no raider takes another's.
//!
//! The owner's barrier keeps only the compiler from reordering: the raider's makes all processors
//! that run this process pass a barrier ([`barrier`](crate::barrier)).
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | `busy` store of false, owner | Release | the raider's load: what the owner did is visible |
//! | `busy` load, raider | Acquire | the above |
//! | `raid` store and CAS, raider | Release | the owner's load: what the raider did is visible |
//! | `raid` load, owner | Acquire | the above |

use crossbeam_utils::CachePadded;

use crate::{
    barrier,
    sync::{AtomicBool, AtomicU32, Ordering, yield_now},
};

const FREE: u32 = 0;
const ANNOUNCED: u32 = 1;
const TAKING: u32 = 2;
const OPEN: u32 = 3;
const RAIDED: u32 = 4;
const STATE: u32 = 7;
/// Counts announcements, above the state.
const NUMBER: u32 = STATE + 1;

#[derive(Debug)]
pub(crate) struct Guard {
    busy: AtomicBool,
    /// Written in a raid, so hardly ever.
    raid: CachePadded<AtomicU32>,
    #[cfg(all(test, dtact_loom))]
    has_no_barriers: bool,
}

/// The owner is inside until this is dropped.
#[derive(Debug)]
pub(crate) struct Inside<'guard>(&'guard Guard);

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: a raider that finds us outside sees what we did.
        self.0.busy.store(false, Ordering::Release);
    }
}

impl Guard {
    /// A guard whose owner is away.
    pub(crate) fn new() -> Self {
        Self {
            busy: AtomicBool::new(false),
            raid: CachePadded::new(AtomicU32::new(OPEN)),
            #[cfg(all(test, dtact_loom))]
            has_no_barriers: false,
        }
    }

    /// The mistake that a model must find: neither side has its barrier.
    #[cfg(all(test, dtact_loom))]
    pub(crate) fn without_barriers() -> Self {
        Self {
            has_no_barriers: true,
            ..Self::new()
        }
    }

    /// Owner only, and not while it is inside. If it was away, it is back.
    #[inline]
    pub(crate) fn enter(&self) -> Inside<'_> {
        self.busy.store(true, Ordering::Relaxed);
        #[cfg(all(test, dtact_loom))]
        if !self.has_no_barriers {
            barrier::light();
        }
        #[cfg(not(all(test, dtact_loom)))]
        barrier::light();
        // Acquire: what a raider took is gone for us as well.
        let raid = self.raid.load(Ordering::Acquire);
        if raid & STATE != FREE {
            self.repel(raid);
        }
        Inside(self)
    }

    /// Ends an announced raid, waits for the end of one that is under way, or comes back.
    #[cold]
    fn repel(&self, mut raid: u32) {
        while raid & STATE != FREE {
            if raid & STATE == ANNOUNCED || raid & STATE == OPEN {
                let free = (raid & !STATE) + FREE;
                let swap =
                    self.raid
                        .compare_exchange(raid, free, Ordering::AcqRel, Ordering::Acquire);
                match swap {
                    Ok(_) => return,
                    Err(newer) => raid = newer,
                }
            } else {
                yield_now();
                raid = self.raid.load(Ordering::Acquire);
            }
        }
    }

    /// Owner only: it goes away, and anybody may have what is guarded until it comes back.
    pub(crate) fn open(&self) {
        drop(self.enter());
        let mut raid = self.raid.load(Ordering::Acquire);
        loop {
            self.repel(raid);
            raid = self.raid.load(Ordering::Acquire);
            let open = (raid & !STATE) + OPEN;
            if raid & STATE == FREE
                && self
                    .raid
                    .compare_exchange(raid, open, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
            {
                return;
            }
        }
    }

    /// Owner only: it is back.
    pub(crate) fn close(&self) {
        let mut raid = self.raid.load(Ordering::Acquire);
        loop {
            let free = (raid & !STATE) + FREE;
            if raid & STATE == OPEN
                && self
                    .raid
                    .compare_exchange(raid, free, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
            {
                return;
            }
            if raid & STATE == FREE {
                return;
            }
            yield_now();
            raid = self.raid.load(Ordering::Acquire);
        }
    }

    /// Runs `body` in the owner's place, if the owner does not come back meanwhile and nobody else
    /// is at it. Where the system has no such barrier, only while the owner is away.
    #[cold]
    pub(crate) fn raid<R>(&self, body: impl FnOnce() -> R) -> Option<R> {
        let seen = self.raid.load(Ordering::Relaxed);
        let taking = match seen & STATE {
            OPEN => {
                let taking = (seen & !STATE) + RAIDED;
                self.exchange(seen, taking)?;
                taking
            }
            FREE if barrier::is_available() => {
                let announced = (seen & !STATE).wrapping_add(NUMBER) + ANNOUNCED;
                self.exchange(seen, announced)?;
                self.heavy();
                let taking = announced - ANNOUNCED + TAKING;
                // Acquire: what the owner did before it left is visible.
                if self.busy.load(Ordering::Acquire) {
                    // If this fails, the owner has taken the announcement back itself.
                    let _ = self.exchange(announced, announced - ANNOUNCED + FREE);
                    return None;
                }
                self.exchange(announced, taking)?;
                taking
            }
            _ => return None,
        };
        let result = body();
        let over = if taking & STATE == RAIDED { OPEN } else { FREE };
        // Release: the owner sees what we did when it sees that we are done.
        self.raid.store((taking & !STATE) + over, Ordering::Release);
        Some(result)
    }

    #[cfg_attr(
        not(all(test, dtact_loom)),
        expect(clippy::unused_self, reason = "models use it")
    )]
    fn heavy(&self) {
        #[cfg(all(test, dtact_loom))]
        if self.has_no_barriers {
            return;
        }
        barrier::heavy();
    }

    fn exchange(&self, from: u32, to: u32) -> Option<u32> {
        // AcqRel: after another raider's end, and before the owner's next look.
        self.raid
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .ok()
    }
}
