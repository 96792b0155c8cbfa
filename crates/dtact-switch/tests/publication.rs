//! A context published by the switch that leaves it may be resumed at once by another thread.
#![cfg(not(dtact_loom))]
#![allow(unsafe_code, reason = "the tests call the switch")]

mod support;

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dtact_switch::{
    Context, ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, Transfer,
};
use support::{HeapStack, Numbers, word};

const HOPS_MAX: usize = if cfg!(miri) { 100 } else { 100_000 };
/// Where the two threads seldom run at once a hop costs a time slice, and fewer must do.
const HOPS_MIN: usize = if cfg!(miri) { 10 } else { 100 };
const LIMIT: Duration = Duration::from_secs(3);

/// Two threads, one fiber: it goes from slot to slot.
struct Table {
    slots: [AtomicPtr<()>; 2],
    /// Written by the fiber with relaxed ordering; made visible by the slots.
    hops: AtomicUsize,
    /// Odd results that the fiber saw; none is right.
    errors: AtomicUsize,
    started: Instant,
}

impl Table {
    fn new(first: *mut ()) -> Self {
        Self {
            slots: [AtomicPtr::new(first), AtomicPtr::new(null_mut())],
            hops: AtomicUsize::new(0),
            errors: AtomicUsize::new(0),
            started: Instant::now(),
        }
    }

    fn is_over(&self) -> bool {
        let hops = self.hops.load(Ordering::Relaxed);
        hops >= HOPS_MAX || (hops >= HOPS_MIN && self.started.elapsed() > LIMIT)
    }
}

/// What a thread says when it resumes the fiber.
struct Visit<'a> {
    table: &'a Table,
    thread_index: usize,
}

/// Leaves the thread it is on by way of the other one's slot, and checks that all it knows came
/// along.
unsafe extern "C" fn traveller<S: CrossThread>(first: Transfer) -> ! {
    let mut numbers = Numbers(42);
    let mut mirror = Numbers(42);
    let mut hops = 0;
    let mut transfer = first;
    loop {
        // SAFETY: the resumer keeps its visit while the fiber runs on its thread.
        let visit = unsafe { &*transfer.message.cast::<Visit<'_>>() };
        let table = visit.table;
        let state = [numbers.next(); 4];
        hops += 1;
        table.hops.store(hops, Ordering::Relaxed);
        let slot = &table.slots[1 - visit.thread_index];
        // SAFETY: the resumer waits in the context it left, and does not use its `from`; who takes
        // the pointer from the slot makes one context of it; nothing here is bound to a thread.
        transfer = unsafe { S::switch_publishing(transfer.from, word(hops), slot) };
        if state != [mirror.next(); 4] {
            table.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Resumes the fiber whenever it is in this thread's slot. Returns how often it did.
fn serve<S: CrossThread>(table: &Table, thread_index: usize) -> usize {
    let mut spins = 0_u32;
    let mut served = 0;
    loop {
        let raw = table.slots[thread_index].swap(null_mut(), Ordering::Acquire);
        let Some(raw) = NonNull::new(raw) else {
            spins += 1;
            if spins.is_multiple_of(64) {
                if table.is_over() {
                    return served;
                }
                let lost = table.started.elapsed() > 10 * LIMIT;
                assert!(!lost, "the fiber got lost after {served} visits");
                thread::yield_now();
            }
            continue;
        };
        if table.is_over() {
            // The fiber stays suspended for good.
            return served;
        }
        // SAFETY: taken from the slot with acquire, and the slot is empty now: the only owner.
        let context = unsafe { Context::from_raw(raw) };
        let mut visit = Visit {
            table,
            thread_index,
        };
        // The resumer must not be resumed by anybody but the fiber: a plain switch.
        let message = (&raw mut visit).cast();
        // One thread by each form: what publishes is the inline one, and both resume it.
        let transfer = if thread_index == 0 {
            // SAFETY: the fiber is fresh or was published by a switcher of this type.
            unsafe { S::switch(context, message) }
        } else {
            // SAFETY: as above.
            unsafe { (S::SWITCH_NAKED)(context, message) }
        };
        // `transfer.from` names the fiber, which may be running on the other thread by now.
        assert!(transfer.message.addr() > 0);
        served += 1;
    }
}

fn stress<S: CrossThread>() {
    let stack = HeapStack::new();
    let fiber = stack.enter_at(traveller::<S>).into_raw();
    let table = Table::new(fiber.as_ptr());
    let served = thread::scope(|scope| {
        let other = scope.spawn(|| serve::<S>(&table, 1));
        serve::<S>(&table, 0) + other.join().expect("the other thread sees no error")
    });
    assert!((HOPS_MIN..=HOPS_MAX).contains(&served), "{served}");
    assert_eq!(table.hops.load(Ordering::Relaxed), served);
    assert_eq!(table.errors.load(Ordering::Relaxed), 0);
}

#[test]
fn a_published_fiber_changes_threads_at_every_hop_with_float() {
    stress::<CrossThreadFloat>();
}

#[test]
fn a_published_fiber_changes_threads_at_every_hop_without_float() {
    stress::<CrossThreadNoFloat>();
}

#[test]
fn the_slot_names_the_context_that_the_other_side_finds() {
    let stack = HeapStack::new();
    let table = Table::new(null_mut());
    let mut visit = Visit {
        table: &table,
        thread_index: 0,
    };
    let fiber = stack.enter_at(traveller::<CrossThreadNoFloat>);
    // SAFETY: a fresh context on a stack that outlives the switch.
    let transfer = unsafe { CrossThreadNoFloat::switch(fiber, (&raw mut visit).cast()) };
    assert_eq!(transfer.message, word(1));
    let published = table.slots[1].load(Ordering::Acquire);
    assert_eq!(transfer.from.into_raw().as_ptr(), published);
    assert!(table.slots[0].load(Ordering::Relaxed).is_null());
}
