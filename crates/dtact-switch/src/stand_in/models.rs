//! Models of publication: a context that another thread takes from the slot is complete, and its
//! stack is left. The mistakes planted into the switch show that the models see one.
//!
//! `RUSTFLAGS="--cfg dtact_loom" cargo test -p dtact-switch --lib --release`

use core::cell::Cell;
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use loom::thread;

use super::{Baton, Frame, Saved};
use crate::sync::{AtomicPtr, Ordering, Turns};
use crate::{Context, ContextSwitcher, CrossThread, CrossThreadNoFloat as Switcher, Transfer};

/// The payload that ends the thread of a stack which is given up: loom waits for every thread.
pub(super) struct GivenUp;

/// The first function of a stack that may be unwound.
pub(super) type Root = unsafe extern "C-unwind" fn(Transfer) -> !;

/// A mistake in the publishing switch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// The store comes before the save.
    EarlyStore,
    /// The store orders nothing.
    RelaxedStore,
}

std::thread_local! {
    /// Loom runs all threads of a model on the one that the test has.
    static PLANTED: Cell<Planted> = const { Cell::new(Planted::Nothing) };
}

pub(super) fn before_the_save(publish: &impl Fn(Ordering)) {
    if PLANTED.get() == Planted::EarlyStore {
        publish(Ordering::Release);
    }
}

pub(super) fn after_the_save(publish: &impl Fn(Ordering)) {
    match PLANTED.get() {
        Planted::Nothing => publish(Ordering::Release),
        Planted::RelaxedStore => publish(Ordering::Relaxed),
        Planted::EarlyStore => {}
    }
}

/// Runs the first function of a stack, until it is given up.
pub(super) fn until_given_up(run: impl FnOnce()) {
    let ended = catch_unwind(AssertUnwindSafe(run));
    if let Err(payload) = ended
        && !payload.is::<GivenUp>()
    {
        resume_unwind(payload);
    }
}

/// Gives a context up: its thread unwinds and ends.
fn give_up(context: Context) {
    // SAFETY: never freed.
    let frame = unsafe { context.into_frame().as_ref() };
    frame.pass(Baton::GivenUp);
}

fn fresh(root: Root) -> Context {
    // SAFETY: complete, and owned by this.
    unsafe { Context::from_frame(Frame::leak(Saved::FreshModel(root))) }
}

/// What the fiber and both threads share.
struct Table {
    slot: AtomicPtr<()>,
    /// What the fiber knows: written on the first thread, read on the second.
    known: Turns<u32>,
}

/// Learns something, changes threads by way of the slot, and says what it knows.
///
/// # Safety
///
/// The messages are the table.
unsafe extern "C-unwind" fn traveller(first: Transfer) -> ! {
    // SAFETY: the model keeps it until the fiber has answered on the second thread.
    let table = unsafe { &*first.message.cast::<Table>() };
    // SAFETY: the fiber's turn.
    let _: u32 = unsafe { table.known.replace(7) };
    // SAFETY: the resumer waits; who takes the context from the slot makes one of it.
    let second = unsafe { Switcher::switch_publishing(first.from, ptr::null_mut(), &table.slot) };
    // SAFETY: the fiber's turn still.
    let known = unsafe { table.known.replace(8) };
    let answer = ptr::without_provenance_mut(known as usize);
    // SAFETY: the second resumer waits.
    let _never = unsafe { Switcher::switch(second.from, answer) };
    unreachable!("it is given up")
}

/// One thread enters the fiber, which publishes itself; the other takes it from the slot.
fn publication(mistake: Planted) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(2));
    builder.check(move || {
        PLANTED.set(mistake);
        let table = Arc::new(Table {
            slot: AtomicPtr::new(ptr::null_mut()),
            known: Turns::new(0),
        });
        let message = Arc::as_ptr(&table).cast_mut().cast::<()>();
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                // Pairs with the release of the switch.
                let Some(raw) = NonNull::new(table.slot.load(Ordering::Acquire)) else {
                    return false;
                };
                // SAFETY: taken from the slot with acquire, by this thread alone.
                let fiber = unsafe { Context::from_raw(raw) };
                // SAFETY: published, so complete, and its stack is left: what this is about.
                let transfer = unsafe { Switcher::switch(fiber, ptr::null_mut()) };
                assert_eq!(transfer.message.addr(), 7, "what the fiber knew came along");
                give_up(transfer.from);
                true
            })
        };
        // SAFETY: a fresh context, entered once. What it was left as is not resumed from here
        // unless the other thread has looked too early.
        let transfer = unsafe { Switcher::switch(fresh(traveller), message) };
        if !other.join().expect("the other thread ends") {
            give_up(transfer.from);
        }
    });
}

// SAFETY: the parts take turns, which loom checks.
unsafe impl Sync for Table {}
// SAFETY: as above.
unsafe impl Send for Table {}

#[test]
fn a_published_context_is_complete_and_its_stack_is_left() {
    publication(Planted::Nothing);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_store_before_the_save_publishes_a_frame_that_is_not_complete() {
    publication(Planted::EarlyStore);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_store_that_orders_nothing_publishes_a_frame_that_is_not_seen() {
    publication(Planted::RelaxedStore);
}
