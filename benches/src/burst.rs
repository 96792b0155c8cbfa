//! One task makes many short ones: how far from the ideal is it until all have run?

use std::time::{Duration, Instant};

use crate::workload::Calls;

/// How long each task runs.
const LENGTH: Duration = Duration::from_micros(1);

/// Spawns so many tasks of a microsecond from one task, and joins them. The ideal is a microsecond
/// for each, divided by the workers.
pub(crate) async fn run<C: Calls>(calls: C, count: usize) -> Duration {
    let begin = Instant::now();
    let handles: Vec<_> = (0..count).map(|_| calls.spawn(async { spin() })).collect();
    for handle in handles {
        calls.join(handle).await;
    }
    begin.elapsed()
}

fn spin() {
    let begin = Instant::now();
    while begin.elapsed() < LENGTH {
        std::hint::spin_loop();
    }
}
