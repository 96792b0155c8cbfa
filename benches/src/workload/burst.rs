//! One task makes many short ones: how far from the ideal is it until all have run?

use std::time::Instant;

use super::work::Work;
use crate::{
    process::{Stopwatch, figures_of, float},
    runtime::Calls,
    workload::Figure,
};

/// How long each task runs.
const US: u64 = 1;

/// Spawns so many tasks of a microsecond from one task, and joins them. The ideal is their work,
/// done in a loop in the same run, divided by the workers.
pub(super) async fn run<C: Calls>(calls: C, count: usize, workers: usize) -> Vec<Figure> {
    let work = Work::calibrate();
    let begin = Instant::now();
    for _ in 0..count {
        work.run(US);
    }
    let ideal = begin.elapsed().as_secs_f64() * 1e9 / float(workers);
    let watch = Stopwatch::start();
    let handles: Vec<_> = (0..count)
        .map(|_| calls.spawn(async move { work.run(US) }))
        .collect();
    for handle in handles {
        calls.join(handle).await;
    }
    let [wall, cpu] = watch.ns();
    let mut figures = figures_of([wall, cpu], count);
    figures.push(Figure {
        name: "of the ideal",
        value: wall / ideal,
    });
    figures
}
