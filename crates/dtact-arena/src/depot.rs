//! All slots of one class: the recycled ones on a free list, the rest behind a counter.
//!
//! ```text
//!    slots  0 ............................ fresh ................. capacity
//!           ├──── handed out at least once ───┼──── never handed out ────┤
//!                 free list, or with a holder        nothing committed
//! ```
//!
//! `recycled + held + (capacity - fresh) = capacity`. Recycled slots go first: their memory is
//! committed and warm.
//!
//! # The race
//!
//! Two takers find the list empty while one fresh slot is left. A third gives a slot back, the
//! first claims the fresh slot, and the second finds none. A slot lay free at every moment, yet it
//! saw none. Hence the second look at the list: fresh slots never come back, so a list found empty
//! *after* the last one is gone is the moment at which every slot was out.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | fresh, load | `Acquire` | fresh, exchange | the second look could come before it, and miss a slot |
//! | fresh, exchange | `AcqRel` | fresh, load | as above |

use crate::error::ArenaError;
use crate::free_list::{FreeList, SLOTS_MAX, TAG_BITS};
use crate::sync::{AtomicU32, Ordering, OwnLine};
use crate::table::Table;

/// The slots of one class, as numbers; any thread may take and give back.
#[derive(Debug)]
pub(crate) struct Depot {
    recycled: FreeList<TAG_BITS>,
    /// The slots handed out at least once are those below; never above the capacity.
    fresh: OwnLine<AtomicU32>,
    links: Table,
}

impl Depot {
    /// A depot of `capacity` slots, all of them fresh.
    pub(crate) fn try_new(capacity: u32) -> Result<Self, ArenaError> {
        debug_assert!(capacity <= SLOTS_MAX, "the pools check their capacity");
        Ok(Self {
            recycled: FreeList::new(),
            fresh: OwnLine(AtomicU32::new(0)),
            links: Table::try_new(capacity)?,
        })
    }

    /// The slots `0..touched()` have been taken at least once.
    pub(crate) fn touched(&self) -> u32 {
        // Acquire: pairs with the exchange in `claim_fresh`.
        self.fresh.0.load(Ordering::Acquire)
    }

    /// Takes one slot; `None` when every slot was out at one moment during the call.
    pub(crate) fn take(&self) -> Option<u32> {
        let mut slot = [0];
        (self.take_chunk(&mut slot) == 1).then_some(slot[0])
    }

    /// Takes up to `out.len()` slots and returns how many.
    ///
    /// 0 means that every slot was out at one moment during the call (or that `out` is empty).
    pub(crate) fn take_chunk(&self, out: &mut [u32]) -> usize {
        let count = self.recycled.pop_chunk(&self.links, out);
        if count > 0 {
            return count;
        }
        let count = self.claim_fresh(out);
        if count > 0 {
            return count;
        }
        self.recycled.pop_chunk(&self.links, out)
    }

    /// Gives slots back, which the caller holds [arena.I2]; `slots[0]` will be taken first.
    ///
    /// # Panics
    ///
    /// When a slot is not below the capacity.
    pub(crate) fn give_back(&self, slots: &[u32]) {
        self.recycled.push_chunk(&self.links, slots);
    }

    /// Takes up to `out.len()` slots that nobody has had, and returns how many.
    pub(crate) fn claim_fresh(&self, out: &mut [u32]) -> usize {
        let wanted = u32::try_from(out.len()).unwrap_or(u32::MAX);
        // Acquire: pairs with the exchange below; see the ordering table.
        let mut first = self.fresh.0.load(Ordering::Acquire);
        loop {
            let count = wanted.min(self.links.len() - first);
            if count == 0 {
                return 0;
            }
            // AcqRel: pairs with the loads of the same word.
            match self.fresh.0.compare_exchange_weak(
                first,
                first + count,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    for (slot, index) in out.iter_mut().zip(first..first + count) {
                        *slot = index;
                    }
                    return count as usize;
                }
                Err(current) => first = current,
            }
        }
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    #[test]
    fn recycled_slots_go_before_fresh_ones_and_the_end_is_none() {
        let depot = Depot::try_new(3).expect("a small depot");
        assert_eq!(depot.touched(), 0);
        assert_eq!(depot.take(), Some(0));
        assert_eq!(depot.take(), Some(1));
        depot.give_back(&[0]);
        assert_eq!(depot.take(), Some(0));
        assert_eq!(depot.touched(), 2);
        let mut out = [9; 4];
        assert_eq!(
            depot.take_chunk(&mut out),
            1,
            "a chunk is cut at the capacity"
        );
        assert_eq!(out[0], 2);
        assert_eq!(depot.take(), None);
        assert_eq!(depot.take_chunk(&mut out), 0);
        depot.give_back(&[2, 0, 1]);
        assert_eq!(depot.take_chunk(&mut out), 3);
        assert_eq!(out[..3], [2, 0, 1]);
        assert_eq!(depot.touched(), 3);
    }

    #[test]
    fn a_chunk_of_none_takes_none() {
        let depot = Depot::try_new(1).expect("a small depot");
        assert_eq!(depot.take_chunk(&mut []), 0);
        assert_eq!(depot.touched(), 0);
    }
}
