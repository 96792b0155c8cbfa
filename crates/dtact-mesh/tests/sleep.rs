//! Sleep: who sleeps takes nothing, who should wake does, and a closed mesh wakes all.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dtact_mesh::Parker;
use support::{Ledger, id, join_all, mesh, run_worker, task, wait_until};

fn parked(mesh: &dtact_mesh::Mesh<dtact_mesh::ArrayLinks>) -> u64 {
    mesh.stats().iter().map(|worker| worker.parked).sum()
}

#[test]
fn a_token_left_early_is_not_lost() {
    let parker = Parker::new();
    parker.unpark();
    parker.unpark();
    parker.park();
    assert!(!parker.park_timeout(Duration::from_millis(2)));
    parker.unpark();
    assert!(parker.park_timeout(Duration::ZERO));
    assert!(!parker.park_timeout(Duration::ZERO));
    parker.unpark();
    assert!(parker.park_timeout(Duration::MAX));
}

#[test]
fn closing_wakes_everybody() {
    let mesh = mesh(4, 4, 0);
    let threads = (0..4).map(|at| run_worker(&mesh, at, |_, _| {})).collect();
    wait_until("all are parked", || parked(&mesh) >= 4);
    mesh.close();
    join_all(threads);
}

#[test]
fn an_injected_task_wakes_a_sleeper_each_time() {
    let tasks = if cfg!(miri) { 20 } else { 5_000 };
    let mesh = mesh(2, 2, tasks);
    let ledger = Ledger::new(tasks);
    let threads = (0..2).map(|at| {
        let ledger = Arc::clone(&ledger);
        run_worker(&mesh, at, move |_, task| {
            ledger.run(task);
        })
    });
    let threads = threads.collect();
    for raw in 0..tasks {
        if raw % 2 == 0 {
            mesh.inject(task(raw));
        } else {
            mesh.inject_pinned(id(raw / 2 % 2), task(raw));
        }
        wait_until("the task ran", || ledger.total() == raw + 1);
    }
    mesh.close();
    join_all(threads);
    ledger.assert_complete();
}

/// Task 0 holds its worker until as many run beside it as there are workers: each push must have
/// woken one more.
#[test]
fn pushed_tasks_wake_as_many_workers_as_there_are() {
    const WORKERS: usize = 4;
    let mesh = mesh(WORKERS, WORKERS, WORKERS);
    let running = Arc::new(AtomicUsize::new(0));
    let threads = (0..WORKERS).map(|at| {
        let running = Arc::clone(&running);
        run_worker(&mesh, at, move |worker, ran| {
            if ran == task(0) {
                (1..WORKERS).for_each(|raw| worker.push(task(raw)));
            }
            running.fetch_add(1, Ordering::Relaxed);
            wait_until("all workers run", || {
                running.load(Ordering::Relaxed) == WORKERS
            });
        })
    });
    let threads = threads.collect();
    mesh.inject(task(0));
    wait_until("all workers run", || {
        running.load(Ordering::Relaxed) == WORKERS
    });
    mesh.close();
    join_all(threads);
}

/// A batch taken out of the injector by one worker is shared: nobody is asleep beside work.
#[test]
fn injected_tasks_wake_as_many_workers_as_there_are() {
    const WORKERS: usize = 3;
    let mesh = mesh(WORKERS, WORKERS, WORKERS);
    let running = Arc::new(AtomicUsize::new(0));
    (0..WORKERS).for_each(|raw| mesh.inject(task(raw)));
    let threads = (0..WORKERS).map(|at| {
        let running = Arc::clone(&running);
        run_worker(&mesh, at, move |_, _| {
            running.fetch_add(1, Ordering::Relaxed);
            wait_until("all workers run", || {
                running.load(Ordering::Relaxed) == WORKERS
            });
        })
    });
    let threads = threads.collect();
    wait_until("all workers run", || {
        running.load(Ordering::Relaxed) == WORKERS
    });
    mesh.close();
    join_all(threads);
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn sleepers_take_no_time_and_are_not_woken() {
    /// Name, voluntary and other context switches, and CPU ticks of the threads named `prefix`.
    fn costs(prefix: &str) -> Vec<(String, u64, u64)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc/self/task").unwrap() {
            let path = entry.unwrap().path();
            let Ok(status) = std::fs::read_to_string(path.join("status")) else {
                continue;
            };
            let name = status.lines().next().unwrap()["Name:\t".len()..].to_owned();
            if !name.starts_with(prefix) {
                continue;
            }
            let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
            let switches = switches.map(|line| line.split('\t').nth(1).unwrap());
            let switches = switches.map(|count| count.parse::<u64>().unwrap()).sum();
            let stat = std::fs::read_to_string(path.join("stat")).unwrap();
            let fields: Vec<_> = stat
                .rsplit(')')
                .next()
                .unwrap()
                .split_whitespace()
                .collect();
            let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
            found.push((name, switches, ticks));
        }
        found.sort();
        found
    }

    let mesh = mesh(4, 4, 0);
    let threads = (0..4).map(|at| {
        let worker = mesh.worker(id(at)).unwrap();
        let body = move || while worker.park() != dtact_mesh::Parked::Closed {};
        thread::Builder::new()
            .name(format!("sleeper-{at}"))
            .spawn(body)
            .unwrap()
    });
    let threads: Vec<_> = threads.collect();
    wait_until("all are parked", || parked(&mesh) >= 4);
    // The count is one step ahead of the sleep itself: wait until the switches stand still too.
    let mut before = costs("sleeper-");
    wait_until("the sleepers are quiet", || {
        let earlier = costs("sleeper-");
        thread::sleep(Duration::from_millis(20));
        earlier == costs("sleeper-")
    });
    before.clone_from(&costs("sleeper-"));
    assert_eq!(before.len(), 4);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(costs("sleeper-"), before);
    assert_eq!(parked(&mesh), 4);
    mesh.close();
    join_all(threads);
}

#[test]
fn a_deadline_ends_a_sleep_and_not_before() {
    let mesh = mesh(1, 1, 1);
    let worker = mesh.worker(id(0)).expect("nobody has claimed it");
    for millis in [0, 1, 5, 20] {
        let deadline = Instant::now() + Duration::from_millis(millis);
        assert_eq!(worker.next(), None);
        assert_eq!(worker.park_until(deadline), dtact_mesh::Parked::Work);
        assert!(Instant::now() >= deadline, "it slept less than {millis} ms");
    }
    // Work and the end of the mesh are stronger.
    let far = Instant::now() + Duration::from_hours(1);
    mesh.inject(task(0));
    assert_eq!(worker.park_until(far), dtact_mesh::Parked::Work);
    assert_eq!(worker.next(), Some(task(0)));
    mesh.close();
    assert_eq!(worker.park_until(far), dtact_mesh::Parked::Closed);
}

/// Sleepers whose deadlines come all the time, while tasks come from outside: none is lost.
#[test]
fn no_task_is_lost_between_a_deadline_and_a_claim() {
    let tasks = if cfg!(miri) { 20 } else { 5_000 };
    let mesh = mesh(2, 2, tasks);
    let ledger = Ledger::new(tasks);
    let threads: Vec<_> = (0..2)
        .map(|at| {
            let (mesh, ledger) = (Arc::clone(&mesh), Arc::clone(&ledger));
            thread::spawn(move || {
                let worker = mesh.worker(id(at)).expect("nobody has claimed it");
                loop {
                    while let Some(task) = worker.next() {
                        ledger.run(task);
                    }
                    let deadline = Instant::now() + Duration::from_micros(30);
                    if worker.park_until(deadline) == dtact_mesh::Parked::Closed {
                        return;
                    }
                }
            })
        })
        .collect();
    for raw in 0..tasks {
        mesh.inject(task(raw));
        if raw % 16 == 0 {
            thread::yield_now();
        }
    }
    wait_until("all have run", || ledger.total() == tasks);
    mesh.close();
    join_all(threads);
}
