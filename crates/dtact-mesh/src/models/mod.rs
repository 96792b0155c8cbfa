//! Owns the models: the crate's own lock-free code, run by loom through all its interleavings (up
//! to a bound of preemptions) and the weak orders that loom knows.
//!
//! `RUSTFLAGS="--cfg dtact_loom" cargo test -p dtact-mesh --lib --release`

mod blocking;
mod guard;
mod holders;
mod mail;
mod ring;
mod shared;
mod sleep;

use std::sync::Arc;

use crate::{ArrayLinks, Clock, Config, Mesh, TaskIndex, Worker, WorkerId, park::Planted};

/// Runs `model` with at most two preemptions in each run, fewer if the environment says so.
fn check(model: impl Fn() + Send + Sync + 'static) {
    check_bound(2, model);
}

/// As [`check`], for models so large that two would take minutes.
fn check_bound(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(2).min(preemptions));
    builder.check(model);
}

fn task(raw: u32) -> TaskIndex {
    TaskIndex::from_raw(raw).expect("models use small numbers")
}

/// A mesh whose workers are all claimed before any other thread runs.
fn mesh(
    workers: u16,
    workers_max: u16,
    mistake: Planted,
) -> (Arc<Mesh<ArrayLinks>>, Vec<Worker<ArrayLinks>>) {
    // No model may depend on the time.
    let config = Config {
        clock: Clock(|| 0),
        ..Config::new(workers.into(), workers_max.into())
    };
    let mut mesh = Mesh::build(config, ArrayLinks::new(8)).expect("the model's size is right");
    mesh.event_count.plant(mistake);
    let mesh = Arc::new(mesh);
    let claimed = (0..workers).map(|id| mesh.worker(WorkerId::from_raw(id)));
    let claimed = claimed
        .map(|worker| worker.expect("claimed once"))
        .collect();
    (mesh, claimed)
}

/// Asserts that the tasks are `0..count`, each once.
fn assert_each_once(mut tasks: Vec<TaskIndex>, count: u32) {
    tasks.sort_unstable_by_key(|task| task.raw());
    let raw: Vec<_> = tasks.into_iter().map(TaskIndex::raw).collect();
    assert_eq!(raw, (0..count).collect::<Vec<_>>());
}
