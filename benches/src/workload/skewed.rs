//! Many tasks of which few are most of the work: does it end on all workers at once?

use std::time::Instant;

use super::work::Work;
use crate::{process::float, runtime::Calls, workload::Figure};

/// Of a hundred tasks: ninety of 10 µs, nine of 100 µs, one of 1 ms, by chance.
fn us(random: u64) -> u64 {
    match random % 100 {
        0 => 1000,
        1..=9 => 100,
        _ => 10,
    }
}

/// Spawns them from one task. The time until all have ended, to the ideal: their work, done in
/// a loop in the same run, divided by the workers.
pub(super) async fn run<C: Calls>(calls: C, count: usize, workers: usize) -> Vec<Figure> {
    let work = Work::calibrate();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut length = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        us(random >> 20)
    };
    let lengths: Vec<_> = (0..count).map(|_| length()).collect();
    let begin = Instant::now();
    for &us in &lengths {
        work.run(us);
    }
    let ideal = begin.elapsed().as_secs_f64() / float(workers);
    let begin = Instant::now();
    let spawn = |us| calls.spawn(async move { work.run(us) });
    let handles: Vec<_> = lengths.into_iter().map(spawn).collect();
    for handle in handles {
        calls.join(handle).await;
    }
    vec![Figure {
        name: "of the ideal",
        value: begin.elapsed().as_secs_f64() / ideal,
    }]
}
