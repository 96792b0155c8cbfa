//! The examples run, and what they assert holds.
#![cfg(all(feature = "std", not(any(miri, dtact_loom))))]

#[path = "../examples/generator.rs"]
mod generator;
#[path = "../examples/tree_walk.rs"]
mod tree_walk;

#[test]
fn the_example_generator_runs() {
    generator::main();
}

#[test]
fn the_example_tree_walk_runs() {
    tree_walk::main().expect("it runs");
}
