//! Deflection, modes, theft by distance, and what workers that stand still give up.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]
#![allow(clippy::unwrap_used, reason = "only tests call it")]

mod support;

use std::{
    cell::Cell,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use dtact_mesh::{
    ArrayLinks, Clock, Config, Deflection, Mesh, MeshError, Mode, Place, ThresholdError, Watchdog,
};
use support::{Ledger, drain, id, join_all, nested, run_worker, task, wait_until};

/// A ring holds so many.
const RING: usize = 1024;

fn deflecting(workers: usize, threshold: u8, hops_max: u8) -> Config {
    Config {
        deflection: Some(Deflection {
            threshold,
            hops_max,
            parcel: 32,
        }),
        ..Config::new(workers, workers)
    }
}

fn mesh(config: Config) -> Arc<Mesh<ArrayLinks>> {
    Mesh::new(config, ArrayLinks::new(4 * RING)).unwrap()
}

#[test]
fn a_loaded_worker_passes_tasks_on_to_an_idle_one() {
    let mesh = mesh(Config {
        stealing: false,
        ..deflecting(2, 25, 4)
    });
    let (from, to) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    (0..RING / 4).for_each(|at| from.push(task(at)));
    assert_eq!(mesh.stats()[0].deflected, 0, "below the threshold");
    (RING / 4..RING / 2).for_each(|at| from.push(task(at)));
    let deflected = usize::try_from(mesh.stats()[0].deflected).unwrap();
    assert!(deflected > 0);
    let got = drain(&to);
    assert_eq!(got, (0..deflected).collect::<Vec<_>>(), "the oldest");
    assert_eq!(drain(&from).len(), RING / 2 - deflected);
}

#[test]
fn nobody_passes_on_to_one_that_has_as_much_to_do() {
    let mesh = mesh(Config {
        stealing: false,
        ..deflecting(2, 25, 4)
    });
    let workers = [0, 1].map(|at| mesh.worker(id(at)).unwrap());
    (0..RING / 2).for_each(|at| workers[0].push(task(at)));
    let before = mesh.stats()[0].deflected;
    let received = drain(&workers[1]).len();
    assert_eq!(before, received as u64);
    let (from, to) = (&workers[0], &workers[1]);
    (RING..2 * RING - RING / 8).for_each(|at| to.push(task(at)));
    let before = mesh.stats()[0].deflected;
    (RING / 2..RING - RING / 8).for_each(|at| from.push(task(at)));
    assert_eq!(mesh.stats()[0].deflected, before);
}

#[test]
fn a_threshold_of_nothing_acts_no_later_than_one_of_one_percent() {
    let pushes_until_it_deflects = |threshold| {
        let mesh = mesh(Config {
            stealing: false,
            ..deflecting(2, threshold, 4)
        });
        let (from, _to) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
        let deflects = |&at: &usize| {
            from.push(task(at));
            mesh.stats()[0].deflected > 0
        };
        (0..RING).find(deflects).unwrap() + 1
    };
    // One to run here and one to pass on, seen by the next push.
    assert_eq!(pushes_until_it_deflects(0), 3);
    assert!(pushes_until_it_deflects(1) >= 3);
}

/// Three workers hand everything on as soon as they can. Each task changes hands `hops_max` times
/// at most, and then goes to the warehouse, from where it goes no further.
#[test]
fn hops_are_bounded() {
    for hops_max in [1, 2, 5] {
        let mesh = mesh(Config {
            stealing: false,
            ..deflecting(3, 0, hops_max)
        });
        let workers = [0, 1, 2].map(|at| mesh.worker(id(at)).unwrap());
        let tasks = if cfg!(miri) { 150 } else { RING };
        (0..tasks).for_each(|at| workers[0].push(task(at)));
        let mut ran = 0;
        for round in 0..100 * tasks {
            ran += usize::from(workers[round % 3].next().is_some());
            if ran == tasks {
                break;
            }
        }
        assert_eq!(ran, tasks);
        let deflected: u64 = mesh.stats().iter().map(|worker| worker.deflected).sum();
        assert!(deflected > 0);
        assert!(deflected <= u64::from(hops_max) * tasks as u64);
    }
}

#[test]
fn the_nearest_are_passed_to_first() {
    let mesh = mesh(Config {
        domains: nested(16),
        stealing: false,
        ..deflecting(16, 25, 4)
    });
    let workers: Vec<_> = (0..16).map(|at| mesh.worker(id(at)).unwrap()).collect();
    let mut pushed = 0;
    while mesh.stats()[5].deflected == 0 {
        workers[5].push(task(pushed));
        pushed += 1;
    }
    // To the other thread of the core.
    assert_eq!(drain(&workers[4]).len() as u64, mesh.stats()[5].deflected);
}

#[test]
fn the_nearest_are_stolen_from_first() {
    let mesh = mesh(Config {
        domains: nested(16),
        ..Config::new(16, 16)
    });
    let workers: Vec<_> = (0..16).map(|at| mesh.worker(id(at)).unwrap()).collect();
    // In another node, in another complex, in the same one, on the same core.
    let victims = [15, 0, 5, 6];
    for (at, &victim) in victims.iter().enumerate() {
        workers[victim].push(task(at));
    }
    let stolen = (0..4).map(|_| workers[7].next());
    assert_eq!(
        stolen.collect::<Vec<_>>(),
        [3, 2, 1, 0].map(|at| Some(task(at)))
    );
}

#[test]
fn a_threshold_is_set_for_one_worker_or_refused() {
    let mesh = mesh(Config {
        stealing: false,
        ..deflecting(2, 100, 4)
    });
    let worst = RING / 2 + RING / 16;
    let (from, _to) = (mesh.worker(id(0)).unwrap(), mesh.worker(id(1)).unwrap());
    (0..worst).for_each(|at| from.push(task(at)));
    assert_eq!(mesh.stats()[0].deflected, 0);
    assert_eq!(mesh.set_deflection_threshold(id(0), 50), Ok(()));
    (worst..worst + RING / 8).for_each(|at| from.push(task(at)));
    assert!(mesh.stats()[0].deflected > 0);
    let unknown = ThresholdError::UnknownWorker {
        worker: id(2),
        workers_max: 2,
    };
    assert_eq!(mesh.set_deflection_threshold(id(2), 50), Err(unknown));
    let over = ThresholdError::OverHundred { percent: 101 };
    assert_eq!(mesh.set_deflection_threshold(id(1), 101), Err(over));
    let without = Mesh::new(
        Config {
            deflection: None,
            ..Config::new(1, 1)
        },
        ArrayLinks::new(0),
    );
    assert_eq!(
        without.unwrap().set_deflection_threshold(id(0), 5),
        Err(ThresholdError::NoDeflection)
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let error = |config| Mesh::new(config, ArrayLinks::new(0)).err();
    let usual = || Config::new(2, 2);
    let deflection = |threshold, hops_max, parcel| Config {
        deflection: Some(Deflection {
            threshold,
            hops_max,
            parcel,
        }),
        ..usual()
    };
    assert_eq!(
        error(deflection(101, 1, 1)),
        Some(MeshError::BadThreshold { percent: 101 })
    );
    assert_eq!(
        error(deflection(1, 0, 1)),
        Some(MeshError::BadHops { hops_max: 0 })
    );
    assert_eq!(
        error(deflection(1, 14, 1)),
        Some(MeshError::BadHops { hops_max: 14 })
    );
    assert_eq!(
        error(deflection(1, 1, 0)),
        Some(MeshError::BadParcel { parcel: 0 })
    );
    assert_eq!(
        error(deflection(1, 1, 33)),
        Some(MeshError::BadParcel { parcel: 33 })
    );
    for shards in [0, 57] {
        let config = Config { shards, ..usual() };
        assert_eq!(error(config), Some(MeshError::BadShards { shards }));
    }
    let others = Config {
        domains: nested(3),
        ..usual()
    };
    assert_eq!(
        error(others),
        Some(MeshError::DomainsOfOthers {
            places: 3,
            workers: 2
        })
    );
    let place = |complex, node| Place {
        core: 0,
        complex,
        node,
    };
    for second in [place(1, 0), place(0, 1)] {
        let config = Config {
            domains: dtact_mesh::Domains::new([place(0, 0), second]),
            ..usual()
        };
        assert_eq!(
            error(config),
            Some(MeshError::DomainsNotNested { worker: 1 })
        );
    }
    let config = Config {
        watchdog: Some(Watchdog::new(Duration::ZERO, |_| {})),
        ..usual()
    };
    assert_eq!(error(config), Some(MeshError::ZeroLimit));
}

#[test]
fn a_global_mesh_runs_all_in_the_order_of_the_calls() {
    let mesh = mesh(Config {
        mode: Mode::Global,
        ..Config::new(2, 2)
    });
    let workers = [0, 1].map(|at| mesh.worker(id(at)).unwrap());
    for at in 0..RING {
        match at % 4 {
            0 => workers[0].push(task(at)),
            1 => workers[1].push_woken(task(at)),
            2 => workers[1].push_yielded(task(at)),
            _ => mesh.inject(task(at)),
        }
    }
    for at in 0..RING {
        assert_eq!(workers[at % 3 % 2].next(), Some(task(at)));
    }
}

#[test]
fn in_a_pinned_mesh_each_runs_where_it_was_queued() {
    let mesh = mesh(Config {
        mode: Mode::Pinned,
        ..Config::new(2, 3)
    });
    let workers = [0, 1].map(|at| mesh.worker(id(at)).unwrap());
    // Far more than a ring holds.
    (0..2 * RING).for_each(|at| workers[0].push(task(at)));
    (0..4).for_each(|at| mesh.inject(task(2 * RING + at)));
    assert_eq!(drain(&workers[1]), [2 * RING + 1, 2 * RING + 3]);
    let _start = workers[0].begin_blocking();
    let spare = mesh.worker(id(2)).unwrap();
    assert_eq!((spare.next(), workers[1].next()), (None, None));
    workers[0].end_blocking();
    let mut ran = drain(&workers[0]);
    ran.sort_unstable();
    let all = (0..2 * RING).chain([2 * RING, 2 * RING + 2]);
    assert_eq!(ran, all.collect::<Vec<_>>());
}

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// A clock that the test moves.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "raids, which need it, need Linux")
)]
fn clock() -> Clock {
    Clock(|| NOW.with(Cell::get))
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_stands_still_gives_up_slot_chunk_and_mail() {
    let mesh = mesh(Config {
        clock: clock(),
        slot_deadline: Duration::from_micros(50),
        ..deflecting(3, 100, 4)
    });
    let stalled = mesh.worker(id(0)).unwrap();
    let thief = mesh.worker(id(1)).unwrap();
    let sender = mesh.worker(id(2)).unwrap();
    (0..8 * 16).for_each(|at| stalled.push(task(at)));
    assert_eq!(stalled.next(), Some(task(0)));
    stalled.push_woken(task(200));
    sender.send_pinned(id(0), task(201));
    // The ring is everybody's; the slot and the chunk are not, yet. Looks are an eighth of the
    // deadline apart.
    NOW.set(10_000);
    let mut got = drain(&thief);
    let chunk: Vec<_> = (1..128).filter(|at| !got.contains(at)).collect();
    assert!(!chunk.is_empty());
    assert_eq!(thief.next(), None, "first seen now");
    NOW.set(59_999);
    assert_eq!(thief.next(), None, "not long enough");
    NOW.set(59_999 + 50_000 / 8 - 1);
    assert_eq!(thief.next(), None, "looked a moment ago");
    NOW.set(59_999 + 50_000 / 8);
    got.extend(drain(&thief));
    got.sort_unstable();
    assert_eq!(got, (1..128).chain([200]).collect::<Vec<_>>());
    assert_eq!(mesh.stats()[1].raided, chunk.len() as u64 + 1);
    assert_eq!(drain(&stalled), [201], "what is pinned stays");
}

#[test]
fn a_long_poll_is_reported_once_and_what_waits_behind_it_is_run() {
    let (report, reports) = mpsc::channel();
    let report = Mutex::new(report);
    let watchdog = Watchdog::new(Duration::from_millis(20), move |poll| {
        report.lock().unwrap().send(poll).unwrap();
    });
    let mesh = mesh(Config {
        watchdog: Some(watchdog),
        ..Config::new(3, 3)
    });
    let ledger = Ledger::new(2);
    let threads = (0..3).map(|at| {
        let ledger = Arc::clone(&ledger);
        run_worker(&mesh, at, move |worker, ran| {
            ledger.run(ran);
            if ran == task(0) {
                // Nobody is told of it: it is in the slot.
                worker.push_woken(task(1));
                if cfg!(target_os = "linux") {
                    wait_until("another ran it", || ledger.total() == 2);
                }
                thread::sleep(Duration::from_millis(100));
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    // They all sleep, without a timeout, when it comes.
    wait_until("all are parked", || {
        mesh.stats()
            .iter()
            .filter(|worker| worker.parked > 0)
            .count()
            == 3
    });
    thread::sleep(Duration::from_millis(100));
    mesh.inject(task(0));
    let poll = reports.recv_timeout(support::PATIENCE).unwrap();
    assert_eq!(poll.task, task(0));
    assert!(poll.duration >= Duration::from_millis(20));
    wait_until("both ran", || ledger.total() == 2);
    thread::sleep(Duration::from_millis(150));
    mesh.close();
    join_all(threads);
    assert_eq!(reports.try_iter().count(), 0, "once a poll");
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_watchdog_of_an_idle_mesh_sleeps_without_a_timeout() {
    /// Voluntary switches of the threads of this process whose names begin so.
    fn switches() -> u64 {
        let mut sum = 0;
        for entry in std::fs::read_dir("/proc/self/task").unwrap() {
            let Ok(status) = std::fs::read_to_string(entry.unwrap().path().join("status")) else {
                continue;
            };
            if status.starts_with("Name:\tidle-dog") {
                let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
                sum += lines
                    .map(|line| line.split('\t').nth(1).unwrap().parse::<u64>().unwrap())
                    .sum::<u64>();
            }
        }
        sum
    }

    let mesh = mesh(Config {
        watchdog: Some(Watchdog::new(Duration::from_millis(4), |_| {})),
        ..Config::new(3, 3)
    });
    let threads = (0..3).map(|at| {
        let worker = mesh.worker(id(at)).unwrap();
        let body = move || {
            while worker.park() != dtact_mesh::Parked::Closed {
                while worker.next().is_some() {}
            }
        };
        let thread = thread::Builder::new().name(format!("idle-dog-{at}"));
        thread.spawn(body).unwrap()
    });
    let threads: Vec<_> = threads.collect();
    for at in 0..10 {
        mesh.inject(task(at));
        thread::sleep(Duration::from_millis(3));
    }
    wait_until("nobody stirs", || {
        let before = switches();
        thread::sleep(Duration::from_millis(50));
        before == switches()
    });
    let before = switches();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(switches(), before);
    mesh.close();
    join_all(threads);
}
