//! The examples run, and what they assert holds.
#![cfg(not(any(miri, dtact_loom, dtact_shuttle)))]

#[path = "../examples/pool.rs"]
mod pool;

#[test]
fn the_example_pool_runs() {
    pool::main().expect("it runs");
}
