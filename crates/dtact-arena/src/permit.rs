//! How many stacks may be out at once, over all size classes together.
//!
//! Every size class has a slot for each stack of the pool's capacity, so that any mix of sizes
//! can be had; the permits keep the sum within the capacity.
//!
//! # Invariants
//!
//! - [arena.I4] A permit is acquired before a slot is taken from a depot and released after
//!   the slot is back: slots out of all depots together ≤ permits out ≤ capacity. One thread at a
//!   time, who gives memory back, takes slots without a permit, at most as many as each depot has
//!   beyond the capacity. So whoever holds a permit and no slot yet finds one in any depot.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | live, exchange of `acquire` | `Acquire` | `release` | the new holder could miss the slot given back |
//! | live, `release` | `Release` | `acquire` | as above |

use crate::sync::{AtomicU32, Ordering, OwnLine};

/// The right to have a stack, counted.
#[derive(Debug)]
pub(crate) struct Permits {
    live: OwnLine<AtomicU32>,
    capacity: u32,
}

impl Permits {
    /// `capacity` permits, none of them out.
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            live: OwnLine(AtomicU32::new(0)),
            capacity,
        }
    }

    /// The permits that are out.
    pub(crate) fn live(&self) -> u32 {
        // Relaxed: a figure for people.
        self.live.0.load(Ordering::Relaxed)
    }

    /// Takes up to `wanted` permits, and returns how many, and how many are out with them; 0 when
    /// all were out at one moment (or none is wanted).
    pub(crate) fn acquire(&self, wanted: u32) -> (u32, u32) {
        // Relaxed: only the number is used; the exchange validates it.
        let mut live = self.live.0.load(Ordering::Relaxed);
        loop {
            let granted = wanted.min(self.capacity - live);
            if granted == 0 {
                return (0, live);
            }
            // Acquire: pairs with `release`.
            match self.live.0.compare_exchange_weak(
                live,
                live + granted,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return (granted, live + granted),
                Err(current) => live = current,
            }
        }
    }

    /// Returns `count` permits, after the slots they stood for.
    pub(crate) fn release(&self, count: u32) {
        // Release: pairs with `acquire`.
        let before = self.live.0.fetch_sub(count, Ordering::Release);
        debug_assert!(before >= count, "a permit is released once");
    }
}
