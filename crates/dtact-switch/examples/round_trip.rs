//! What a round trip costs: into a fiber and back, by each form, next to an indirect call.
//!
//! Run with `cargo run -p dtact-switch --release --example round_trip`. It prints the lowest and
//! the median of several runs. It does not show what a switch costs in a caller with many live
//! values, nor what cold stacks cost: both sides are hot and have nothing to spill.
#![allow(unsafe_code, reason = "the example makes a stack and calls the switch")]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use dtact_switch::{
    Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, StackBounds, Transfer,
};

const ROUND_TRIPS: u32 = 1_000_000;
const RUNS: usize = 11;
const STACK_WORDS: usize = 4096;

/// Sends every message back, by the inline form.
///
/// # Safety
///
/// - Entered by a switch, on a fresh stack; each later switch resumes it where it stands.
unsafe extern "C" fn echo_inline<S: ContextSwitcher>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { S::switch(transfer.from, transfer.message) };
    }
}

/// Sends every message back, by the naked form.
///
/// # Safety
///
/// - Entered by a switch, on a fresh stack; each later switch resumes it where it stands.
unsafe extern "C" fn echo_naked<S: ContextSwitcher>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { (S::SWITCH_NAKED)(transfer.from, transfer.message) };
    }
}

/// Prints the nanoseconds per step of `run`, which does `ROUND_TRIPS` of them.
fn measure(name: &str, mut run: impl FnMut()) {
    let mut nanoseconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUND_TRIPS)
        })
        .collect();
    nanoseconds.sort_by(f64::total_cmp);
    println!(
        "{name:24} {:6.2} lowest {:6.2} median",
        nanoseconds[0],
        nanoseconds[RUNS / 2]
    );
}

/// Measures round trips to `entry`, made by `switch`.
fn measure_switch(name: &str, entry: dtact_switch::Entry, switch: impl Fn(Context) -> Transfer) {
    let mut stack = vec![0_u128; STACK_WORDS];
    let bounds = StackBounds::of_block(&mut stack);
    // SAFETY: aligned as `u128` is, the bounds of 64 KiB that outlive the last switch.
    let mut fiber = Some(unsafe { Context::new(bounds, entry) });
    measure(name, || {
        let mut context = fiber.take().expect("put back after each run");
        for _ in 0..ROUND_TRIPS {
            context = switch(context).from;
        }
        fiber = Some(context);
    });
}

fn measure_switcher<S: ContextSwitcher>(name: &str) {
    measure_switch(&format!("inline, {name}"), echo_inline::<S>, |to| {
        // SAFETY: the fiber is fresh or waits in the context it left.
        unsafe { S::switch(to, ptr::null_mut()) }
    });
    measure_switch(&format!("naked, {name}"), echo_naked::<S>, |to| {
        // SAFETY: as above.
        unsafe { (S::SWITCH_NAKED)(to, ptr::null_mut()) }
    });
}

fn main() {
    println!("nanoseconds per round trip, two switches each");
    measure("indirect call", || {
        let empty: fn() = black_box(|| ());
        for _ in 0..ROUND_TRIPS {
            black_box(empty)();
        }
    });
    measure_switcher::<SameThreadNoFloat>("no float");
    measure_switcher::<SameThreadFloat>("float");
}
