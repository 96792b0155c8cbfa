//! Models of blocking: the tasks of a worker that blocks, or goes dormant, find someone awake.

use loom::thread;

use super::{assert_each_once, check, mesh, task};
use crate::{
    ArrayLinks, Dormant, Mesh, Parked, Replacement, TaskIndex, Worker, WorkerId, park::Planted,
};
use std::sync::Arc;

/// Worker 0, which runs, and its spare, which is surplus.
fn with_surplus_spare() -> (
    Arc<Mesh<ArrayLinks>>,
    Worker<ArrayLinks>,
    Worker<ArrayLinks>,
) {
    let (mesh, mut workers) = mesh(1, 2, Planted::Nothing);
    let worker = workers.pop().expect("one worker");
    let spare = WorkerId::from_raw(1);
    assert_eq!(worker.begin_blocking(), Replacement::Start(spare));
    let spare = mesh.worker(spare).expect("the spare is free");
    worker.end_blocking();
    (mesh, worker, spare)
}

fn wait_for_task(worker: &Worker<ArrayLinks>) -> Option<TaskIndex> {
    loop {
        if let Some(task) = worker.next() {
            return Some(task);
        }
        if worker.park() == Parked::Closed {
            return worker.next();
        }
    }
}

#[test]
fn a_dormant_spare_takes_over_what_a_blocked_worker_pushed() {
    check(|| {
        let (_mesh, worker, spare) = with_surplus_spare();
        let spare = thread::spawn(move || {
            assert!(matches!(
                spare.go_dormant(),
                Dormant::Activated | Dormant::Stayed
            ));
            wait_for_task(&spare)
        });
        worker.push_woken(task(0));
        let replacement = worker.begin_blocking();
        assert!(matches!(
            replacement,
            Replacement::Woken | Replacement::NotNeeded
        ));
        assert_eq!(spare.join().expect("the spare ends"), Some(task(0)));
    });
}

#[test]
fn a_pinned_task_wakes_a_dormant_spare() {
    check(|| {
        let (mesh, _worker, spare) = with_surplus_spare();
        let spare = thread::spawn(move || {
            assert_eq!(spare.go_dormant(), Dormant::Pinned);
            spare.next_pinned()
        });
        mesh.inject_pinned(WorkerId::from_raw(1), task(0));
        assert_eq!(spare.join().expect("the spare ends"), Some(task(0)));
    });
}

#[test]
fn a_worker_that_parks_gets_what_a_surplus_one_gives_away() {
    check(|| {
        let (mesh, worker, spare) = with_surplus_spare();
        spare.push(task(0));
        let spare = thread::spawn(move || {
            assert_eq!(spare.go_dormant(), Dormant::Closed);
        });
        let got = wait_for_task(&worker);
        assert_each_once(got.into_iter().collect(), 1);
        mesh.close();
        spare.join().expect("the spare ends");
    });
}
