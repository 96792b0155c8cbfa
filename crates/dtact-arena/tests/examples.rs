//! The examples run, and what they assert holds.
#![cfg(not(any(miri, dtact_loom)))]

#[path = "../examples/stack_pool.rs"]
mod stack_pool;

#[test]
fn the_example_stack_pool_runs() {
    stack_pool::main().expect("it runs");
}
