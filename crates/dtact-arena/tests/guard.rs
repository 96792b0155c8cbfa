//! An access below a stack ends the process; one inside the stack, however deep, does not.
// The sanitizers handle the signal by themselves.
#![cfg(not(any(miri, dtact_loom, dtact_asan, dtact_tsan)))]
#![allow(unsafe_code, reason = "writes to stacks and below them")]

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use dtact_arena::StackPool;

/// How far below the top the child writes: this many bytes below the bottom. Unset in the parent.
const BYTES_BELOW: &str = "DTACT_ARENA_BYTES_BELOW";

const SIGSEGV: i32 = 11;

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

/// This program, to be run again: through the emulator that `DTACT_RUNNER` names, if any.
fn this_program() -> Command {
    let program = env::current_exe().expect("the test has a path");
    let runner = env::var("DTACT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Runs this program again, as the child that writes.
fn child(bytes_below: usize) -> ExitStatus {
    this_program()
        .args(["--exact", "the_child_writes", "--nocapture"])
        .env(BYTES_BELOW, bytes_below.to_string())
        .output()
        .expect("the child starts")
        .status
}

#[test]
fn the_child_writes() {
    if let Ok(bytes) = env::var(BYTES_BELOW) {
        write_down(bytes.parse().expect("the parent passes a number"));
    }
}

#[test]
fn the_whole_stack_can_be_written() {
    assert_eq!(child(0).code(), Some(0));
}

#[test]
fn a_byte_below_the_bottom_is_the_guard() {
    assert_eq!(child(1).signal(), Some(SIGSEGV));
}
