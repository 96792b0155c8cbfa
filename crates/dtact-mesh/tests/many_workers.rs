//! Workers on threads of their own: each task runs exactly once, on a worker that may run it.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]

mod support;

use std::{sync::Arc, thread};

use dtact_mesh::{TaskIndex, Worker};
use support::{Ledger, drain, id, join_all, mesh, run_worker, task, wait_until};

const TASKS: usize = if cfg!(miri) { 300 } else { 200_000 };

/// The tasks form a tree, task `n` having `2n + 1` and `2n + 2` under it. Each queues those under
/// it in a way that its number decides; every hundredth is the root of its own, injected.
fn tree(workers: usize) {
    let mesh = mesh(workers, workers, TASKS);
    let ledger = Ledger::new(TASKS);
    let threads = (0..workers).map(|at| {
        let ledger = Arc::clone(&ledger);
        run_worker(&mesh, at, move |worker, task| {
            spread(worker, task, workers, &ledger);
        })
    });
    let threads = threads.collect();
    let outside = Arc::clone(&mesh);
    let injecting = thread::spawn(move || {
        (0..TASKS)
            .filter(|raw| raw % 100 == 0)
            .for_each(|raw| outside.inject(task(raw)));
    });
    injecting.join().expect("injecting does not panic");
    wait_until("all tasks ran", || ledger.total() == TASKS);
    mesh.close();
    join_all(threads);
    ledger.assert_complete();
}

fn spread(
    worker: &Worker<dtact_mesh::ArrayLinks>,
    parent: TaskIndex,
    workers: usize,
    ledger: &Ledger,
) {
    ledger.run(parent);
    let parent = parent.raw() as usize;
    for child in [2 * parent + 1, 2 * parent + 2] {
        if child >= TASKS || child % 100 == 0 {
            continue;
        }
        let mixed = child.wrapping_mul(0x9E37_79B9) >> 7;
        let to = id(mixed / 16 % workers);
        match mixed % 16 {
            0..4 => worker.push(task(child)),
            4..7 => worker.push_woken(task(child)),
            7..10 => worker.push_yielded(task(child)),
            10..12 => worker.send_pinned(to, task(child)),
            12 => worker.mesh().inject_pinned(to, task(child)),
            13 => worker.mesh().inject(task(child)),
            _ => worker.push_pinned(task(child)),
        }
    }
}

#[test]
fn each_task_runs_once_with_one_worker() {
    tree(1);
}

#[test]
fn each_task_runs_once_with_two_workers() {
    tree(2);
}

#[test]
fn each_task_runs_once_with_eight_workers() {
    tree(if cfg!(miri) { 3 } else { 8 });
}

#[test]
fn pinned_tasks_run_on_their_worker_alone() {
    const WORKERS: usize = 3;
    let tasks = if cfg!(miri) { 60 } else { 30_000 };
    let mesh = mesh(WORKERS, WORKERS, tasks);
    let ledger = Ledger::new(tasks);
    // Task n must run on worker n % WORKERS; the tasks below 3 start a chain each.
    let threads = (0..WORKERS).map(|at| {
        let ledger = Arc::clone(&ledger);
        run_worker(&mesh, at, move |worker, ran| {
            let raw = ran.raw() as usize;
            assert_eq!(worker.id(), id(raw % WORKERS), "task {raw}");
            ledger.run(ran);
            if raw + 4 < tasks && raw.is_multiple_of(4) {
                // A burst larger than a mailbox, now and then.
                for child in raw + 1..=raw + 4 {
                    worker.send_pinned(id(child % WORKERS), task(child));
                }
            }
        })
    });
    let threads = threads.collect();
    mesh.inject_pinned(id(0), task(0));
    let reached = (tasks - 1) / 4 * 4 + 1;
    wait_until("the pinned tasks ran", || ledger.total() == reached);
    mesh.close();
    join_all(threads);
}

#[test]
fn a_full_mailbox_spills_into_the_inbox() {
    let mesh = mesh(2, 2, 1000);
    let (from, to) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    (0..1000).for_each(|raw| from.send_pinned(id(1), task(raw)));
    let mut got = drain(&to);
    assert_eq!(got[..64], (0..64).collect::<Vec<_>>());
    got.sort_unstable();
    assert_eq!(got, (0..1000).collect::<Vec<_>>());
    assert_eq!(drain(&from), []);
}

#[test]
fn mail_waits_for_a_worker_that_is_not_there_yet() {
    let mesh = mesh(2, 3, 3);
    let from = mesh.worker(id(0)).unwrap();
    from.send_pinned(id(1), task(0));
    mesh.inject_pinned(id(1), task(1));
    from.send_pinned(id(2), task(2));
    let to = mesh.worker(id(1)).unwrap();
    assert_eq!(to.next_pinned(), Some(task(0)));
    assert_eq!(to.next_pinned(), Some(task(1)));
    assert_eq!(to.next_pinned(), None);
    assert_eq!(drain(&mesh.worker(id(2)).unwrap()), [2]);
}

#[test]
fn a_thief_takes_half() {
    let mesh = mesh(2, 2, 100);
    let (victim, thief) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    (0..100).for_each(|raw| victim.push(task(raw)));
    assert_eq!(thief.next(), Some(task(0)));
    assert_eq!(mesh.stats()[1].stolen, 50);
    assert_eq!(victim.next(), Some(task(50)));
}

#[test]
fn the_slot_is_not_stolen_from() {
    let mesh = mesh(2, 2, 2);
    let (victim, thief) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    victim.push_woken(task(0));
    assert_eq!(thief.next(), None);
    assert_eq!(victim.next(), Some(task(0)));
}
