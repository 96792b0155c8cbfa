//! What runs in a context runs on its stack: aligned at the start, as deep as it likes, suspended
//! anywhere.
#![cfg(not(miri))]
#![allow(unsafe_code, reason = "the tests call the switch")]

mod support;

use std::backtrace::Backtrace;
use std::hint::black_box;

use dtact_switch::{Context, ContextSwitcher, CrossThreadFloat, SameThreadNoFloat, Transfer};
use support::registers::{CALL_BYTES, FOOT_BYTES, sp_at_entry};
use support::{HeapStack, TOLD, forms_by_kind, word};

#[test]
fn the_stack_is_aligned_at_entry_as_after_a_call() {
    let [_, (_, no_float)] = forms_by_kind();
    for form in no_float {
        let stack = HeapStack::new();
        let context = stack.enter_at(sp_at_entry);
        // SAFETY: a fresh context on a stack that outlives the switch.
        let transfer = unsafe { form(context, word(0)) };
        let sp = transfer.message.addr();
        assert!(stack.contains(sp) || sp == stack.top().addr().get());
        // The ABI: aligned before the call, which may have pushed a return address.
        assert_eq!((sp + CALL_BYTES) % Context::STACK_ALIGN, 0);
        // And nothing is wasted: what the call pushed is the first word below the foot.
        assert!(TOLD || sp + CALL_BYTES + FOOT_BYTES == stack.top().addr().get());
    }
}

/// Suspends at the bottom of `depth` calls, and returns a sum over all of them.
#[inline(never)]
fn descend(depth: usize, transfer: Transfer) -> (usize, Transfer) {
    let local = black_box([depth; 8]);
    if depth == 0 {
        // SAFETY: the resumer waits in the context it left.
        let transfer = unsafe { CrossThreadFloat::switch(transfer.from, word(usize::MAX)) };
        return (transfer.message.addr(), transfer);
    }
    let (below, transfer) = descend(depth - 1, transfer);
    // A second suspension on the way up, at every hundredth call.
    let transfer = if depth.is_multiple_of(100) {
        // SAFETY: as above.
        unsafe { CrossThreadFloat::switch(transfer.from, word(depth)) }
    } else {
        transfer
    };
    (below + black_box(local).iter().sum::<usize>() / 8, transfer)
}

unsafe extern "C" fn diver(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        let sum;
        (sum, transfer) = descend(transfer.message.addr(), transfer);
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { CrossThreadFloat::switch(transfer.from, word(sum)) };
    }
}

#[test]
fn deep_calls_are_suspended_in_the_middle_and_resumed() {
    let stack = HeapStack::new();
    let mut context = stack.enter_at(diver);
    for depth in [0, 1, 250, 400] {
        // SAFETY: the context is fresh or the one the fiber left.
        let mut transfer = unsafe { CrossThreadFloat::switch(context, word(depth)) };
        assert_eq!(
            transfer.message,
            word(usize::MAX),
            "suspended at the bottom"
        );
        // SAFETY: the fiber waits in the context it left.
        transfer = unsafe { CrossThreadFloat::switch(transfer.from, word(5)) };
        for step in 1..=depth / 100 {
            assert_eq!(transfer.message, word(step * 100));
            // SAFETY: as above.
            transfer = unsafe { CrossThreadFloat::switch(transfer.from, word(0)) };
        }
        assert_eq!(transfer.message.addr(), 5 + depth * (depth + 1) / 2);
        context = transfer.from;
    }
}

#[inline(never)]
fn capture_in_fiber() -> String {
    black_box(Backtrace::force_capture().to_string())
}

unsafe extern "C" fn tracer(first: Transfer) -> ! {
    let trace = Box::new(capture_in_fiber());
    // SAFETY: the resumer waits in the context it left, and takes over the box.
    let _never = unsafe { SameThreadNoFloat::switch(first.from, Box::into_raw(trace).cast()) };
    unreachable!("nobody resumes a second time");
}

#[test]
fn a_backtrace_in_a_fiber_ends_at_its_root() {
    let stack = HeapStack::new();
    // SAFETY: a fresh context on a stack that outlives the switch.
    let transfer = unsafe { SameThreadNoFloat::switch(stack.enter_at(tracer), word(0)) };
    // SAFETY: the message is the box that the fiber gave away.
    let trace = unsafe { Box::from_raw(transfer.message.cast::<String>()) };
    assert!(trace.contains("capture_in_fiber"), "{trace}");
    assert!(trace.contains("tracer"), "{trace}");
    assert!(
        !trace.contains("a_backtrace_in_a_fiber_ends_at_its_root"),
        "{trace}"
    );
    let last = trace
        .lines()
        .rfind(|line| !line.trim_start().starts_with("at "));
    assert!(last.is_some_and(|line| line.contains("start")), "{trace}");
}
