//! The free slots of one class: a lock-free stack of slot indices.
//!
//! R. K. Treiber, "Systems Programming: Coping with Parallelism", IBM RJ 5118, 1986; the tag that
//! makes it safe against ABA is in the same report. The links are in a [`Table`] of their own.
//!
//! ```text
//!   head  63            24 23         0          links   slot 0   1   2    3
//!        ┌────────────────┬────────────┐                ┌─────┬───┬─────┬───┐
//!        │ tag (pushes)   │ index + 1  │                │  3  │ 0 │ END │ 0 │    list: 0 → 2
//!        └────────────────┴────────────┘                └─────┴───┴─────┴───┘
//!                           0: empty              link = index + 1 of the next, or END: last;
//!                                                 0: on no list, as all are at first
//! ```
//!
//! # Invariants
//!
//! - [arena.I2] A slot is at every moment in exactly one place: not yet handed out, on one
//!   list, or with the one who took it. The holder alone may push it.
//! - [arena.I3] The link of a slot is written only by its holder: before the push that publishes
//!   it, and after the pop that takes it. While the slot is on a list, nobody writes it. A link is
//!   0, END, or the number of a slot of the table plus 1, so a walk along stale links stays inside
//!   the table.
//!
//! The link tells a slot that is pushed twice: its second push finds it on a list, and panics.
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
//! | head, exchange of a pop | `Release` when it succeeds | head, load of a pop | see the [depot](crate::depot) |
//! | head, load of `pushes` | `Acquire` | head, exchanges | as above |
//! | head, load of a push | `Relaxed` | – | only the number is used; the exchange validates it |
//! | links | `Relaxed` | – | ordered by head |
//!
//! The exchange of a pop need not acquire: the load before it did, and as a read-modify-write it
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

/// The link of the last slot of a list.
const END: u32 = u32::MAX;

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

    /// A number that changes with every push, and with nothing else.
    pub(crate) fn pushes(&self) -> u64 {
        // Acquire: pairs with the exchanges; see the depot.
        self.head.0.load(Ordering::Acquire) >> INDEX_BITS
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
                // link ever written [arena.I3], 0 among them; the exchange below then fails.
                link = links.word(index).load(Ordering::Relaxed);
                if link == END {
                    link = 0;
                }
            }
            if count == 0 {
                return 0;
            }
            let rest = (head & !INDEX_MASK) | u64::from(link);
            // Release success: a taker who sees the list empty sees what this thread gave back
            // before; the load acquired. Acquire failure: it is the next round's load.
            match self.head.0.compare_exchange_weak(
                head,
                rest,
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    for &slot in &out[..count] {
                        // Relaxed: this thread holds the slot [arena.I3].
                        links.word(slot).store(0, Ordering::Relaxed);
                    }
                    return count;
                }
                Err(current) => head = current,
            }
        }
    }

    /// Puts slots on the list in one step; `slots[0]` will be the first to come off.
    ///
    /// # Panics
    ///
    /// When a slot is not one of the table's, or is on a list already; nothing is pushed then.
    #[track_caller]
    pub(crate) fn push_chunk(&self, links: &Table, slots: &[u32]) {
        let (Some(&first), Some(&last)) = (slots.first(), slots.last()) else {
            return;
        };
        for &slot in slots {
            // Relaxed: the holder wrote it last [arena.I3].
            let link = links.word(slot).load(Ordering::Relaxed);
            assert!(link == 0, "slot {slot} has been given back already");
        }
        for pair in slots.windows(2) {
            // Relaxed: published by the exchange below.
            links.word(pair[0]).store(pair[1] + 1, Ordering::Relaxed);
        }
        // All slots were looked up above: what goes into head is a slot of the table [arena.I3].
        let last = links.word(last);
        let first = u64::from(first) + 1;
        // Relaxed: only the number is used.
        let mut head = self.head.0.load(Ordering::Relaxed);
        loop {
            let next = link_of(head);
            last.store(if next == 0 { END } else { next }, Ordering::Relaxed);
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
        let [links] = Table::try_new([8]).expect("a small table");
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
        let [links] = Table::try_new([8]).expect("a small table");
        FreeList::<TAG_BITS>::new().push_chunk(&links, &[8]);
    }

    #[test]
    fn a_slot_that_is_pushed_twice_is_refused_and_the_list_stays_whole() {
        let [links] = Table::try_new([3]).expect("a small table");
        let list = FreeList::<TAG_BITS>::new();
        list.push_chunk(&links, &[0, 1]);
        for again in [0, 1] {
            let push = || list.push_chunk(&links, &[2, again]);
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(push));
            let panic = panic.expect_err("it is on the list");
            let message = panic.downcast_ref::<String>().expect("a formatted message");
            assert!(message.contains("has been given back already"), "{message}");
        }
        assert_eq!(pop(&list, &links, 3), [0, 1]);
        list.push_chunk(&links, &[1]);
        assert_eq!(pop(&list, &links, 3), [1]);
    }

    #[test]
    fn a_tag_that_wraps_leaves_the_index_alone() {
        let [links] = Table::try_new([2]).expect("a small table");
        let list = FreeList::<1>::new();
        for _ in 0..5 {
            list.push_chunk(&links, &[1]);
            let mut out = [0];
            assert_eq!(list.pop_chunk(&links, &mut out), 1);
            assert_eq!(out, [1]);
        }
    }
}
