//! Tasks that yield.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    process::{Stopwatch, figures_of, float},
    runtime::Calls,
    workload::Figure,
};

/// From so many tasks on, making them takes as long as some yields, and is taken off.
const MANY: usize = 10_000;

pub(super) async fn run<C: Calls>(calls: C, tasks: usize, count: usize) -> Vec<Figure> {
    let each = count / tasks;
    if tasks < MANY {
        return figures_of(time(calls, tasks, each).await, tasks * each);
    }
    // Twice: the first time memory is cold.
    time(calls, tasks, 1).await;
    let [wall_few, cpu_few] = time(calls, tasks, 1).await;
    let [wall, cpu] = time(calls, tasks, 1 + each).await;
    figures_of([wall - wall_few, cpu - cpu_few], tasks * each)
}

async fn time<C: Calls>(calls: C, tasks: usize, each: usize) -> [f64; 2] {
    let watch = Stopwatch::start();
    let yields = |_| {
        calls.spawn(async move {
            for _ in 0..each {
                calls.yield_now().await;
            }
        })
    };
    let handles: Vec<_> = (0..tasks).map(yields).collect();
    for handle in handles {
        calls.join(handle).await;
    }
    watch.ns()
}

/// Two tasks on one worker yield: the share of yields after which the other has run.
pub(super) async fn check<C: Calls>(calls: C, count: usize) -> Vec<Figure> {
    let turns = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let handles = [0, 1].map(|own| {
        let turns = Arc::clone(&turns);
        calls.spawn(async move {
            let [own, other] = [&turns[own], &turns[1 - own]];
            let mut yielded = 0;
            for _ in 0..count {
                own.fetch_add(1, Ordering::Relaxed);
                let before = other.load(Ordering::Relaxed);
                calls.yield_now().await;
                yielded += usize::from(other.load(Ordering::Relaxed) != before);
            }
            black_box(yielded)
        })
    });
    let mut yielded = 0;
    for handle in handles {
        yielded += calls.join(handle).await;
    }
    vec![Figure {
        name: "share",
        value: float(yielded) / float(2 * count),
    }]
}
