//! All slots of one class: the used ones on two free lists, the rest behind a counter.
//!
//! ```text
//!    slots  0 ............................ fresh ................. capacity
//!           ├──── handed out at least once ───┼──── never handed out ────┤
//!             recycled: with their memory          nothing committed
//!             released: their memory went back
//!             or with a holder
//! ```
//!
//! `recycled + released + held + (capacity - fresh) = capacity`. Recycled slots go first: their
//! memory is committed and warm. Released ones go before fresh ones: less of the tables is touched.
//!
//! # The race
//!
//! A taker looks at one place after the other, and a slot may move behind its back: it finds
//! nothing recycled, another thread gives a slot back there and takes the released one, and then it
//! finds nothing released. A slot lay free at every moment, yet it saw none. So it looks at the
//! counts of pushes of both lists before and after: where neither moved, a list found empty was
//! still empty when the last place was, and fresh slots never come back. That is a moment at which
//! every slot was out.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | fresh, load | `Acquire` | fresh, exchange | the counts could be read too early, and a push missed |
//! | fresh, exchange | `AcqRel` | fresh, load | as above |
//! | head of a list, exchange of a pop | `Release` | its load by another pop | who finds the list empty because of it must see the push that the popper made before |

use crate::free_list::{FreeList, SLOTS_MAX, TAG_BITS};
use crate::sync::{AtomicU32, Ordering, OwnLine};
use crate::table::Table;

/// The slots of one class, as numbers; any thread may take and give back.
#[derive(Debug)]
pub(crate) struct Depot {
    recycled: FreeList<TAG_BITS>,
    released: FreeList<TAG_BITS>,
    /// The slots handed out at least once are those below; never above the capacity.
    fresh: OwnLine<AtomicU32>,
    links: Table,
}

/// Where slots came from, which says what their memory is.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Source {
    /// They were given back, and have the memory that their users touched.
    Recycled,
    /// Their memory went back to the system.
    Released,
    /// Nobody has had them.
    Fresh,
}

impl Depot {
    /// A depot of as many slots as the table has words, all of them fresh.
    pub(crate) fn new(links: Table) -> Self {
        debug_assert!(links.len() <= SLOTS_MAX, "the pools check their capacity");
        Self {
            recycled: FreeList::new(),
            released: FreeList::new(),
            fresh: OwnLine(AtomicU32::new(0)),
            links,
        }
    }

    /// A depot of so many.
    #[cfg(test)]
    pub(crate) fn of(capacity: u32) -> Self {
        let [links] = Table::try_new([capacity]).expect("a small table");
        Self::new(links)
    }

    /// The slots `0..touched()` have been taken at least once.
    pub(crate) fn touched(&self) -> u32 {
        // Acquire: pairs with the exchange in `claim_fresh`.
        self.fresh.0.load(Ordering::Acquire)
    }

    /// Takes one slot; `None` when every slot was out at one moment during the call.
    pub(crate) fn take(&self) -> Option<u32> {
        let mut slot = [0];
        let (count, _) = self.take_chunk(&mut slot);
        (count == 1).then_some(slot[0])
    }

    /// Takes up to `out.len()` slots from one source, and returns how many, and which.
    ///
    /// 0 means that every slot was out at one moment during the call (or that `out` is empty).
    /// It tries again only where others have given slots back meanwhile.
    pub(crate) fn take_chunk(&self, out: &mut [u32]) -> (usize, Source) {
        loop {
            let pushes = self.pushes();
            let count = self.recycled.pop_chunk(&self.links, out);
            if count > 0 {
                return (count, Source::Recycled);
            }
            let count = self.released.pop_chunk(&self.links, out);
            if count > 0 {
                return (count, Source::Released);
            }
            let count = self.claim_fresh(out);
            if count > 0 || pushes == self.pushes() {
                return (count, Source::Fresh);
            }
        }
    }

    /// Takes up to `out.len()` slots that have their memory, and returns how many.
    pub(crate) fn take_recycled(&self, out: &mut [u32]) -> usize {
        self.recycled.pop_chunk(&self.links, out)
    }

    /// Gives slots back, which the caller holds [arena.I2]; `slots[0]` will be taken first.
    ///
    /// # Panics
    ///
    /// When a slot is not below the capacity, or has been given back already.
    #[track_caller]
    pub(crate) fn give_back(&self, slots: &[u32]) {
        self.recycled.push_chunk(&self.links, slots);
    }

    /// Gives slots back whose memory went back to the system.
    ///
    /// # Panics
    ///
    /// As [`give_back`](Self::give_back).
    #[track_caller]
    pub(crate) fn give_back_released(&self, slots: &[u32]) {
        self.released.push_chunk(&self.links, slots);
    }

    fn pushes(&self) -> (u64, u64) {
        (self.recycled.pushes(), self.released.pushes())
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
        let depot = Depot::of(3);
        assert_eq!(depot.touched(), 0);
        assert_eq!(depot.take(), Some(0));
        assert_eq!(depot.take(), Some(1));
        depot.give_back(&[0]);
        assert_eq!(depot.take(), Some(0));
        assert_eq!(depot.touched(), 2);
        let mut out = [9; 4];
        let (count, source) = depot.take_chunk(&mut out);
        assert_eq!(
            (count, source),
            (1, Source::Fresh),
            "a chunk is cut at the capacity"
        );
        assert_eq!(out[0], 2);
        assert_eq!(depot.take(), None);
        assert_eq!(depot.take_chunk(&mut out).0, 0);
        depot.give_back(&[2, 0, 1]);
        assert_eq!(depot.take_chunk(&mut out), (3, Source::Recycled));
        assert_eq!(out[..3], [2, 0, 1]);
        assert_eq!(depot.touched(), 3);
    }

    #[test]
    fn released_slots_go_after_recycled_and_before_fresh_ones() {
        let depot = Depot::of(4);
        let mut out = [0; 3];
        assert_eq!(depot.take_chunk(&mut out), (3, Source::Fresh));
        depot.give_back_released(&[0, 2]);
        depot.give_back(&[1]);
        assert_eq!(depot.take_chunk(&mut out), (1, Source::Recycled));
        assert_eq!(depot.take_chunk(&mut out), (2, Source::Released));
        assert_eq!(out[..2], [0, 2]);
        assert_eq!(depot.take_chunk(&mut out), (1, Source::Fresh));
        assert_eq!(depot.take_recycled(&mut out), 0);
    }

    #[test]
    fn a_chunk_of_none_takes_none() {
        let depot = Depot::of(1);
        assert_eq!(depot.take_chunk(&mut []).0, 0);
        assert_eq!(depot.touched(), 0);
    }
}
