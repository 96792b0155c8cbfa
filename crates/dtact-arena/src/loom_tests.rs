//! Models of the lock-free code: every interleaving of two or three threads.
//!
//! A slot stands for memory that its holder writes without atomics. The checker reports a race
//! when two holders overlap or when one is not ordered after the one before: that is
//! [arena.I2] together with the ordering tables.
#![allow(unsafe_code, reason = "writes through the checker's cells")]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::depot::Depot;
use crate::free_list::{FreeList, TAG_BITS};
use crate::permit::Permits;
use crate::table::Table;

/// Memory of slots, whose use the checker watches.
struct Memory(Vec<UnsafeCell<u32>>);

// SAFETY: the checker fails the model where two threads use one cell at once.
unsafe impl Sync for Memory {}
// SAFETY: as for `Sync`.
unsafe impl Send for Memory {}

impl Memory {
    fn new(capacity: u32) -> Self {
        Self((0..capacity).map(|_| UnsafeCell::new(0)).collect())
    }

    fn use_slot(&self, slot: u32) {
        self.0[slot as usize].with_mut(|value| {
            // SAFETY: the checker hands out a valid pointer, and panics if it is not exclusive.
            unsafe { *value += 1 }
        });
    }
}

struct Shared<const BITS: u32> {
    list: FreeList<BITS>,
    links: Table,
    memory: Memory,
}

impl<const BITS: u32> Shared<BITS> {
    fn with_slots(count: u32) -> Self {
        let [links] = Table::try_new([count]).expect("a boxed table");
        let list = FreeList::new();
        let slots: Vec<_> = (0..count).collect();
        list.push_chunk(&links, &slots);
        Self {
            list,
            links,
            memory: Memory::new(count),
        }
    }

    fn pop(&self) -> Option<u32> {
        let mut out = [0];
        (self.list.pop_chunk(&self.links, &mut out) == 1).then_some(out[0])
    }

    fn push(&self, slots: &[u32]) {
        self.list.push_chunk(&self.links, slots);
    }

    /// Empties the list and returns what was on it.
    fn drain(&self) -> Vec<u32> {
        // Bounded: a list broken by a wrong exchange could be a ring.
        (0..8).map_while(|_| self.pop()).collect()
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

#[test]
fn a_slot_has_one_holder() {
    check(|| {
        let shared = Arc::new(Shared::<TAG_BITS>::with_slots(2));
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                if let Some(slot) = other.pop() {
                    other.memory.use_slot(slot);
                    other.push(&[slot]);
                }
            }
        });
        for _ in 0..2 {
            if let Some(slot) = shared.pop() {
                shared.memory.use_slot(slot);
                shared.push(&[slot]);
            }
        }
        thread.join().expect("the model's thread ends");
        let mut slots = shared.drain();
        slots.sort_unstable();
        assert_eq!(slots, [0, 1]);
    });
}

#[test]
fn a_chunk_has_one_holder() {
    check(|| {
        let shared = Arc::new(Shared::<TAG_BITS>::with_slots(3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let mut out = [0; 2];
                    let count = shared.list.pop_chunk(&shared.links, &mut out);
                    for &slot in &out[..count] {
                        shared.memory.use_slot(slot);
                    }
                    shared.push(&out[..count]);
                })
            })
            .collect();
        let taken = shared.pop();
        if let Some(slot) = taken {
            shared.memory.use_slot(slot);
        }
        for thread in threads {
            thread.join().expect("the model's thread ends");
        }
        let mut slots = shared.drain();
        slots.extend(taken);
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2]);
    });
}

/// The story of the free list's module page. One pops while another takes all, and pushes two back
/// so that head is what it was and the second slot is not free any more; then it pops and pushes
/// the same slot again, until there were as many `pushes`.
fn delayed_pop<const BITS: u32>(pushes: u32) {
    check(move || {
        let shared = Arc::new(Shared::<BITS>::with_slots(3));
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut kept = Vec::new();
            let mut out = [0; 3];
            let count = other.list.pop_chunk(&other.links, &mut out);
            if count < 3 {
                kept.extend(&out[..count]);
                return kept;
            }
            kept.push(out[1]);
            other.push(&[out[2]]);
            other.push(&[out[0]]);
            for _ in 2..pushes {
                let Some(slot) = other.pop() else { break };
                other.push(&[slot]);
            }
            kept
        });
        let mut slots: Vec<_> = shared.pop().into_iter().collect();
        slots.extend(thread.join().expect("the model's thread ends"));
        slots.extend(shared.drain());
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2], "each slot is in one place");
    });
}

#[test]
fn a_wide_tag_outlasts_a_delayed_pop() {
    delayed_pop::<TAG_BITS>(2);
    delayed_pop::<TAG_BITS>(4);
}

#[test]
fn two_bits_of_tag_outlast_two_pushes() {
    delayed_pop::<2>(2);
}

#[test]
#[should_panic(expected = "each slot is in one place")]
fn two_bits_of_tag_do_not_outlast_four_pushes() {
    delayed_pop::<2>(4);
}

#[test]
#[should_panic(expected = "each slot is in one place")]
fn one_bit_of_tag_does_not_outlast_two_pushes() {
    delayed_pop::<1>(2);
}

#[test]
fn a_depot_with_a_slot_for_everyone_never_fails() {
    check(|| {
        let shared = Arc::new((Depot::of(2), Memory::new(2)));
        let work = |shared: &(Depot, Memory)| {
            for _ in 0..2 {
                let slot = shared
                    .0
                    .take()
                    .expect("two threads hold one of two slots each");
                shared.1.use_slot(slot);
                shared.0.give_back(&[slot]);
            }
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || work(&other));
        work(&shared);
        thread.join().expect("the model's thread ends");
    });
}

/// The story of the depot's module page. The other thread is both the one who gives back and
/// the one who claims after having found the list empty.
#[test]
fn a_take_succeeds_where_a_slot_is_free_at_every_moment() {
    check(|| {
        let depot = Arc::new(Depot::of(2));
        let held = depot.take().expect("two are there");
        let other = Arc::clone(&depot);
        let thread = thread::spawn(move || {
            other.give_back(&[held]);
            other.claim_fresh(&mut [0]);
        });
        assert!(
            depot.take().is_some(),
            "one slot is free before the claim and one after"
        );
        thread.join().expect("the model's thread ends");
    });
}

/// The same where the slot that is free is now with its memory and now without.
#[test]
fn a_take_succeeds_where_a_slot_is_free_in_one_list_or_the_other() {
    check(|| {
        let depot = Arc::new(Depot::of(2));
        let held = [0; 2].map(|_: u32| depot.take().expect("two are there"));
        depot.give_back(&[held[0]]);
        let other = Arc::clone(&depot);
        let thread = thread::spawn(move || {
            other.give_back_released(&[held[1]]);
            let mut out = [0];
            other.take_recycled(&mut out);
        });
        assert!(
            depot.take().is_some(),
            "one slot is free before the exchange and one after"
        );
        thread.join().expect("the model's thread ends");
    });
}

/// Users have permits for all but one slot; that one is for whoever gives memory back.
#[test]
fn nobody_with_a_permit_misses_a_slot_whose_memory_goes_back() {
    check(|| {
        let depot = Depot::of(2);
        let shared = Arc::new((Permits::new(1), depot, Memory::new(2)));
        let other = Arc::clone(&shared);
        let releaser = thread::spawn(move || {
            for _ in 0..2 {
                let mut out = [0];
                if other.1.take_recycled(&mut out) == 1 {
                    other.2.use_slot(out[0]);
                    other.1.give_back_released(&out);
                }
            }
        });
        for _ in 0..2 {
            assert_eq!(shared.0.acquire(1).0, 1);
            let slot = shared.1.take().expect("[arena.I4]");
            shared.2.use_slot(slot);
            shared.1.give_back(&[slot]);
            shared.0.release(1);
        }
        releaser.join().expect("the model's thread ends");
    });
}

#[test]
fn a_permit_finds_a_slot_in_any_depot() {
    check(|| {
        let depots = [0; 2].map(|_: u32| Depot::of(1));
        let shared = Arc::new((Permits::new(1), depots, Memory::new(1)));
        let work = |shared: &(Permits, [Depot; 2], Memory), class: usize| {
            for depot in [&shared.1[class], &shared.1[0]] {
                if shared.0.acquire(1).0 == 1 {
                    let slot = depot.take().expect("[arena.I4]");
                    shared.2.use_slot(slot);
                    depot.give_back(&[slot]);
                    shared.0.release(1);
                }
            }
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || work(&other, 1));
        work(&shared, 0);
        thread.join().expect("the model's thread ends");
        assert_eq!(shared.0.live(), 0);
    });
}
