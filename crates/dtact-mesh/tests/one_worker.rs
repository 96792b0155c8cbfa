//! One worker alone: the order of its tasks, its limits, wrong arguments.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]

mod support;

use dtact_mesh::{ArrayLinks, Config, Mesh, MeshError, Parked, Replacement, TaskIndex};
use support::{drain, id, lone, mesh, task};

/// More than a ring and its half in the warehouse hold together, several times over.
const MANY: usize = if cfg!(miri) { 3_000 } else { 1_000_000 };

#[test]
fn numbers_of_more_than_28_bits_are_no_indices() {
    let largest = (1 << 28) - 2;
    assert_eq!(TaskIndex::from_raw(u32::MAX), None);
    assert_eq!(TaskIndex::from_raw(largest + 1), None);
    assert_eq!(TaskIndex::from_raw(0).unwrap().raw(), 0);
    assert_eq!(TaskIndex::from_raw(largest).unwrap().raw(), largest);
}

#[test]
fn a_wrong_size_is_an_error() {
    let error = |workers, workers_max| {
        Mesh::new(Config::new(workers, workers_max), ArrayLinks::new(0)).err()
    };
    assert_eq!(error(0, 0), Some(MeshError::NoWorkers));
    assert_eq!(error(0, 4), Some(MeshError::NoWorkers));
    let below = MeshError::MaxBelowWorkers {
        workers: 2,
        workers_max: 1,
    };
    assert_eq!(error(2, 1), Some(below));
    assert_eq!(
        error(1, 1025),
        Some(MeshError::TooManyWorkers { workers_max: 1025 })
    );
    assert_eq!(error(1024, 1024), None);
    assert_eq!(error(1, 1), None);
    assert!(below.to_string().contains("raise it to 2"));
}

#[test]
fn a_worker_is_claimed_once_at_a_time() {
    let mesh = mesh(1, 2, 0);
    let worker = mesh.worker(id(0)).unwrap();
    assert!(mesh.worker(id(0)).is_none());
    assert!(mesh.worker(id(2)).is_none());
    drop(worker);
    assert!(mesh.worker(id(0)).is_some());
}

#[test]
fn an_empty_mesh_gives_nothing() {
    let worker = lone(0);
    assert_eq!(worker.next(), None);
    assert_eq!(worker.next_pinned(), None);
    assert!(worker.is_lone());
    assert!(!worker.is_surplus());
}

#[test]
fn pushed_tasks_come_in_order() {
    let worker = lone(500);
    (0..400).for_each(|raw| worker.push(task(raw)));
    let first = worker.next().unwrap();
    worker.push_yielded(first);
    let expected: Vec<_> = (1..400).chain([0]).collect();
    assert_eq!(drain(&worker), expected);
}

#[test]
fn injected_tasks_come_in_order() {
    // As many as the worker takes at once.
    let worker = lone(128);
    (0..128).for_each(|raw| worker.mesh().inject(task(raw)));
    assert!(!worker.is_lone());
    assert_eq!(drain(&worker), (0..128).collect::<Vec<_>>());
    assert!(worker.is_lone());
}

#[test]
fn pinned_tasks_come_in_order_from_near_and_far() {
    let worker = lone(10);
    worker.push_pinned(task(0));
    worker.mesh().inject_pinned(id(0), task(1));
    worker.mesh().inject_pinned(id(0), task(2));
    worker.send_pinned(id(0), task(3));
    assert_eq!(drain(&worker), [0, 3, 1, 2]);
}

#[test]
fn pinned_tasks_and_the_ring_take_turns() {
    let worker = lone(8);
    (0..4).for_each(|raw| worker.push(task(raw)));
    (4..8).for_each(|raw| worker.push_pinned(task(raw)));
    let order = drain(&worker);
    for pair in order.chunks(2) {
        assert_ne!(pair[0] < 4, pair[1] < 4, "{order:?}");
    }
}

#[test]
fn a_woken_task_is_next_and_displaces_the_one_before() {
    let worker = lone(4);
    worker.push(task(0));
    worker.push_woken(task(1));
    worker.push_woken(task(2));
    assert_eq!(drain(&worker), [2, 0, 1]);
}

#[test]
fn woken_tasks_come_at_most_three_in_a_row() {
    let worker = lone(2);
    worker.push(task(0));
    worker.push_woken(task(1));
    let mut row = 0;
    for _ in 0..100 {
        let next = worker.next().unwrap();
        if next == task(1) {
            row += 1;
            // Three from the slot, and one that waited its turn in the ring.
            assert!(row <= 4);
            worker.push_woken(next);
        } else {
            assert!(row > 0);
            row = 0;
            worker.push_yielded(next);
        }
    }
}

#[test]
fn a_woken_task_waits_for_the_few_that_were_taken_out_of_a_long_ring() {
    let worker = lone(300);
    (0..256).for_each(|raw| worker.push(task(raw)));
    assert_eq!(worker.next(), Some(task(0)));
    worker.push_woken(task(256));
    let taken: Vec<_> = std::iter::from_fn(|| worker.next()).take(16).collect();
    let expected: Vec<_> = (1..16).chain([256]).map(task).collect();
    assert_eq!(taken, expected);
}

#[test]
fn of_more_yielding_tasks_than_a_ring_holds_each_gets_its_turns_and_few_are_carried_about() {
    let tasks = MANY / 100;
    let worker = lone(tasks);
    (0..tasks).for_each(|raw| worker.push(task(raw)));
    let stored = |worker: &dtact_mesh::Worker<_>| worker.mesh().stats()[0].stored;
    let before = stored(&worker);
    let mut turns = vec![0_u32; tasks];
    // Enough for all to come in once, though those that are in have several turns each.
    let calls = 8 * tasks;
    for _ in 0..calls {
        let task = worker.next().unwrap();
        turns[task.raw() as usize] += 1;
        worker.push_yielded(task);
    }
    let idle = turns.iter().filter(|&&turns| turns == 0).count();
    assert_eq!(idle, 0, "tasks had no turn");
    let carried = stored(&worker) - before;
    assert!(carried < calls as u64 / 2, "{carried} of {calls} carried");
}

#[test]
fn a_busy_ring_does_not_starve_the_shared_queue() {
    let worker = lone(3);
    worker.push(task(0));
    worker.push_pinned(task(1));
    worker.mesh().inject(task(2));
    let waited = core::iter::from_fn(|| {
        let next = worker.next().unwrap();
        if next == task(0) {
            worker.push_yielded(next);
        } else {
            worker.push_pinned(next);
        }
        (next != task(2)).then_some(())
    });
    assert!(waited.take(1000).count() < 18);
}

#[test]
fn an_overflowing_ring_loses_nothing() {
    let worker = lone(MANY);
    (0..MANY).for_each(|raw| worker.push(task(raw)));
    let mut seen = vec![false; MANY];
    for raw in drain(&worker) {
        assert!(
            !core::mem::replace(&mut seen[raw], true),
            "task {raw} came twice"
        );
    }
    assert!(seen.iter().all(|&seen| seen));
}

#[test]
fn the_full_ring_keeps_the_order_of_what_it_holds() {
    let worker = lone(1024);
    (0..1024).for_each(|raw| worker.push(task(raw)));
    assert_eq!(drain(&worker), (0..1024).collect::<Vec<_>>());
}

#[test]
fn a_dropped_worker_leaves_its_tasks_to_the_next() {
    let mesh = mesh(1, 1, 300);
    let worker = mesh.worker(id(0)).unwrap();
    (0..200).for_each(|raw| worker.push(task(raw)));
    assert_eq!(worker.next(), Some(task(0)));
    worker.push_woken(task(200));
    worker.push_pinned(task(201));
    worker.push_pinned(task(202));
    drop(worker);
    let mut left = drain(&mesh.worker(id(0)).unwrap());
    let pinned: Vec<_> = left.iter().copied().filter(|&raw| raw > 200).collect();
    assert_eq!(pinned, [201, 202]);
    left.sort_unstable();
    assert_eq!(left, (1..203).collect::<Vec<_>>());
}

#[test]
fn a_worker_with_work_does_not_park() {
    let worker = lone(2);
    worker.push(task(0));
    assert_eq!(worker.park(), Parked::Work);
    assert_eq!(worker.next(), Some(task(0)));
    worker.mesh().inject(task(1));
    assert_eq!(worker.park(), Parked::Work);
    assert_eq!(worker.next(), Some(task(1)));
    worker.mesh().inject_pinned(id(0), task(0));
    assert_eq!(worker.park(), Parked::Work);
    assert_eq!(worker.next(), Some(task(0)));
    worker.mesh().close();
    assert_eq!(worker.park(), Parked::Closed);
}

#[test]
fn a_closed_mesh_still_gives_its_tasks() {
    let worker = lone(1);
    worker.push(task(0));
    worker.mesh().close();
    assert!(worker.mesh().is_closed());
    assert_eq!(worker.park(), Parked::Closed);
    assert_eq!(worker.next(), Some(task(0)));
}

#[test]
fn counts_tell_what_was_taken() {
    let worker = lone(5);
    (0..5).for_each(|raw| worker.push(task(raw)));
    drain(&worker);
    let stats = worker.mesh().stats();
    assert_eq!(stats.len(), 1);
    assert_eq!(
        (stats[0].worker, stats[0].taken, stats[0].stolen),
        (id(0), 5, 0)
    );
}

#[test]
#[should_panic(expected = "no worker 1")]
fn a_task_for_a_worker_that_is_not_there_panics() {
    mesh(1, 1, 1).inject_pinned(id(1), task(0));
}

#[test]
#[should_panic(expected = "blocks already")]
fn blocking_twice_panics() {
    let worker = lone(0);
    assert_eq!(worker.begin_blocking(), Replacement::LimitReached);
    let _ = worker.begin_blocking();
}

#[test]
#[should_panic(expected = "does not block")]
fn ending_what_was_not_begun_panics() {
    lone(0).end_blocking();
}

#[test]
#[should_panic(expected = "waits for a thread")]
fn abandoning_what_was_not_asked_for_panics() {
    mesh(1, 2, 0).abandon_start(id(1));
}
