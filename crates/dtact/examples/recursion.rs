//! Recursion that waits in its depth: each level spawns, and waits, in a plain function.
//!
//! ```sh
//! cargo run --example recursion
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use dtact::{Builder, spawn_with_stack, wait, yield_now};

/// The number of ways to climb so many stairs by one or two at a time.
fn ways(stairs: u32) -> u64 {
    if stairs < 2 {
        return 1;
    }
    // One branch on a fiber of its own near the top, both here further down.
    if stairs > 16 {
        let one = spawn_with_stack("64K", move || ways(stairs - 1));
        let two = ways(stairs - 2);
        return one.wait().expect("it does not panic") + two;
    }
    if stairs == 16 {
        wait(yield_now());
    }
    ways(stairs - 1) + ways(stairs - 2)
}

pub(crate) fn main() {
    // SAFETY: nothing here waits in a thread-local's initialiser or a scoped thread-local.
    let builder = unsafe { Builder::new().enable_stackful() };
    let runtime = builder.build().expect("the defaults suit every machine");
    let ways = runtime
        .spawn_with_stack("64K", || ways(24))
        .wait()
        .expect("it does not panic");
    println!("24 stairs can be climbed in {ways} ways");
    println!(
        "{} suspensions kept a stack",
        runtime.metrics().stackful_suspensions
    );
    assert_eq!(ways, 75_025);
}
