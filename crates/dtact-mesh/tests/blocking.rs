//! Workers that block: somebody takes their place and their tasks, and goes when they come back.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use dtact_mesh::{ArrayLinks, Dormant, Mesh, Parked, Replacement, TaskIndex, Worker, WorkerId};
use support::{drain, id, mesh, task, wait_until};

#[test]
fn a_spare_gets_the_tasks_of_a_blocked_worker() {
    let mesh = mesh(1, 2, 300);
    let worker = mesh.worker(id(0)).unwrap();
    (0..200).for_each(|raw| worker.push(task(raw)));
    assert_eq!(worker.next(), Some(task(0)));
    worker.push_woken(task(200));
    worker.push_pinned(task(201));
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    let mut got = drain(&spare);
    got.sort_unstable();
    assert_eq!(got, (1..=200).collect::<Vec<_>>());
    assert!(!worker.is_surplus());
    worker.end_blocking();
    assert!(worker.is_surplus());
    assert_eq!(drain(&worker), [201]);
}

#[test]
fn a_surplus_worker_gives_its_tasks_away() {
    let mesh = mesh(1, 2, 10);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    (0..5).for_each(|raw| spare.push(task(raw)));
    spare.push_woken(task(5));
    spare.push_pinned(task(6));
    worker.end_blocking();
    assert_eq!(spare.go_dormant(), Dormant::Pinned);
    assert!(!worker.is_surplus());
    assert_eq!(drain(&worker), [0, 1, 2, 3, 4, 5]);
    assert_eq!(spare.next_pinned(), Some(task(6)));
    assert_eq!(spare.next_pinned(), None);
    assert_eq!(worker.go_dormant(), Dormant::Stayed);
}

#[test]
fn a_dormant_worker_is_activated_while_it_runs_a_pinned_task() {
    let mesh = mesh(1, 2, 1);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    spare.push_pinned(task(0));
    worker.end_blocking();
    assert_eq!(spare.go_dormant(), Dormant::Pinned);
    assert_eq!(worker.begin_blocking(), Replacement::Woken);
    assert_eq!(spare.next_pinned(), Some(task(0)));
    assert_eq!(spare.go_dormant(), Dormant::Activated);
    assert_eq!(spare.go_dormant(), Dormant::Stayed);
}

#[test]
fn a_dormant_worker_may_block_in_a_pinned_task() {
    let mesh = mesh(1, 2, 1);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    spare.push_pinned(task(0));
    worker.end_blocking();
    assert_eq!(spare.go_dormant(), Dormant::Pinned);
    assert_eq!(spare.begin_blocking(), Replacement::NotNeeded);
    assert_eq!(worker.begin_blocking(), Replacement::LimitReached);
    spare.end_blocking();
    assert!(!spare.is_surplus());
    worker.end_blocking();
    assert!(worker.is_surplus());
}

#[test]
fn an_abandoned_start_can_be_tried_again() {
    let mesh = mesh(1, 2, 0);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    mesh.abandon_start(id(1));
    worker.end_blocking();
    assert!(!worker.is_surplus());
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    worker.end_blocking();
    assert_eq!(worker.begin_blocking(), Replacement::NotNeeded);
}

#[test]
fn nobody_takes_over_beyond_the_limit() {
    let mesh = mesh(1, 2, 0);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    let spare = mesh.worker(id(1)).unwrap();
    assert_eq!(spare.begin_blocking(), Replacement::LimitReached);
    worker.end_blocking();
    assert!(!worker.is_surplus());
    spare.end_blocking();
    assert!(worker.is_surplus());
    drop(spare);
    assert!(!worker.is_surplus());
}

/// The spare sleeps, is woken for a pinned task, for a blocked worker's tasks, and at the end.
#[test]
fn a_dormant_spare_wakes_for_what_it_is_needed_for() {
    let mesh = mesh(1, 2, 10);
    let worker = mesh.worker(id(0)).unwrap();
    assert_eq!(worker.begin_blocking(), Replacement::Start(id(1)));
    worker.end_blocking();
    let (report, reports) = mpsc::channel();
    let dormant = Arc::new(AtomicBool::new(false));
    let spare = mesh.worker(id(1)).unwrap();
    let asleep = Arc::clone(&dormant);
    let thread = thread::spawn(move || {
        loop {
            asleep.store(true, Ordering::Relaxed);
            let why = spare.go_dormant();
            report.send((why, None)).unwrap();
            match why {
                Dormant::Closed => return,
                Dormant::Pinned => report.send((why, spare.next_pinned())).unwrap(),
                Dormant::Activated => loop {
                    if spare.is_surplus() {
                        break;
                    }
                    match spare.next() {
                        Some(task) => report.send((why, Some(task))).unwrap(),
                        None if spare.park() == Parked::Closed => break,
                        None => {}
                    }
                },
                Dormant::Stayed => {}
            }
        }
    });
    let next = || reports.recv_timeout(support::PATIENCE).unwrap();

    wait_until("the spare is dormant", || !worker.is_surplus());
    mesh.inject_pinned(id(1), task(0));
    assert_eq!(next(), (Dormant::Pinned, None));
    assert_eq!(next(), (Dormant::Pinned, Some(task(0))));

    worker.push(task(1));
    worker.push_woken(task(2));
    assert_eq!(worker.begin_blocking(), Replacement::Woken);
    assert_eq!(next(), (Dormant::Activated, None));
    let mut ran = [next().1.unwrap().raw(), next().1.unwrap().raw()];
    ran.sort_unstable();
    assert_eq!(ran, [1, 2]);
    worker.end_blocking();

    // It is parked, not dormant, until something comes; then it finds that it is surplus.
    mesh.inject(task(3));
    wait_until("the spare is dormant again", || !worker.is_surplus());
    mesh.close();
    let last = core::iter::from_fn(|| reports.recv_timeout(support::PATIENCE).ok()).last();
    assert_eq!(last, Some((Dormant::Closed, None)));
    support::join_all(vec![thread]);
}

/// A pool whose threads start each other when they block, and what it runs.
struct Pool {
    mesh: Arc<Mesh<ArrayLinks>>,
    ledger: Arc<support::Ledger>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    tasks: usize,
}

impl Pool {
    fn start(self: &Arc<Self>, id: WorkerId) {
        let worker = self.mesh.worker(id).expect("the worker is free");
        let pool = Arc::clone(self);
        let thread = thread::spawn(move || pool.work(&worker));
        self.threads
            .lock()
            .expect("no panic under the lock")
            .push(thread);
    }

    fn work(self: &Arc<Self>, worker: &Worker<ArrayLinks>) {
        loop {
            if worker.is_surplus() {
                match worker.go_dormant() {
                    Dormant::Closed => return,
                    Dormant::Pinned => {
                        while let Some(task) = worker.next_pinned() {
                            self.run(worker, task);
                        }
                        continue;
                    }
                    Dormant::Activated | Dormant::Stayed => {}
                }
            }
            match worker.next() {
                Some(task) => self.run(worker, task),
                None if worker.park() == Parked::Closed => return,
                None => {}
            }
        }
    }

    /// Task n queues 2n + 1 and 2n + 2, and every third task blocks in between.
    fn run(self: &Arc<Self>, worker: &Worker<ArrayLinks>, ran: TaskIndex) {
        self.ledger.run(ran);
        let raw = ran.raw() as usize;
        let children = [2 * raw + 1, 2 * raw + 2]
            .into_iter()
            .filter(|&child| child < self.tasks);
        for child in children {
            match child % 5 {
                0 => worker.send_pinned(id(child % 3), task(child)),
                1 => worker.push_pinned(task(child)),
                2 => worker.push_woken(task(child)),
                _ => worker.push(task(child)),
            }
        }
        if raw.is_multiple_of(3) {
            if let Replacement::Start(id) = worker.begin_blocking() {
                self.start(id);
            }
            thread::yield_now();
            worker.end_blocking();
        }
    }
}

#[test]
fn each_task_runs_once_while_workers_block_and_come_back() {
    let tasks = if cfg!(miri) { 60 } else { 20_000 };
    let pool = Arc::new(Pool {
        mesh: mesh(2, 5, tasks),
        ledger: support::Ledger::new(tasks),
        threads: Mutex::new(Vec::new()),
        tasks,
    });
    pool.start(id(0));
    pool.start(id(1));
    pool.mesh.inject(task(0));
    // Tasks sent to worker 2 wait until it is started, which every third task sees to.
    wait_until("all tasks ran", || pool.ledger.total() == tasks);
    pool.mesh.close();
    loop {
        let thread = pool.threads.lock().expect("no panic under the lock").pop();
        let Some(thread) = thread else { break };
        support::join_all(vec![thread]);
    }
    pool.ledger.assert_complete();
}
