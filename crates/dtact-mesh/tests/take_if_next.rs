//! Taking a certain task where it is its turn.

use dtact_mesh::{ArrayLinks, Config, Mesh, TaskIndex, Worker, WorkerId};

fn task(raw: u32) -> TaskIndex {
    TaskIndex::from_raw(raw).expect("small numbers are indices")
}

fn worker(tasks: usize) -> Worker<ArrayLinks> {
    let mesh = Mesh::new(Config::new(1, 1), ArrayLinks::new(tasks)).expect("a valid mesh");
    mesh.worker(WorkerId::from_raw(0)).expect("not claimed yet")
}

fn take_if_next(worker: &Worker<ArrayLinks>, task: TaskIndex) -> bool {
    worker.take_if_next(task, || true)
}

#[test]
fn only_the_task_whose_turn_it_is_can_be_had_and_the_order_stays() {
    let worker = worker(128);
    assert!(!take_if_next(&worker, task(1)), "it is not queued");
    for raw in 1..100 {
        worker.push(task(raw));
    }
    for raw in 1..100 {
        assert!(
            !take_if_next(&worker, task(raw % 99 + 1 + u32::from(raw == 98))),
            "not yet"
        );
        if !take_if_next(&worker, task(raw)) {
            assert_eq!(worker.next(), Some(task(raw)));
        }
    }
    assert_eq!(worker.next(), None);
}

#[test]
fn it_is_refused_now_and_then_so_that_the_worker_looks_around() {
    let worker = worker(8);
    let refused = (0..1_000).filter(|_| {
        worker.push(task(1));
        let is_taken = take_if_next(&worker, task(1));
        if !is_taken {
            assert_eq!(worker.next(), Some(task(1)));
        }
        !is_taken
    });
    let refused = refused.count();
    assert!((30..=80).contains(&refused), "{refused} of 1000");
}

#[test]
fn what_was_woken_comes_first_and_pinned_tasks_take_turns() {
    let worker = worker(8);
    worker.push(task(1));
    worker.push_woken(task(2));
    assert!(!take_if_next(&worker, task(1)));
    assert_eq!(worker.next(), Some(task(2)));
    worker.push(task(3));
    worker.push_pinned(task(4));
    assert!(take_if_next(&worker, task(1)));
    assert!(
        !take_if_next(&worker, task(3)),
        "now it is the pinned one's turn"
    );
    assert_eq!(worker.next(), Some(task(4)));
    assert!(take_if_next(&worker, task(3)));
}

#[test]
fn tasks_that_are_taken_and_gone_on_with_are_counted() {
    let worker = worker(8);
    worker.push(task(1));
    assert!(take_if_next(&worker, task(1)));
    worker.go_on_with(task(2));
    assert_eq!(worker.mesh().stats()[0].taken, 2);
}

#[test]
fn who_asks_has_the_last_word_and_is_asked_only_where_it_is_its_turn() {
    let worker = worker(8);
    worker.push(task(1));
    assert!(!worker.take_if_next(task(2), || unreachable!("it is not its turn")));
    assert!(!worker.take_if_next(task(1), || false));
    assert_eq!(worker.next(), Some(task(1)), "it stayed");
}
