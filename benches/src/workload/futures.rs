//! Tasks with large futures.

use std::hint::black_box;

use crate::{process::Stopwatch, runtime::Calls, workload::Figure};

/// How many there are at a time.
const BATCH: usize = 100;

/// Spawns and joins so many tasks whose futures are of so many KiB.
pub(super) async fn run<C: Calls>(calls: C, kib: usize, count: usize) -> Vec<Figure> {
    match kib {
        1 => of::<C, { 1 << 10 }>(calls, count).await,
        4 => of::<C, { 4 << 10 }>(calls, count).await,
        8 => of::<C, { 8 << 10 }>(calls, count).await,
        _ => of::<C, { 16 << 10 }>(calls, count).await,
    }
}

async fn of<C: Calls, const BYTES: usize>(calls: C, count: usize) -> Vec<Figure> {
    let watch = Stopwatch::start();
    for _ in 0..count / BATCH {
        let spawn = |at: usize| {
            let data = [at.to_le_bytes()[0]; BYTES];
            calls.spawn(async move {
                black_box(&data);
                data[0]
            })
        };
        let handles: Vec<_> = (0..BATCH).map(spawn).collect();
        for handle in handles {
            calls.join(handle).await;
        }
    }
    watch.figures(count)
}
