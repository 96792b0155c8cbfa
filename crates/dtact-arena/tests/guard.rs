//! An access below a stack ends the process; one inside the stack, however deep, does not.
// The sanitizers handle the signal by themselves.
#![cfg(not(any(miri, dtact_loom, dtact_asan, dtact_tsan)))]
#![allow(unsafe_code, reason = "writes to stacks and below them")]

mod child;

use std::env;
use std::process::ExitStatus;

use child::is_end_by_fault;
use dtact_arena::{SafetyLevel, StackPool, overflow};

/// How far below the top the child writes: this many bytes below the bottom. Unset in the parent.
const BYTES_BELOW: &str = "DTACT_ARENA_BYTES_BELOW";

/// Writes a byte into every 64 of a stack, from its top down to `bytes_below` below its bottom.
fn write_down(bytes_below: usize) {
    let pool = StackPool::builder()
        .stack_bytes(64 * 1024)
        .capacity(4)
        .build()
        .expect("a pool");
    // The neighbours below and above are in use: it is a guard that must be hit, not a hole.
    let [below, stack, above] = [(); 3].map(|()| pool.take(1).expect("four fit"));
    let bytes = stack.usable_bytes() + bytes_below;
    for depth in (1..=bytes).step_by(64).chain([bytes]) {
        let byte = stack.top().as_ptr().wrapping_sub(depth);
        // SAFETY: inside the stack, which this thread holds; or inside the guard below it, where
        // the access ends the process, which is what the parent waits for.
        unsafe { byte.write_volatile(1) }
    }
    for stack in [below, stack, above] {
        pool.give_back(stack);
    }
}

/// Runs this program again, as the child that writes.
fn child(bytes_below: usize) -> (ExitStatus, String) {
    child::run("the_child_writes", BYTES_BELOW, &bytes_below.to_string())
}

#[test]
fn the_child_writes() {
    if let Ok(bytes) = env::var(BYTES_BELOW) {
        child::end_at_once_by_faults();
        overflow::install().expect("a handler");
        write_down(bytes.parse().expect("the parent passes a number"));
    }
}

#[test]
fn the_whole_stack_can_be_written() {
    let (status, said) = child(0);
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn a_byte_below_the_bottom_is_the_guard() {
    let (status, said) = child(1);
    assert!(is_end_by_fault(status), "{status}: {said}");
    // The code runs on the stack of its thread.
    assert!(said.contains("dtact: code on a pooled stack"), "{said}");
    assert!(
        said.contains("has touched the guard below a stack"),
        "{said}"
    );
    assert!(said.contains(", 1 bytes below the bottom"), "{said}");
}

/// What the child of level 2 touches. Unset in the parent.
const TOUCHED: &str = "DTACT_ARENA_TOUCHED";

#[test]
fn the_child_of_level_2_touches() {
    let Ok(what) = env::var(TOUCHED) else { return };
    child::end_at_once_by_faults();
    let builder = StackPool::builder().safety(SafetyLevel::Safety2);
    let pool = builder.stack_bytes(64 * 1024).capacity(4).build();
    let pool = pool.expect("a pool");
    let stacks = [(); 3].map(|()| pool.take(1).expect("four fit"));
    let (top, bottom) = (stacks[1].top().as_ptr(), stacks[1].bottom().as_ptr());
    if what == "an idle stack" {
        for stack in stacks {
            pool.give_back(stack);
        }
    }
    let byte = match what.as_str() {
        "the top byte" => top.wrapping_sub(1),
        "a byte above" => top,
        "a page below" => bottom.wrapping_sub(4096),
        "an idle stack" => bottom,
        other => panic!("{other} is nothing to touch"),
    };
    // SAFETY: inside the stack, which this thread holds; or a guard, where the access ends the
    // process, which is what the parent waits for.
    unsafe { byte.write_volatile(1) }
}

#[test]
fn at_level_2_both_ends_and_idle_stacks_are_guards() {
    let child = |what| child::run("the_child_of_level_2_touches", TOUCHED, what).0;
    assert_eq!(child("the top byte").code(), Some(0));
    for what in ["a byte above", "a page below", "an idle stack"] {
        let status = child(what);
        assert!(is_end_by_fault(status), "{what}: {status}");
    }
}
