//! The free slots of one class: a lock-free stack of slot indices.
//!
//! R. K. Treiber, "Systems Programming: Coping with Parallelism", IBM RJ 5118, 1986; the tag that
//! makes it safe against ABA is in the same report. The links are in a [`Table`] of their own.
//!
//! ```text
//!   head  63            24 23         0          links   slot 0   1   2   3
//!        ┌────────────────┬────────────┐                ┌─────┬───┬───┬───┐
//!        │ tag (pushes)   │ index + 1  │                │  3  │ - │ 0 │ - │    list: 0 → 2
//!        └────────────────┴────────────┘                └─────┴───┴───┴───┘
//!                           0: empty                     link = index + 1 of the next, 0: last
//! ```
//!
//! # Invariants
//!
//! - [arena.I2] A slot is at every moment in exactly one place: not yet handed out, on the
//!   free list, or with the one who took it. The holder alone may push it.
//! - [arena.I3] The link of a slot is written only by its holder, before the push that
//!   publishes it; while the slot is on the list, nobody writes it. A link is 0 or the number of
//!   a slot of the table plus 1, so a walk along stale links stays inside the table.
//!
//! # The race
//!
//! A popper reads head = a and link(a) = b, and is delayed. Others pop a, pop b, keep b and push
//! a again. Head is a once more; without a tag the popper's exchange succeeds and makes b, which
//! somebody uses, the head. Every push adds one to the tag, so the exchange fails. Pops need not
//! count: head can return to a slot only by a push. The tag is 40 bits wide, so the popper would
//! have to sleep through an exact multiple of 2^40 pushes: hours of nothing but pushes.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | head, exchange of a push | `Release` | head, load of a pop | a popper could miss the links, or the last holder's writes |
//! | head, load of a pop | `Acquire` | head, exchange of a push | as above |
//! | head, exchange of a pop | `Relaxed` when it succeeds | – | see below |
//! | head, load of a push | `Relaxed` | – | only the number is used; the exchange validates it |
//! | links | `Relaxed` | – | ordered by head |
//!
//! The exchange of a pop may be relaxed: the load before it acquired, and as a read-modify-write it
//! continues the release sequence of every push before it.

use crate::sync::{AtomicU64, Ordering, OwnLine};
use crate::table::Table;

/// The bits of head that hold a slot's index plus 1.
pub(crate) const INDEX_BITS: u32 = 24;

/// The most slots that a list can name: the numbers 1 to 2^24 - 1.
pub(crate) const SLOTS_MAX: u32 = (1 << INDEX_BITS) - 1;

/// The tag's width everywhere but in the models that show what a narrow one does.
pub(crate) const TAG_BITS: u32 = u64::BITS - INDEX_BITS;

const INDEX_MASK: u64 = SLOTS_MAX as u64;

/// Free slots, last in first out.
#[derive(Debug)]
pub(crate) struct FreeList<const TAG_BITS: u32> {
    head: OwnLine<AtomicU64>,
}

impl<const TAG_BITS: u32> FreeList<TAG_BITS> {
    const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

    /// An empty list.
    pub(crate) fn new() -> Self {
        const { assert!(TAG_BITS + INDEX_BITS <= u64::BITS, "head is one word") };
        Self {
            head: OwnLine(AtomicU64::new(0)),
        }
    }

    /// Takes up to `out.len()` slots, the last pushed first, and returns how many.
    ///
    /// 0 means that the list was empty at one moment during the call (or that `out` is).
    pub(crate) fn pop_chunk(&self, links: &Table, out: &mut [u32]) -> usize {
        // Acquire: pairs with the exchange in `push_chunk`.
        let mut head = self.head.0.load(Ordering::Acquire);
        loop {
            let mut link = link_of(head);
            let mut count = 0;
            for slot in out.iter_mut() {
                let Some(index) = link.checked_sub(1) else {
                    break;
                };
                *slot = index;
                count += 1;
                // Relaxed: ordered by head. Where others moved head meanwhile this may read any
                // link ever written [arena.I3]; the exchange below then fails.
                link = links.word(index).load(Ordering::Relaxed);
            }
            if count == 0 {
                return 0;
            }
            let rest = (head & !INDEX_MASK) | u64::from(link);
            // Relaxed success: the load acquired. Acquire failure: it is the next round's load.
            match self.head.0.compare_exchange_weak(
                head,
                rest,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return count,
                Err(current) => head = current,
            }
        }
    }

    /// Puts slots on the list in one step; `slots[0]` will be the first to come off.
    ///
    /// # Panics
    ///
    /// When a slot is not one of the table's.
    pub(crate) fn push_chunk(&self, links: &Table, slots: &[u32]) {
        let (Some(&first), Some(&last)) = (slots.first(), slots.last()) else {
            return;
        };
        for pair in slots.windows(2) {
            assert!(
                pair[1] < links.len(),
                "a chunk is made of slots of the table"
            );
            // Relaxed: published by the exchange below.
            links.word(pair[0]).store(pair[1] + 1, Ordering::Relaxed);
        }
        let last = links.word(last);
        // The first slot was looked up above where there are two, and as the last where it is
        // alone: what goes into head is a slot of the table [arena.I3].
        let first = u64::from(first) + 1;
        // Relaxed: only the number is used.
        let mut head = self.head.0.load(Ordering::Relaxed);
        loop {
            last.store(link_of(head), Ordering::Relaxed);
            let tag = (head >> INDEX_BITS).wrapping_add(1) & Self::TAG_MASK;
            // Release: pairs with the loads in `pop_chunk`; publishes the links above and what
            // the holder wrote into the slots.
            match self.head.0.compare_exchange_weak(
                head,
                (tag << INDEX_BITS) | first,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }
}

/// The index plus 1 in a value of head.
const fn link_of(head: u64) -> u32 {
    (head & INDEX_MASK) as u32
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    fn pop(list: &FreeList<TAG_BITS>, links: &Table, count: usize) -> Vec<u32> {
        let mut out = vec![0; count];
        let count = list.pop_chunk(links, &mut out);
        out.truncate(count);
        out
    }

    #[test]
    fn slots_come_off_last_in_first_out_across_chunks() {
        let links = Table::try_new(8).expect("a small table");
        let list = FreeList::<TAG_BITS>::new();
        assert_eq!(pop(&list, &links, 4), []);
        list.push_chunk(&links, &[]);
        list.push_chunk(&links, &[5]);
        list.push_chunk(&links, &[0, 7, 3]);
        assert_eq!(pop(&list, &links, 0), []);
        assert_eq!(pop(&list, &links, 2), [0, 7]);
        list.push_chunk(&links, &[1]);
        assert_eq!(pop(&list, &links, 9), [1, 3, 5]);
        assert_eq!(pop(&list, &links, 1), []);
    }

    /// [arena.I3]
    #[test]
    #[should_panic(expected = "slot 8 is not below the capacity of 8")]
    fn a_slot_beyond_the_table_is_refused() {
        let links = Table::try_new(8).expect("a small table");
        FreeList::<TAG_BITS>::new().push_chunk(&links, &[8]);
    }

    #[test]
    fn a_tag_that_wraps_leaves_the_index_alone() {
        let links = Table::try_new(2).expect("a small table");
        let list = FreeList::<1>::new();
        for _ in 0..5 {
            list.push_chunk(&links, &[1]);
            let mut out = [0];
            assert_eq!(list.pop_chunk(&links, &mut out), 1);
            assert_eq!(out, [1]);
        }
    }
}
