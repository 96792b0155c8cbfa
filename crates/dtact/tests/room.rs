//! What a spawn does while all cells are taken: it waits for room, no longer than it may.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use common::{DropCount, LIMIT, bounded, stackful, until};
use dtact::{
    Builder, JoinError, JoinHandle, Runtime, SpawnError, scope, spawn, spawn_blocking, spawn_local,
    spawn_with, spawn_with_stack, time::VirtualClock, try_spawn, wait, yield_now,
};

const CAPACITY: u32 = 4;
const MANY: usize = 200;

fn small(builder: Builder) -> Builder {
    builder.fibers(CAPACITY).stack("64K").spawn_timeout(LIMIT)
}

/// Small runtimes, and whether fibers can be suspended in them with frames on their stacks.
fn each_small(body: impl Fn(&Runtime, bool)) {
    for workers in [1, 2] {
        for (builder, is_stackful) in [(Builder::new(), false), (stackful(), true)] {
            body(
                &small(builder).workers(workers).build().unwrap(),
                is_stackful,
            );
        }
    }
}

fn is_exhausted<T>(joined: &Result<T, JoinError>) -> bool {
    matches!(
        joined,
        Err(JoinError::NotSpawned(SpawnError::Exhausted {
            capacity: CAPACITY
        }))
    )
}

/// Takes all the room that there is for fibers of this size.
fn fill(runtime: &Runtime) -> Vec<JoinHandle<()>> {
    core::iter::from_fn(|| runtime.try_spawn(pending()).ok()).collect()
}

#[test]
fn a_fiber_that_spawns_waits_for_room_and_all_are_spawned() {
    bounded(|| {
        each_small(|runtime, is_stackful| {
            let count = Arc::new(AtomicUsize::new(0));
            let (inner, other) = (Arc::clone(&count), Arc::clone(&count));
            let step = |count: &Arc<AtomicUsize>| {
                let count = Arc::clone(count);
                async move {
                    yield_now().await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            };
            let asynchronous = runtime.spawn(async move {
                for _ in 0..MANY {
                    drop(spawn(step(&inner)));
                    drop(spawn_with().name("named").spawn(step(&inner)));
                }
            });
            asynchronous.wait().unwrap();
            let closure = runtime.spawn_with_stack("64K", move || {
                for _ in 0..MANY {
                    let count = Arc::clone(&other);
                    drop(spawn_with_stack("64K", move || {
                        wait(yield_now());
                        count.fetch_add(1, Ordering::Relaxed);
                    }));
                    // They would wait for this worker, whose thread a wait for room blocks.
                    if is_stackful {
                        drop(spawn_local(step(&other)));
                    }
                    drop(spawn_blocking(|| ()));
                }
            });
            closure.wait().unwrap();
            let kinds = if is_stackful { 4 } else { 3 };
            until("all have run", || {
                count.load(Ordering::Relaxed) == kinds * MANY
            });
        });
    });
}

#[test]
fn a_thread_outside_waits_for_room_and_all_are_spawned() {
    bounded(|| {
        each_small(|runtime, _| {
            let drops = DropCount::default();
            for _ in 0..MANY {
                let (first, second) = (drops.token(), drops.token());
                drop(runtime.spawn(async move { drop(first) }));
                drop(runtime.spawn_with_stack("64K", move || drop(second)));
            }
            until("all have run", || drops.count() == 2 * MANY);
        });
    });
}

#[test]
fn a_scope_waits_for_room() {
    bounded(|| {
        each_small(|runtime, _| {
            let count = AtomicUsize::new(0);
            runtime.block_on(async {
                scope(|scope| {
                    for _ in 0..MANY {
                        drop(scope.spawn(async {
                            count.fetch_add(1, Ordering::Relaxed);
                        }));
                    }
                });
            });
            assert_eq!(count.load(Ordering::Relaxed), MANY);
        });
    });
}

#[test]
fn the_wait_ends_in_time_and_the_error_says_why() {
    bounded(|| {
        for timeout in [0, 40].map(Duration::from_millis) {
            let runtime = small(Builder::new()).workers(1).spawn_timeout(timeout);
            let runtime = runtime.build().unwrap();
            let all = fill(&runtime);
            assert_eq!(all.len(), CAPACITY as usize);
            let begin = Instant::now();
            assert!(is_exhausted(&runtime.spawn(pending::<()>()).wait()));
            runtime.block_on(async {
                assert!(is_exhausted(&spawn(pending::<()>()).await));
                scope(|scope| assert!(is_exhausted(&scope.spawn(pending::<()>()).wait())));
            });
            assert!(begin.elapsed() >= 3 * timeout);
            for handle in all {
                handle.abort();
            }
        }
    });
}

#[test]
fn of_fibers_that_all_wait_for_each_other_the_last_is_refused() {
    /// Doubles, and waits for nobody. A spawn that is refused drops the token.
    fn breed(depth: u32, drops: &DropCount) {
        for _ in 0..2 {
            let (token, drops) = (drops.token(), drops.clone());
            drop(spawn(async move {
                let _token = token;
                if depth > 0 {
                    yield_now().await;
                    breed(depth - 1, &drops);
                }
            }));
        }
    }

    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = small(builder).workers(2).fibers(64).build().unwrap();
            let drops = DropCount::default();
            let seed = drops.clone();
            runtime
                .spawn(async move { breed(9, &seed) })
                .wait()
                .unwrap();
            until("all have ended", || {
                let metrics = runtime.metrics();
                metrics.spawned == metrics.finished
            });
            assert_eq!(drops.count(), drops.made());
            assert!(runtime.metrics().spawned > 64);
        }
    });
}

#[test]
fn try_spawn_does_not_wait() {
    bounded(|| {
        let runtime = small(Builder::new()).workers(1).build().unwrap();
        let all = fill(&runtime);
        let begin = Instant::now();
        let refused = runtime.block_on(async { try_spawn(async { [7_u8; 16] }).unwrap_err() });
        assert_eq!(refused.error, SpawnError::Exhausted { capacity: CAPACITY });
        assert!(begin.elapsed() < LIMIT / 2);
        assert_eq!(runtime.block_on(refused.rejected), [7; 16]);
        for handle in all {
            handle.abort();
        }
    });
}

#[test]
fn room_that_comes_late_is_found() {
    bounded(|| {
        let runtime = small(Builder::new()).workers(1).build().unwrap();
        let mut all = fill(&runtime);
        std::thread::scope(|threads| {
            let late = threads.spawn(|| runtime.spawn(async { 9 }).wait());
            let first = all.remove(0);
            first.abort();
            drop(first);
            assert_eq!(late.join().unwrap().unwrap(), 9);
        });
        for handle in all {
            handle.abort();
        }
    });
}

#[test]
fn a_fiber_that_is_cancelled_while_it_waits_for_room_unwinds() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = small(builder).workers(1).build().unwrap();
            let drops = DropCount::default();
            let (token, inner) = (drops.token(), drops.token());
            let (told, begins) = std::sync::mpsc::channel();
            let waits = runtime.spawn(async move {
                let _token = token;
                let all: Vec<_> = (1..CAPACITY).map(|_| spawn(pending::<()>())).collect();
                told.send(()).unwrap();
                let more = spawn(async move {
                    let _inner = inner;
                    pending::<()>().await;
                });
                drop((all, more));
            });
            begins.recv().unwrap();
            waits.abort();
            assert!(waits.wait().unwrap_err().is_cancelled());
            assert_eq!(drops.count(), 2);
        }
    });
}

#[test]
fn a_clock_that_stands_still_holds_up_no_spawn() {
    bounded(|| {
        let clock = VirtualClock::new();
        let runtime = small(Builder::new()).workers(1).clock(&clock);
        let runtime = runtime.build().unwrap();
        let all = runtime.spawn(async {
            for _ in 0..MANY {
                drop(spawn(async {}));
            }
        });
        all.wait().unwrap();
    });
}
