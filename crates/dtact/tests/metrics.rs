//! Metrics: what is counted is what happened, by worker and by priority, and the parts add up.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{bounded, stackful};
use dtact::{
    Metrics, Priority, PriorityMetrics, Runtime, WorkerMetrics, spawn_with, wait, yield_now,
};

const PRIORITIES: [Priority; 4] = [
    Priority::Low,
    Priority::Normal,
    Priority::High,
    Priority::Critical,
];

/// How many fibers of each priority are spawned, and what each does.
const FIBERS: [u64; 4] = [3, 40, 5, 7];
const YIELDS: u64 = 10;

/// All numbers that are counted for each priority.
fn numbers(metrics: PriorityMetrics) -> [u64; 5] {
    let PriorityMetrics {
        spawned,
        finished,
        polls,
        yields,
        parks,
        ..
    } = metrics;
    [spawned, finished, polls, yields, parks]
}

fn sum(all: impl Iterator<Item = [u64; 5]>) -> [u64; 5] {
    all.fold([0; 5], |mut sum, one| {
        sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
        sum
    })
}

fn of_all(metrics: &Metrics) -> [u64; 5] {
    let Metrics {
        spawned,
        finished,
        polls,
        yields,
        parks,
        ..
    } = *metrics;
    [spawned, finished, polls, yields, parks]
}

fn of_worker(metrics: &WorkerMetrics) -> [u64; 5] {
    let WorkerMetrics {
        spawned,
        finished,
        polls,
        yields,
        parks,
        ..
    } = *metrics;
    [spawned, finished, polls, yields, parks]
}

/// Spawns fibers of each priority from a fiber, futures and closures in turn, and waits for them.
fn run(runtime: &Runtime) {
    let root = runtime.spawn(async {
        let mut handles = Vec::new();
        for (priority, count) in PRIORITIES.into_iter().zip(FIBERS) {
            for at in 0..count {
                let asks = spawn_with().priority(priority);
                handles.push(if at % 2 == 0 {
                    asks.spawn(async {
                        for _ in 0..YIELDS {
                            yield_now().await;
                        }
                    })
                } else {
                    asks.spawn_fn(|| (0..YIELDS).for_each(|_| wait(yield_now())))
                });
            }
        }
        for handle in handles {
            handle.await.unwrap();
        }
    });
    root.wait().unwrap();
}

#[test]
fn what_is_counted_is_what_happened_and_the_parts_add_up() {
    bounded(|| {
        for workers in common::WORKERS {
            let runtime = stackful().workers(workers).stack("128K").build().unwrap();
            run(&runtime);
            // A handle is ready a moment after its fiber was counted, so nothing runs any more.
            let metrics = runtime.metrics();
            for (priority, count) in PRIORITIES.into_iter().zip(FIBERS) {
                // The root is one of those that ask for nothing, and yields to nobody.
                let is_normal = u64::from(priority == Priority::Normal);
                let [spawned, finished, polls, yields, parks] = numbers(metrics.of(priority));
                assert_eq!(spawned, count + is_normal, "{priority:?}");
                assert_eq!(finished, spawned, "{priority:?}");
                assert_eq!(yields, count * YIELDS, "{priority:?}");
                assert!(polls >= finished + yields + parks, "{priority:?}");
            }
            let by_priority = sum(PRIORITIES.map(|one| numbers(metrics.of(one))).into_iter());
            assert_eq!(by_priority, of_all(&metrics));
            let each = runtime.worker_metrics();
            for worker in &each {
                let by_priority = sum(PRIORITIES.map(|one| numbers(worker.of(one))).into_iter());
                assert_eq!(by_priority, of_worker(worker));
            }
            // The root was spawned by this thread.
            let mut by_worker = sum(each.iter().map(of_worker));
            by_worker[0] += 1;
            assert_eq!(by_worker, of_all(&metrics));
            let suspensions = each.iter().map(|worker| worker.stackful_suspensions);
            assert_eq!(suspensions.sum::<u64>(), metrics.stackful_suspensions);
            let dispatched: u64 = each.iter().map(|worker| worker.dispatched).sum();
            assert!(dispatched <= metrics.polls, "{dispatched}, {metrics:?}");
        }
    });
}

#[test]
fn a_fiber_that_waits_is_counted_as_parked_under_its_priority() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("128K").build().unwrap();
        let handles = runtime.block_on(async {
            [
                spawn_with()
                    .priority(Priority::Critical)
                    .spawn(pending::<()>()),
                spawn_with()
                    .priority(Priority::Low)
                    .spawn_fn(|| wait(pending::<()>())),
            ]
        });
        common::until("both are parked", || runtime.metrics().parks == 2);
        let metrics = runtime.metrics();
        for (priority, spawned) in [
            (Priority::Critical, 1),
            (Priority::Low, 1),
            (Priority::High, 0),
            (Priority::Normal, 0),
        ] {
            let expected = [spawned, 0, spawned, 0, spawned];
            assert_eq!(numbers(metrics.of(priority)), expected, "{priority:?}");
        }
        for handle in handles {
            handle.abort();
            assert!(handle.wait().unwrap_err().is_cancelled());
        }
        assert_eq!(runtime.metrics().finished, 2);
    });
}

#[test]
fn what_was_woken_is_measured_by_worker_and_priority_where_that_is_asked_for() {
    bounded(|| {
        let runtime = stackful()
            .workers(1)
            .stack("64K")
            .wake_latencies(true)
            .build()
            .unwrap();
        let (open, gate) = async_channel::bounded::<()>(64);
        let woken = |priority: Priority, stackful: bool| {
            let gate = gate.clone();
            runtime.spawn(async move {
                let waits = spawn_with().priority(priority);
                let waits = if stackful {
                    waits
                        .stack("64K")
                        .spawn_fn(move || wait(gate.recv()).unwrap())
                } else {
                    waits.spawn(async move { gate.recv().await.unwrap() })
                };
                waits.await.unwrap();
            })
        };
        let fibers: Vec<_> = [
            (Priority::Low, false),
            (Priority::High, true),
            (Priority::High, false),
        ]
        .map(|(priority, stackful)| woken(priority, stackful))
        .into();
        common::until("all wait", || runtime.metrics().parks == 6);
        // The worker is busy until it is told, and what is woken waits for it.
        let [is_busy, is_free] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (busy, free) = (Arc::clone(&is_busy), Arc::clone(&is_free));
        let other = runtime.spawn(async move {
            busy.store(true, Ordering::SeqCst);
            while !free.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        });
        common::until("the worker is busy", || is_busy.load(Ordering::SeqCst));
        for _ in 0..3 {
            open.send_blocking(()).unwrap();
        }
        let woken = Instant::now();
        thread::sleep(Duration::from_millis(20));
        let waited = woken.elapsed();
        is_free.store(true, Ordering::SeqCst);
        other.wait().unwrap();
        for fiber in fibers {
            fiber.wait().unwrap();
        }
        let latencies = runtime.wake_latencies().unwrap();
        assert_eq!(latencies.of(Priority::Low).count(), 1);
        assert_eq!(latencies.of(Priority::High).count(), 2);
        assert_eq!(latencies.of(Priority::Critical).count(), 0);
        let all = latencies.all();
        assert_eq!(all, latencies.of_worker(0));
        assert_eq!(latencies.of_worker(1).count(), 0);
        // Those three, and the three that wait for their ends.
        assert_eq!(all.count(), 6, "{all:?}");
        let high = latencies.of(Priority::High).quantile(0.0).unwrap();
        assert!(high >= waited, "{high:?} of {waited:?}");
        assert!(Runtime::new().unwrap().wake_latencies().is_none());
    });
}
