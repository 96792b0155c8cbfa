//! How long a task that is spawned waits for a worker that sleeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{process::float, runtime::Calls, workload::Figure};

/// Long enough for the other workers to give up their search and to sleep.
const QUIET: Duration = Duration::from_micros(100);

/// Spawns so many tasks, one at a time, each when the other workers sleep, and keeps its own worker
/// busy until the task runs: it must be on another one. The time from spawning to running.
pub(super) async fn run<C: Calls>(calls: C, count: usize) -> Vec<Figure> {
    let mut waited = Duration::ZERO;
    for _ in 0..count {
        let quiet = Instant::now();
        while quiet.elapsed() < QUIET {
            std::hint::spin_loop();
        }
        let runs = Arc::new(AtomicBool::new(false));
        let there = Arc::clone(&runs);
        let begin = Instant::now();
        let handle = calls.spawn(async move { there.store(true, Ordering::Release) });
        // tokio keeps the task that was spawned last to this worker: another one moves it on.
        let behind = calls.spawn(async {});
        while !runs.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
        waited += begin.elapsed();
        calls.join(handle).await;
        calls.join(behind).await;
    }
    vec![Figure {
        name: "µs",
        value: waited.as_secs_f64() * 1e6 / float(count),
    }]
}
