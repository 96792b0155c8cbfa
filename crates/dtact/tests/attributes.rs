//! What fibers ask of the scheduler, and what comes of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    collections::{BTreeMap, HashSet},
    future::pending,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use common::{bounded, stackful};
use dtact::{
    Affinity, Builder, Priority, Runtime, TopologyMode, WorkloadKind, spawn, spawn_with, task,
    time::sleep, wait, yield_now,
};

type Log<T> = Arc<Mutex<Vec<T>>>;

const PRIORITIES: [Priority; 4] = [
    Priority::Low,
    Priority::Normal,
    Priority::High,
    Priority::Critical,
];

fn runtime(workers: usize, mode: TopologyMode) -> Runtime {
    let builder = Builder::new().workers(workers).topology_mode(mode);
    builder.stack("64K").build().unwrap()
}

/// The threads on which a fiber finds itself over many steps.
async fn wander() -> HashSet<ThreadId> {
    let mut threads = HashSet::new();
    for _ in 0..100 {
        threads.insert(thread::current().id());
        yield_now().await;
    }
    threads
}

#[test]
fn the_most_urgent_fiber_runs_first() {
    bounded(|| {
        for mode in [
            TopologyMode::P2PMesh,
            TopologyMode::Global,
            TopologyMode::Pinned,
        ] {
            let runtime = runtime(1, mode);
            let log: Log<Priority> = Arc::default();
            let inner = Arc::clone(&log);
            let all = runtime.spawn(async move {
                let handles = PRIORITIES.map(|priority| {
                    let log = Arc::clone(&inner);
                    spawn_with()
                        .priority(priority)
                        .spawn(async move { log.lock().unwrap().push(priority) })
                });
                for handle in handles {
                    handle.await.unwrap();
                }
            });
            all.wait().unwrap();
            let mut expected = PRIORITIES;
            expected.reverse();
            assert_eq!(*log.lock().unwrap(), expected, "{mode:?}");
        }
    });
}

#[test]
fn a_fiber_of_the_lowest_priority_gets_its_turn_beside_urgent_ones_that_never_end() {
    bounded(|| {
        let runtime = runtime(1, TopologyMode::P2PMesh);
        let busy: Vec<_> = runtime.block_on(async {
            let busy = (0..8).map(|_| {
                spawn_with().priority(Priority::Critical).spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            });
            busy.collect()
        });
        let low = runtime.block_on(async {
            let low = spawn_with().priority(Priority::Low).spawn(wander());
            low.await
        });
        assert_eq!(low.unwrap().len(), 1);
        drop::<Vec<dtact::JoinHandle<()>>>(busy);
    });
}

#[test]
fn a_fiber_of_one_core_stays_on_its_worker() {
    bounded(|| {
        let runtime = runtime(4, TopologyMode::P2PMesh);
        let stayed = runtime.spawn(async {
            let own = thread::current().id();
            let near = spawn_with().affinity(Affinity::SameCore);
            let handles: Vec<_> = (0..64).map(|_| near.spawn(wander())).collect();
            let mut all = HashSet::new();
            for handle in handles {
                all.extend(handle.await.unwrap());
            }
            all == HashSet::from([own])
        });
        assert!(stayed.wait().unwrap());
    });
}

#[test]
fn fibers_of_one_core_that_no_worker_spawns_are_dealt_out() {
    bounded(|| {
        let runtime = runtime(4, TopologyMode::P2PMesh);
        runtime.block_on(async {
            // What belongs to a worker that has not begun yet is anybody's.
            for handle in [(); 4].map(|()| spawn_with().pinned().spawn(async {})) {
                handle.await.unwrap();
            }
        });
        let handles: Vec<_> = runtime.block_on(async {
            let near = spawn_with().affinity(Affinity::SameCore);
            (0..8).map(|_| near.spawn(wander())).collect()
        });
        assert_dealt_out(handles);
    });
}

fn assert_dealt_out(handles: Vec<dtact::JoinHandle<HashSet<ThreadId>>>) {
    let mut fibers_of = BTreeMap::new();
    for handle in handles {
        let threads = handle.wait().unwrap();
        assert_eq!(threads.len(), 1);
        *fibers_of.entry(format!("{threads:?}")).or_insert(0) += 1;
    }
    assert_eq!(fibers_of.values().copied().collect::<Vec<_>>(), [2; 4]);
}

#[test]
fn in_a_pinned_runtime_fibers_are_dealt_out_and_stay_with_their_children() {
    bounded(|| {
        let runtime = runtime(4, TopologyMode::Pinned);
        assert_dealt_out((0..8).map(|_| runtime.spawn(wander())).collect());
        let family = runtime.spawn(async {
            let child = spawn(wander());
            let mut threads = wander().await;
            threads.extend(child.await.unwrap());
            threads
        });
        assert_eq!(family.wait().unwrap().len(), 1);
    });
}

#[test]
fn a_pinned_fiber_stays_though_its_runtime_moves_others() {
    bounded(|| {
        let runtime = runtime(4, TopologyMode::P2PMesh);
        let handles: Vec<_> = runtime.block_on(async {
            (0..8)
                .map(|_| spawn_with().pinned().spawn(wander()))
                .collect()
        });
        assert_dealt_out(handles);
    });
}

#[test]
fn in_a_pinned_runtime_a_thread_that_blocks_is_woken_by_its_timer() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            for workers in [1, 2] {
                let builder = builder.clone().workers(workers).stack("64K");
                let runtime = builder.topology_mode(TopologyMode::Pinned).build().unwrap();
                let all: Vec<_> = (0..4)
                    .map(|_| {
                        runtime.spawn_with_stack("64K", || wait(sleep(Duration::from_millis(2))))
                    })
                    .collect();
                for handle in all {
                    handle.wait().unwrap();
                }
            }
        }
    });
}

/// In which order run, on one worker, a fiber that waits behind another and then is woken, and one
/// that was spawned before the wake.
fn order(mode: TopologyMode) -> Vec<&'static str> {
    let runtime = runtime(1, mode);
    let log: Log<&'static str> = Arc::default();
    let inner = Arc::clone(&log);
    let all = runtime.spawn(async move {
        let (wake, woken) = async_channel::bounded::<()>(1);
        let log = Arc::clone(&inner);
        let first = spawn(async move {
            woken.recv().await.unwrap();
            log.lock().unwrap().push("woken");
        });
        // Until it waits.
        for _ in 0..4 {
            yield_now().await;
        }
        let second = spawn(async move { inner.lock().unwrap().push("spawned") });
        wake.try_send(()).unwrap();
        first.await.unwrap();
        second.await.unwrap();
    });
    all.wait().unwrap();
    let log = log.lock().unwrap();
    log.clone()
}

#[test]
fn a_global_runtime_keeps_the_order_of_the_calls_and_a_mesh_prefers_what_was_just_woken() {
    bounded(|| {
        assert_eq!(order(TopologyMode::P2PMesh), ["woken", "spawned"]);
        assert_eq!(order(TopologyMode::Global), ["spawned", "woken"]);
    });
}

#[task(priority = "Low", affinity = SameCore, kind = "IO")]
async fn humble(log: Log<&'static str>) {
    log.lock().unwrap().push("humble");
    pending::<()>().await;
}

#[test]
fn a_task_carries_its_attributes_into_a_plain_spawn_and_the_dump_shows_them() {
    bounded(|| {
        let runtime = runtime(1, TopologyMode::P2PMesh);
        let log: Log<&'static str> = Arc::default();
        let inner = Arc::clone(&log);
        let humble = runtime.spawn(async move {
            let humble = spawn(humble(Arc::clone(&inner)));
            let other = spawn(async move {
                yield_now().await;
                inner.lock().unwrap().push("other");
            });
            other.await.unwrap();
            [humble]
        });
        let [humble] = humble.wait().unwrap();
        common::until("both have run", || log.lock().unwrap().len() == 2);
        assert_eq!(*log.lock().unwrap(), ["other", "humble"]);
        common::until("it waits", || {
            let dump = runtime.dump();
            dump.fibers()
                .iter()
                .any(|it| it.status() == dtact::FiberStatus::Parked)
        });
        let dump = runtime.dump();
        let [fiber] = dump.fibers() else {
            panic!("one fiber is left: {dump}")
        };
        assert_eq!(fiber.priority(), Priority::Low);
        assert_eq!(fiber.affinity(), Affinity::SameCore);
        assert_eq!(fiber.kind(), WorkloadKind::IO);
        let text = dump.to_string();
        assert!(
            text.contains(", Low priority, SameCore as worker 0, IO, spawned at"),
            "{text}"
        );
        humble.abort();
        assert!(humble.wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn what_a_builder_asks_for_stays_and_the_next_fiber_of_the_cell_asks_for_nothing() {
    bounded(|| {
        let runtime = runtime(1, TopologyMode::P2PMesh);
        let [urgent] = runtime.block_on(async {
            let urgent = spawn_with().priority(Priority::High);
            [urgent.spawn(humble(Arc::default()))]
        });
        common::until("it waits", || runtime.dump().to_string().contains("parked"));
        let dump = runtime.dump();
        assert_eq!(dump.fibers()[0].priority(), Priority::High, "{dump}");
        assert_eq!(dump.fibers()[0].kind(), WorkloadKind::IO, "{dump}");
        urgent.abort();
        assert!(urgent.wait().unwrap_err().is_cancelled());
        let plain = runtime.spawn(pending::<()>());
        common::until("it waits", || runtime.dump().to_string().contains("parked"));
        let dump = runtime.dump();
        assert_eq!(dump.fibers()[0].priority(), Priority::Normal, "{dump}");
        assert_eq!(dump.fibers()[0].affinity(), Affinity::Any, "{dump}");
        drop(plain);
    });
}

#[test]
fn the_metadata_of_a_task_names_its_variants() {
    assert_eq!(dtact_metadata_humble::PRIORITY, "Low");
    assert_eq!(dtact_metadata_humble::AFFINITY, "SameCore");
    assert_eq!(dtact_metadata_humble::KIND, "IO");
    let task = humble(Arc::default());
    assert_eq!(task.metadata().priority(), Priority::Low);
    assert_eq!(task.metadata().affinity(), Affinity::SameCore);
    assert_eq!(task.metadata().kind(), WorkloadKind::IO);
}
