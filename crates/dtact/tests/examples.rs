//! The examples run, and what they assert holds.

mod common;

use common::bounded;

#[path = "../examples/cancellation.rs"]
mod cancellation;
#[path = "../examples/dump.rs"]
mod dump;
#[path = "../examples/flight_recorder.rs"]
mod flight_recorder;
#[path = "../examples/pinned.rs"]
mod pinned;
#[path = "../examples/pipeline.rs"]
mod pipeline;
#[path = "../examples/priorities.rs"]
mod priorities;
#[path = "../examples/recursion.rs"]
mod recursion;
#[path = "../examples/scope.rs"]
mod scope;
#[path = "../examples/timers.rs"]
mod timers;

#[test]
fn the_example_cancellation_runs() {
    bounded(cancellation::main);
}

#[test]
fn the_example_dump_runs() {
    bounded(dump::main);
}

#[test]
fn the_example_flight_recorder_runs() {
    bounded(flight_recorder::main);
}

#[test]
fn the_example_pinned_runs() {
    bounded(pinned::main);
}

#[test]
fn the_example_pipeline_runs() {
    bounded(pipeline::main);
}

#[test]
fn the_example_priorities_runs() {
    bounded(priorities::main);
}

#[test]
fn the_example_recursion_runs() {
    bounded(recursion::main);
}

#[test]
fn the_example_scope_runs() {
    bounded(scope::main);
}

#[test]
fn the_example_timers_runs() {
    bounded(timers::main);
}
