//! A runtime ends: everything is dropped once, threads are joined, memory goes back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs,
    future::pending,
    hint::black_box,
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    DropCount, WORKERS, bounded, emulated, park_in_each_way, stackful, this_program, until,
};
use dtact::{Builder, JoinError, Runtime, SpawnError, WaitExt as _, fiber, spawn, wait, yield_now};

#[test]
fn dropping_a_runtime_ends_fibers_parked_in_each_way() {
    bounded(|| {
        for workers in WORKERS {
            for builder in [Builder::new(), stackful()] {
                let runtime = builder.workers(workers).stack("64K").build().unwrap();
                let drops = DropCount::default();
                let handles = park_in_each_way(&runtime, &drops);
                assert_eq!(drops.count(), 0);
                drop(runtime);
                assert_eq!(drops.count(), 3);
                for handle in handles {
                    assert!(handle.wait().unwrap_err().is_cancelled());
                }
            }
        }
    });
}

#[test]
fn dropping_a_runtime_ends_fibers_that_never_stop_yielding() {
    bounded(|| {
        for workers in WORKERS {
            let runtime = stackful().workers(workers).stack("64K").build().unwrap();
            let drops = DropCount::default();
            for index in 0..20 {
                let token = drops.token();
                if index % 2 == 0 {
                    drop(runtime.spawn(async move {
                        let _token = token;
                        loop {
                            yield_now().await;
                        }
                    }));
                } else {
                    drop(runtime.spawn_with_stack("64K", move || {
                        let _token = token;
                        loop {
                            wait(yield_now());
                        }
                    }));
                }
            }
            drop(runtime);
            assert_eq!(drops.count(), 20);
        }
    });
}

#[test]
fn dropping_a_runtime_while_fibers_spawn_fibers_ends_them_all() {
    fn breed(drops: &DropCount) {
        for _ in 0..2 {
            let (token, drops) = (drops.token(), drops.clone());
            drop(spawn(async move {
                let _token = token;
                yield_now().await;
                breed(&drops);
            }));
        }
    }
    bounded(|| {
        for workers in WORKERS {
            // Some of them wait for room when the runtime ends, in one of the runtimes.
            let timeout = Duration::from_millis(if workers == 2 { 100 } else { 0 });
            let runtime = Builder::new()
                .workers(workers)
                .fibers(1_000)
                .spawn_timeout(timeout)
                .stack("64K")
                .build()
                .unwrap();
            let drops = DropCount::default();
            let seed = drops.clone();
            drop(runtime.spawn(async move { breed(&seed) }));
            common::until("there are many", || runtime.metrics().spawned > 5_000);
            drop(runtime);
            let count = drops.count();
            assert!(count > 5_000, "{count}");
        }
    });
}

#[test]
fn a_runtime_dropped_by_one_of_its_own_fibers_ends_all_the_same() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = builder.workers(2).stack("64K").build().unwrap();
            let drops = DropCount::default();
            let handles = park_in_each_way(&runtime, &drops);
            let (go, begin) = async_channel::bounded::<Runtime>(1);
            let last = runtime.spawn(async move {
                drop(begin.recv().await);
                7
            });
            go.send(runtime).wait().unwrap();
            for handle in handles {
                assert!(handle.wait().unwrap_err().is_cancelled());
            }
            assert_eq!(drops.count(), 3);
            // It ran to its end, or was cancelled at a suspension after the drop.
            assert!(matches!(last.wait(), Ok(7) | Err(JoinError::Cancelled)));
        }
    });
}

#[expect(clippy::needless_collect, reason = "all spawn at the same time")]
#[test]
fn spawning_from_outside_races_with_shutdown_and_loses_nothing() {
    bounded(|| {
        for _ in 0..200 {
            let runtime = Builder::new()
                .workers(1)
                .fibers(4_096)
                .stack("64K")
                .build()
                .unwrap();
            let drops = DropCount::default();
            let spawned: usize = std::thread::scope(|scope| {
                let spawners: Vec<_> = (0..3)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut count = 0;
                            loop {
                                let token = drops.token();
                                let fiber = runtime.try_spawn(async move {
                                    let _token = token;
                                    pending::<()>().await;
                                });
                                match fiber {
                                    Ok(handle) => {
                                        count += 1;
                                        drop(handle);
                                    }
                                    Err(refused) if refused.error == SpawnError::ShutDown => {
                                        return count;
                                    }
                                    Err(_full) => std::thread::yield_now(),
                                }
                            }
                        })
                    })
                    .collect();
                runtime.shutdown(Duration::from_secs(30)).unwrap();
                spawners
                    .into_iter()
                    .map(|spawner| spawner.join().unwrap())
                    .sum()
            });
            assert_eq!(runtime.metrics().finished, spawned as u64);
            drop(runtime);
            assert!(drops.count() >= spawned);
        }
    });
}

#[test]
fn after_shutdown_spawning_is_refused_and_joining_still_works() {
    bounded(|| {
        let runtime = stackful().workers(2).stack("64K").build().unwrap();
        let before = runtime.spawn(async { 5 });
        common::until("it has ended", || before.is_finished());
        runtime.shutdown(Duration::from_secs(10)).unwrap();
        let refused = runtime.try_spawn(async { 6 }).unwrap_err();
        assert_eq!(refused.error, SpawnError::ShutDown);
        assert_eq!(wait(refused.rejected), 6, "the future was given back");
        let refused = runtime.spawn_with_stack("64K", || ()).wait();
        assert!(matches!(
            refused,
            Err(JoinError::NotSpawned(SpawnError::ShutDown))
        ));
        assert_eq!(before.wait().unwrap(), 5);
        assert_eq!(runtime.block_on(async { 1 }), 1);
        runtime.shutdown(Duration::ZERO).unwrap();
    });
}

#[test]
fn a_shutdown_that_runs_out_of_time_says_so_and_can_go_on() {
    static STOP: AtomicBool = AtomicBool::new(false);
    bounded(|| {
        let runtime = Builder::new().workers(2).stack("64K").build().unwrap();
        let (started, begun) = async_channel::bounded(1);
        let busy = runtime.spawn(async move {
            started.send(()).await.unwrap();
            // A fiber that never suspends cannot be cancelled.
            while !STOP.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            3
        });
        begun.recv().wait().unwrap();
        let called = Instant::now();
        let error = runtime.shutdown(Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.alive_count, 1);
        assert!(called.elapsed() >= Duration::from_millis(50));
        STOP.store(true, Ordering::Relaxed);
        runtime.shutdown(Duration::from_secs(30)).unwrap();
        assert_eq!(busy.wait().unwrap(), 3);
    });
}

#[test]
fn a_runtime_whose_end_took_two_calls_gives_its_place_to_the_next() {
    bounded(|| {
        // More than there can be at a time.
        for _ in 0..260 {
            let builder = Builder::new().workers(1).fibers(4).stacks(2);
            let runtime = builder.stack("64K").build().unwrap();
            let (stop, told) = std::sync::mpsc::channel::<()>();
            let (started, begun) = std::sync::mpsc::channel();
            let busy = runtime.spawn(async move {
                started.send(()).unwrap();
                told.recv()
            });
            begun.recv().unwrap();
            runtime.shutdown(Duration::ZERO).unwrap_err();
            stop.send(()).unwrap();
            runtime.shutdown(Duration::from_secs(30)).unwrap();
            assert!(busy.wait().is_ok());
        }
    });
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .expect("procfs is there")
        .count()
}

fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps")
        .expect("procfs is there")
        .lines()
        .count()
}

/// Threads and mappings are counted for the process: no other test may run beside these.
#[test]
fn runtimes_come_and_go_without_leaving_threads_or_memory() {
    fn round(drops: &DropCount) {
        let runtime = stackful().workers(4).stack("64K").build().unwrap();
        let handles: Vec<_> = (0..100)
            .map(|index| runtime.spawn(async move { index }))
            .collect();
        for (index, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.wait().unwrap(), index);
        }
        drop(park_in_each_way(&runtime, drops));
    }
    // In a process of its own, since the other tests come and go.
    const ALONE: &str = "DTACT_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "runtimes_come_and_go_without_leaving_threads_or_memory";
        let child = this_program()
            .args(["--exact", name, "--test-threads=1", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stderr);
        assert!(
            child.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&child.stdout)
        );
        return;
    }
    bounded(|| {
        let drops = DropCount::default();
        for _ in 0..10 {
            round(&drops);
        }
        let (threads_before, mappings_before) = (threads(), mappings());
        // An emulator takes a hundred times as long to start and end a thread.
        let rounds = if emulated() { 20 } else { 300 };
        for _ in 0..rounds {
            round(&drops);
        }
        assert_eq!(drops.count(), (10 + rounds) * 3);
        assert_eq!(threads(), threads_before);
        let mappings_after = mappings();
        // ThreadSanitizer maps memory of its own as it learns.
        assert!(
            cfg!(dtact_tsan) || mappings_after <= mappings_before + 8,
            "{mappings_before} mappings became {mappings_after}"
        );
    });
}

#[test]
fn a_configuration_that_cannot_be_is_refused_before_anything_starts() {
    fn refusal(builder: Builder) -> String {
        builder.build().expect_err("it cannot be").to_string()
    }
    bounded(|| {
        for (builder, word) in [
            (Builder::new().workers(0), "worker"),
            (Builder::new().workers(100_000), "worker"),
            (Builder::new().fibers(0), "capacity"),
            (Builder::new().fibers(u32::MAX), "capacity"),
            (Builder::new().stack("16X"), "stack size"),
            (Builder::new().stack(0), "zero"),
            (Builder::new().stack("1G"), "stack"),
            (Builder::new().workers(2).stacks(3), "stacks"),
            (Builder::new().stacks(0), ""),
            (Builder::new().workers(4).threads_max(2), "worker"),
        ] {
            let text = refusal(builder.clone());
            assert!(text.contains(word), "{builder:?} gave: {text}");
        }
    });
}

#[test]
fn a_fiber_that_a_shutdown_has_cancelled_stays_cancelled() {
    bounded(|| {
        // A shutdown says first that all is to end, and then goes through the cells, the small ones
        // first. An emulator takes long to fill so many.
        let cells = if emulated() { 2_000 } else { 100_000 };
        for _ in 0..5 {
            let runtime = stackful().workers(1).stack("64K").build().unwrap();
            let (open, gate) = async_channel::bounded::<()>(1);
            let wait_there = || {
                let gate = gate.clone();
                runtime.spawn(async move { assert!(gate.recv().await.is_err()) })
            };
            let crowd: Vec<_> = (0..cells).map(|_| wait_there()).collect();
            drop(open);
            for one in crowd {
                one.wait().unwrap();
            }
            let begun = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&begun);
            let large = [0_u8; 4_000];
            let stays = runtime.spawn_with_stack("64K", move || {
                black_box(&large);
                told.store(true, Ordering::Release);
                while catch_unwind(fiber::yield_now).is_ok() {}
                (0..100).all(|_| catch_unwind(fiber::yield_now).is_err())
            });
            until("it runs", || begun.load(Ordering::Acquire));
            drop(runtime);
            assert!(stays.wait().unwrap(), "it went on");
        }
    });
}
