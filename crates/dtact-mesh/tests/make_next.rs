//! A task that is made next comes before what was in front of it, and starves nobody.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]
#![allow(clippy::unwrap_used, reason = "only tests call it")]

mod support;

use std::sync::Arc;

use dtact_mesh::{Config, Dormant, Mesh, Parked, Replacement, Worker};
use support::{Asking, asking, drain, id, lone, task};

fn asked(workers_max: usize, tasks: usize) -> (Arc<Mesh<Asking>>, Worker<Asking>) {
    let mesh = asking(Config::new(1, workers_max), tasks);
    let worker = mesh.worker(id(0)).unwrap();
    (mesh, worker)
}

#[test]
fn a_task_of_the_ring_comes_first_and_the_others_keep_their_order() {
    let (_mesh, worker) = asked(1, 8);
    (0..8).for_each(|raw| worker.push(task(raw)));
    assert!(worker.make_next(task(3)));
    assert_eq!(worker.next(), Some(task(3)));
    // Now those before it are in the chunk.
    assert!(worker.make_next(task(2)));
    assert_eq!(worker.next(), Some(task(2)));
    assert!(worker.make_next(task(5)));
    assert_eq!(drain(&worker), [5, 0, 1, 4, 6, 7]);
}

#[test]
fn it_comes_before_the_slot_and_the_pinned_ones() {
    let (_mesh, worker) = asked(1, 8);
    (0..3).for_each(|raw| worker.push(task(raw)));
    worker.push_pinned(task(3));
    worker.push_pinned(task(4));
    worker.push_woken(task(5));
    assert!(worker.make_next(task(2)));
    assert_eq!(worker.next(), Some(task(2)));
    assert!(worker.make_next(task(4)));
    assert_eq!(worker.next(), Some(task(4)));
    assert!(worker.make_next(task(5)));
    assert_eq!(worker.next(), Some(task(5)));
    assert_eq!(drain(&worker), [0, 3, 1]);
}

#[test]
fn the_fourth_in_a_row_has_to_wait_its_turn() {
    let (_mesh, worker) = asked(1, 4);
    (0..4).for_each(|raw| worker.push(task(raw)));
    let mut runs = [0; 4];
    // Two that give way to each other, beside two that wait.
    let mut running = worker.next().unwrap();
    for _ in 0..400 {
        let other = task(usize::from(running == task(0)));
        let _is_next = worker.make_next(other);
        worker.push_yielded(running);
        running = worker.next().unwrap();
        runs[running.raw() as usize] += 1;
    }
    assert!(runs[2] >= 25 && runs[3] >= 25, "starved: {runs:?}");
    assert!(runs[0] >= 75 && runs[1] >= 75, "not made next: {runs:?}");
}

/// What is made next brings others into the chunk each time, so that it need never be empty.
#[test]
fn neither_the_slot_nor_the_shared_queues_wait_for_a_chunk_that_is_filled_again_and_again() {
    let (mesh, worker) = asked(1, 12);
    (0..10).for_each(|raw| worker.push(task(raw)));
    let mut running = worker.next().unwrap();
    worker.push_woken(task(10));
    mesh.inject(task(11));
    let mut outstanding = vec![task(10), task(11)];
    for call in 0_usize..400 {
        let other = task(if call % 2 == 0 { 8 } else { 9 });
        let _is_next = worker.make_next(other);
        worker.push_yielded(running);
        running = worker.next().unwrap();
        outstanding.retain(|&one| one != running);
        if outstanding.is_empty() {
            return;
        }
    }
    panic!("{outstanding:?} never came");
}

#[test]
fn a_task_between_two_of_them_lets_the_count_begin_again() {
    let (_mesh, worker) = asked(1, 4);
    (0..3).for_each(|raw| worker.push(task(raw)));
    for _ in 0..20 {
        assert!(worker.make_next(task(2)), "refused although others ran");
        for expected in [2, 0, 1] {
            assert_eq!(worker.next(), Some(task(expected)));
        }
        (0..3).for_each(|raw| worker.push(task(raw)));
    }
}

#[test]
fn what_is_not_queued_here_stays_where_it_is() {
    let (mesh, worker) = asked(1, 64);
    assert!(!worker.make_next(task(0)));
    mesh.inject(task(1));
    assert!(!worker.make_next(task(1)));
    assert_eq!(drain(&worker), [1]);
    // Too far back, in both queues.
    (0..20).for_each(|raw| worker.push(task(raw)));
    (20..40).for_each(|raw| worker.push_pinned(task(raw)));
    assert!(!worker.make_next(task(19)));
    assert!(!worker.make_next(task(39)));
    let mut rest = drain(&worker);
    rest.sort_unstable();
    assert_eq!(rest, (0..40).collect::<Vec<_>>());
    assert!(worker.is_lone());
    // Where tasks ask for nothing, nothing is made next.
    let plain = lone(1);
    plain.push(task(0));
    assert!(!plain.make_next(task(0)));
    assert_eq!(drain(&plain), [0]);
}

#[test]
fn the_last_of_the_pinned_ones_leaves_the_list_whole() {
    let (_mesh, worker) = asked(1, 8);
    (0..3).for_each(|raw| worker.push_pinned(task(raw)));
    assert!(worker.make_next(task(2)));
    worker.push_pinned(task(3));
    assert_eq!(drain(&worker), [2, 0, 1, 3]);
}

#[test]
fn mail_is_looked_at() {
    let (mesh, worker) = asked(1, 4);
    worker.push(task(0));
    mesh.inject_pinned(id(0), task(1));
    mesh.inject_pinned(id(0), task(2));
    assert!(worker.make_next(task(2)));
    assert_eq!(worker.next(), Some(task(2)));
    let mut rest = drain(&worker);
    rest.sort_unstable();
    assert_eq!(rest, [0, 1]);
}

#[test]
fn a_worker_that_blocks_or_goes_dormant_leaves_it_to_others() {
    let (mesh, worker) = asked(2, 4);
    (0..2).for_each(|raw| worker.push(task(raw)));
    assert!(worker.make_next(task(1)));
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    assert_eq!(drain(&spare).len(), 2);
    spare.push(task(2));
    assert!(spare.make_next(task(2)));
    worker.end_blocking();
    mesh.inject_pinned(id(1), task(3));
    assert_eq!(spare.go_dormant(), Dormant::Pinned);
    assert_eq!(spare.next_pinned(), Some(task(3)));
    assert_eq!(drain(&worker), [2]);
    mesh.close();
    assert_eq!(spare.go_dormant(), Dormant::Closed);
    assert_eq!(worker.park(), Parked::Closed);
}
