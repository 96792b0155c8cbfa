//! Urgent fibers run before others, and the others still get their turn.
//!
//! ```sh
//! cargo run --example priorities
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use std::sync::{Arc, Mutex};

use dtact::{Affinity, Builder, Priority, WorkloadKind, spawn, spawn_with, task, yield_now};

/// An answer that somebody waits for: it goes before whatever this worker has to do.
#[task(priority = "High", kind = "IO")]
async fn answer(question: u32) -> u32 {
    question * 2
}

pub(crate) fn main() {
    // One worker, so that the order can be seen.
    let runtime = Builder::new().workers(1).build().expect("it starts");
    let log = Arc::new(Mutex::new(Vec::new()));
    let work = {
        let log = Arc::clone(&log);
        async move {
            let levels = [
                Priority::Low,
                Priority::Normal,
                Priority::High,
                Priority::Critical,
            ];
            let fibers = levels.map(|priority| {
                let log = Arc::clone(&log);
                // Near the worker that spawns it, whose cache has what it needs.
                let near = spawn_with().priority(priority).affinity(Affinity::SameCCX);
                near.kind(WorkloadKind::Compute).spawn(async move {
                    for step in 0..2 {
                        log.lock().expect("nobody panics").push((priority, step));
                        yield_now().await;
                    }
                })
            });
            let answer = spawn(answer(21));
            for fiber in fibers {
                fiber.await.expect("it does not panic");
            }
            answer.await.expect("nor does that")
        }
    };
    assert_eq!(runtime.spawn(work).wait().expect("it ends"), 42);
    let log = log.lock().expect("nobody panics").clone();
    for (priority, step) in &log {
        println!("{priority:?}: step {step}");
    }
    assert!(log.is_sorted_by(|(a, _), (b, _)| a >= b), "{log:?}");
    for worker in runtime.worker_metrics() {
        println!("{worker:?}");
    }
}
