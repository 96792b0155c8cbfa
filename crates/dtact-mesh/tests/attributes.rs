//! What tasks ask for changes who runs them, and when: priorities, affinity, kinds.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]
#![allow(clippy::unwrap_used, reason = "only tests call it")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use dtact_mesh::{Affinity, Attributes, Config, Deflection, Kind, Mesh, Parked, Priority, Worker};
use support::{Asking, asking, drain, id, join_all, nested, run_worker, task, wait_until};

/// `PASSES_MAX + 4` in `src/turns.rs`: one task of a waiting priority in so many.
const ONE_IN: usize = 20;

fn lone(tasks: usize) -> (Arc<Mesh<Asking>>, Worker<Asking>) {
    let mesh = asking(Config::new(1, 1), tasks);
    let worker = mesh.worker(id(0)).unwrap();
    (mesh, worker)
}

fn urgent(priority: Priority) -> Attributes {
    Attributes::new().with_priority(priority)
}

fn near(affinity: Affinity) -> Attributes {
    Attributes::new().with_affinity(affinity)
}

#[test]
fn a_task_of_the_shared_queue_goes_there_whenever_it_is_queued() {
    let mesh = asking(Config::new(2, 2), 4);
    let shared = near(Affinity::SameCore).with_shared_queue(true);
    mesh.links().set(0, shared.with_home(Some(id(0))));
    let (worker, other) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    for way in 0..3 {
        match way {
            0 => worker.push(task(0)),
            1 => worker.push_woken(task(0)),
            _ => worker.push_yielded(task(0)),
        }
        // Behind what was queued before, in the order of all.
        mesh.inject(task(1));
        assert_eq!(drain(&other), [0, 1]);
    }
}

#[test]
fn the_more_urgent_runs_first_wherever_it_waits() {
    let order = [
        Priority::Low,
        Priority::Normal,
        Priority::High,
        Priority::Critical,
    ];
    for way in 0..4 {
        let (mesh, worker) = lone(4);
        for (at, &priority) in order.iter().enumerate() {
            mesh.links().set(at, urgent(priority));
            match way {
                0 => worker.push(task(at)),
                1 => worker.push_woken(task(at)),
                2 => worker.push_pinned(task(at)),
                _ => mesh.inject(task(at)),
            }
        }
        assert_eq!(drain(&worker), [3, 2, 1, 0], "way {way}");
    }
}

#[test]
fn a_mesh_whose_tasks_are_equally_urgent_keeps_their_order() {
    let (mesh, worker) = lone(100);
    (0..100).for_each(|at| mesh.links().set(at, urgent(Priority::High)));
    (0..100).for_each(|at| worker.push(task(at)));
    assert_eq!(drain(&worker), (0..100).collect::<Vec<_>>());
}

/// Tasks of all the higher priorities come back for ever, from the ring, the slot and the pinned
/// list. A low one with n before it waits (n + 1) * 20 dispatches at most, and the bound is not an
/// idle one: it waits at least half as long.
#[test]
fn a_low_task_waits_no_longer_than_the_formula_says() {
    const BEFORE: usize = 50;
    let (mesh, worker) = lone(BEFORE + 7);
    let low = BEFORE + 6;
    let forever = [Priority::Normal, Priority::High, Priority::Critical];
    for (at, &priority) in forever.iter().enumerate() {
        mesh.links().set(at, urgent(priority));
        mesh.links().set(at + 3, urgent(priority));
        worker.push(task(at));
        worker.push_pinned(task(at + 3));
    }
    for at in 6..=low {
        mesh.links().set(at, urgent(Priority::Low));
        worker.push(task(at));
    }
    let mut waited = 0;
    loop {
        let next = worker.next().unwrap();
        if next == task(low) {
            break;
        }
        waited += 1;
        match next.raw() {
            0 => worker.push_woken(next),
            1..3 => worker.push_yielded(next),
            3..6 => worker.push_pinned(next),
            _ => {}
        }
        assert!(waited <= (BEFORE + 1) * ONE_IN, "it starves");
    }
    assert!(waited >= (BEFORE + 1) * ONE_IN / 2, "only {waited}");
}

/// The same through the injector: one visit of the shared queues in 61 calls, and of these one in
/// 20 for the low ones at least.
#[test]
fn a_low_task_injected_beside_urgent_ones_is_run() {
    let (mesh, worker) = lone(3);
    mesh.links().set(0, urgent(Priority::Critical));
    mesh.links().set(1, urgent(Priority::Critical));
    mesh.links().set(2, urgent(Priority::Low));
    worker.push(task(0));
    mesh.inject(task(1));
    mesh.inject(task(2));
    let mut waited = 0;
    loop {
        match worker.next().unwrap().raw() {
            0 => worker.push_yielded(task(0)),
            1 => mesh.inject(task(1)),
            _ => break,
        }
        waited += 1;
        assert!(waited <= 61 * (ONE_IN + 1), "it starves");
    }
}

#[test]
fn thieves_take_the_most_urgent() {
    let mesh = asking(Config::new(2, 2), 8);
    let (victim, thief) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    mesh.links().set(3, urgent(Priority::High));
    (0..4).for_each(|at| victim.push(task(at)));
    assert_eq!(thief.next(), Some(task(3)));
    assert_eq!(thief.next(), Some(task(0)));
}

/// Who gets a task that worker 0 has queued and that may go so far, of workers at all distances.
#[test]
fn a_task_goes_no_further_than_its_affinity_says() {
    let reaches = [
        (Affinity::SameCore, [true, false, false, false]),
        (Affinity::SameCCX, [true, true, false, false]),
        (Affinity::SameNUMA, [true, true, true, false]),
        (Affinity::Any, [true, true, true, true]),
    ];
    for (affinity, may) in reaches {
        // On the same core, in the same complex, in the same node, elsewhere.
        for (at, may) in [1, 2, 4, 8].into_iter().zip(may) {
            let config = Config {
                domains: nested(16),
                ..Config::new(16, 16)
            };
            let mesh = asking(config, 2);
            mesh.links().set(0, near(affinity));
            let (home, other) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(at)).unwrap());
            home.push(task(0));
            assert_eq!(other.next(), may.then_some(task(0)), "{affinity:?} at {at}");
            assert!(other.would_sleep(), "what it may not have keeps it awake");
            assert_eq!(home.next(), (!may).then_some(task(0)));
        }
    }
}

trait WouldSleep {
    /// Whether the worker would sleep now.
    fn would_sleep(&self) -> bool;
}

impl WouldSleep for Worker<Asking> {
    fn would_sleep(&self) -> bool {
        match self.list() {
            dtact_mesh::Listed::Awake(_) => false,
            dtact_mesh::Listed::Sleeps => {
                self.mesh().close();
                self.unlist() == Some(Parked::Closed)
            }
        }
    }
}

#[test]
fn a_confined_task_in_front_holds_up_no_thief_from_afar() {
    let config = Config {
        domains: nested(16),
        ..Config::new(16, 16)
    };
    let mesh = asking(config, 4);
    mesh.links().set(0, near(Affinity::SameCCX));
    let (home, far) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(8)).unwrap());
    (0..2).for_each(|at| home.push(task(at)));
    assert_eq!(far.next(), Some(task(1)));
    assert_eq!(far.next(), None);
}

#[test]
fn a_confined_task_that_is_woken_afar_goes_home() {
    let config = Config {
        domains: nested(16),
        ..Config::new(16, 16)
    };
    let mesh = asking(config, 4);
    let homely = near(Affinity::SameCCX).with_home(Some(id(1)));
    (0..4).for_each(|at| mesh.links().set(at, homely));
    let (near, home, far) = (
        mesh.worker(id(0)).unwrap(),
        mesh.worker(id(1)).unwrap(),
        mesh.worker(id(8)).unwrap(),
    );
    far.push_woken(task(0));
    far.push(task(1));
    mesh.inject(task(2));
    near.push_woken(task(3));
    assert_eq!(far.next(), None);
    assert_eq!(near.next(), Some(task(3)), "it is near enough");
    assert_eq!(drain(&home), [0, 1, 2]);
}

/// Each push rouses another sleeper of the complex, although those of another sleep as well.
#[test]
fn confined_tasks_wake_as_many_as_may_run_them() {
    const WORKERS: usize = 8;
    let config = Config {
        domains: nested(8),
        ..Config::new(WORKERS, WORKERS)
    };
    let mesh = asking(config, 4);
    (0..4).for_each(|at| mesh.links().set(at, near(Affinity::SameCCX)));
    let running = Arc::new(AtomicUsize::new(0));
    let strangers = Arc::new(AtomicBool::new(false));
    let threads = (0..WORKERS).map(|at| {
        let (running, strangers) = (Arc::clone(&running), Arc::clone(&strangers));
        run_worker(&mesh, at, move |worker, ran| {
            if ran == task(0) {
                (1..4).for_each(|at| worker.push(task(at)));
            }
            strangers.fetch_or(worker.id().index() / 4 != 0, Ordering::Relaxed);
            running.fetch_add(1, Ordering::Relaxed);
            wait_until("all of the complex run", || {
                running.load(Ordering::Relaxed) == 4
            });
        })
    });
    let threads: Vec<_> = threads.collect();
    wait_until("all are parked", || {
        mesh.stats()
            .iter()
            .filter(|worker| worker.parked > 0)
            .count()
            == WORKERS
    });
    mesh.links()
        .set(0, near(Affinity::SameCCX).with_home(Some(id(2))));
    mesh.inject(task(0));
    wait_until("all of the complex run", || {
        running.load(Ordering::Relaxed) == 4
    });
    mesh.close();
    join_all(threads);
    assert!(!strangers.load(Ordering::Relaxed), "a far worker ran one");
}

#[test]
fn a_worker_that_blocks_lets_its_confined_tasks_go_anywhere() {
    let config = Config {
        domains: nested(16),
        ..Config::new(16, 16)
    };
    let mesh = asking(config, 4);
    let homely = near(Affinity::SameCore).with_home(Some(id(0)));
    (0..2).for_each(|at| mesh.links().set(at, homely));
    let (home, far) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(8)).unwrap());
    home.push(task(0));
    let _nobody = home.begin_blocking();
    assert_eq!(far.next(), Some(task(0)));
    // One that comes later as well.
    mesh.inject(task(1));
    assert_eq!(far.next(), Some(task(1)));
    home.end_blocking();
}

/// How many of 600 tasks of a kind worker 0 passes on to worker 1, at a threshold of 20 percent
/// (204 of 1,024).
fn deflected(kind: Kind, domains: dtact_mesh::Domains, tasks: usize) -> u64 {
    let config = Config {
        domains,
        deflection: Some(Deflection {
            threshold: 20,
            ..Deflection::default()
        }),
        ..Config::new(2, 2)
    };
    let mesh = asking(config, tasks);
    (0..tasks).for_each(|at| mesh.links().set(at, Attributes::new().with_kind(kind)));
    let (from, _to) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    (0..tasks).for_each(|at| from.push(task(at)));
    mesh.stats()[0].deflected
}

#[test]
#[cfg_attr(
    miri,
    ignore = "the rings are smaller under Miri, and the figures others"
)]
fn kinds_decide_what_is_passed_on() {
    let here = || dtact_mesh::Domains::flat(2);
    assert!(deflected(Kind::Compute, here(), 300) > 0);
    assert_eq!(deflected(Kind::System, here(), 1000), 0);
    assert_eq!(deflected(Kind::IO, here(), 300), 0);
    assert!(deflected(Kind::IO, here(), 600) > 0);
    assert!(deflected(Kind::Memory, here(), 300) > 0);
    let apart = dtact_mesh::Domains::new((0..2).map(|n| dtact_mesh::Place {
        core: n,
        complex: n,
        node: n,
    }));
    assert_eq!(deflected(Kind::Memory, apart.clone(), 300), 0);
    assert!(deflected(Kind::Compute, apart, 300) > 0);
}
