//! A publishing switch stores the context only when its stack is no longer in use: checked after
//! each instruction, because on x86-64 two threads would hardly ever see it.
//!
//! On x86-64 only, the one architecture here on which a process can single-step itself. Not under a
//! tool: what is stored into the slot then is not the assembly's doing.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    target_os = "linux",
    target_arch = "x86_64"
))]
#![allow(unsafe_code, reason = "the test steps through the switch")]

mod support;

use std::hint::black_box;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use dtact_switch::{CrossThread, CrossThreadFloat, CrossThreadNoFloat, Transfer};
use support::step::{call_stepped, on_each_step};
use support::{HeapStack, word};

static SLOT: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// The address range of the fiber's stack.
static BOTTOM: AtomicUsize = AtomicUsize::new(0);
static TOP: AtomicUsize = AtomicUsize::new(0);

static STEPS_ON_STACK: AtomicUsize = AtomicUsize::new(0);
static STEPS_ON_STACK_PUBLISHED: AtomicUsize = AtomicUsize::new(0);
static STEPS_AWAY_PUBLISHED: AtomicUsize = AtomicUsize::new(0);

/// After each instruction. It runs on the stack that is current, so a local tells which that is.
extern "C" fn step(_: i32) {
    let local = 0_u8;
    let here = (&raw const *black_box(&local)).addr();
    let on_stack = (BOTTOM.load(Relaxed)..TOP.load(Relaxed)).contains(&here);
    let published = !SLOT.load(Relaxed).is_null();
    if on_stack {
        STEPS_ON_STACK.fetch_add(1, Relaxed);
    }
    match (on_stack, published) {
        (true, true) => STEPS_ON_STACK_PUBLISHED.fetch_add(1, Relaxed),
        (false, true) => STEPS_AWAY_PUBLISHED.fetch_add(1, Relaxed),
        (_, false) => 0,
    };
}

unsafe extern "C" fn publisher<S: CrossThread>(first: Transfer) -> ! {
    // SAFETY: the resumer waits in the context it left; nobody resumes this one.
    let _never = unsafe { S::switch_publishing(first.from, word(7), &SLOT) };
    unreachable!("nobody resumes a published fiber here");
}

fn publish_stepped<S: CrossThread>() {
    let stack = HeapStack::new();
    BOTTOM.store(stack.top().addr().get() - HeapStack::BYTES, Relaxed);
    TOP.store(stack.top().addr().get(), Relaxed);
    SLOT.store(null_mut(), Relaxed);
    for counter in [
        &STEPS_ON_STACK,
        &STEPS_ON_STACK_PUBLISHED,
        &STEPS_AWAY_PUBLISHED,
    ] {
        counter.store(0, Relaxed);
    }
    let fiber = stack.enter_at(publisher::<S>);
    // SAFETY: a fresh context on a stack that outlives the switch; a handler is set.
    let transfer = unsafe { call_stepped(fiber, word(0), S::SWITCH_NAKED) };
    assert_eq!(transfer.message, word(7));
    assert_eq!(transfer.from.into_raw().as_ptr(), SLOT.load(Relaxed));
    assert!(
        STEPS_ON_STACK.load(Relaxed) > 10,
        "the fiber was stepped through"
    );
    assert!(STEPS_AWAY_PUBLISHED.load(Relaxed) > 0, "the store was seen");
    // [frame.I3]
    assert_eq!(
        STEPS_ON_STACK_PUBLISHED.load(Relaxed),
        0,
        "published while on the stack"
    );
}

#[test]
fn a_context_is_published_only_when_its_stack_is_left() {
    // SAFETY: the handler counts in atomics.
    unsafe { on_each_step(step) };
    publish_stepped::<CrossThreadFloat>();
    publish_stepped::<CrossThreadNoFloat>();
}
