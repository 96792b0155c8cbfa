//! The whole mesh under schedules by chance: four workers that push, wake, send, deflect, steal and
//! sleep, each task once and nobody asleep beside work. Loom is exhaustive for two or three steps
//! of two threads; this is not exhaustive at all, but runs everything together.
//!
//! `cargo xtask shuttle`, with `DTACT_SCHEDULES` for another number than 100,000. Shuttle knows
//! sequentially consistent interleavings only: weak orders are loom's, Miri's and other
//! processors' to find.
//!
//! A lost wake-up is a deadlock, which shuttle reports. The mistake planted into *look* shows that
//! it finds one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use shuttle::{
    Config as Settings, FailurePersistence, Runner,
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};

use crate::{
    Affinity, Attributes, Clock, Config, Deflection, Domains, Link, Links, Mesh, Mode, Parked,
    Place, Priority, TaskIndex, Worker, WorkerId, park::Planted,
};

const WORKERS: u16 = 4;
const TASKS: u32 = 24;

/// So many schedules in all, shared out among the tests.
fn schedules() -> usize {
    let wanted = std::env::var("DTACT_SCHEDULES").ok();
    let wanted = wanted.map_or(100_000, |text| text.parse().expect("a number of schedules"));
    wanted / 10
}

fn settings() -> Settings {
    let mut settings = Settings::new();
    settings.silence_warnings = true;
    settings.failure_persistence = FailurePersistence::Print;
    settings
}

fn at_random(model: impl Fn() + Send + Sync + 'static) {
    Runner::new(RandomScheduler::new(schedules()), settings()).run(model);
}

fn by_priorities(model: impl Fn() + Send + Sync + 'static) {
    Runner::new(PctScheduler::new(3, schedules()), settings()).run(model);
}

/// Tasks that ask for nothing, or for something that their number decides.
#[derive(Debug)]
struct Tasks<const ASK: bool>(Vec<Link>);

impl<const ASK: bool> Tasks<ASK> {
    fn new() -> Self {
        Self((0..TASKS).map(|_| Link::new(u32::MAX)).collect())
    }
}

impl<const ASK: bool> Links for Tasks<ASK> {
    const HAS_ATTRIBUTES: bool = ASK;

    fn link(&self, task: TaskIndex) -> &Link {
        &self.0[task.raw() as usize]
    }

    fn attributes(&self, task: TaskIndex) -> Attributes {
        let raw = task.raw();
        if !ASK {
            return Attributes::new();
        }
        let priority = [Priority::Normal, Priority::Low, Priority::Critical][raw as usize % 3];
        let affinity = [Affinity::Any, Affinity::Any, Affinity::SameCCX][raw as usize / 3 % 3];
        Attributes::new()
            .with_priority(priority)
            .with_affinity(affinity)
    }
}

fn config() -> Config {
    Config {
        domains: Domains::new((0..u32::from(WORKERS)).map(|core| Place {
            core,
            complex: core / 2,
            node: 0,
        })),
        // At once, so that rings as small as these get to it.
        deflection: Some(Deflection {
            threshold: 10,
            hops_max: 2,
            parcel: 2,
        }),
        slot_deadline: core::time::Duration::ZERO,
        // No schedule may depend on the time.
        clock: Clock(|| 0),
        ..Config::new(WORKERS.into(), WORKERS.into())
    }
}

/// The tasks are a tree: task n queues 2n + 1 and 2n + 2, in ways that their numbers decide.
fn spread<const ASK: bool>(worker: &Worker<Tasks<ASK>>, parent: TaskIndex) {
    for child in [2 * parent.raw() + 1, 2 * parent.raw() + 2] {
        let Some(task) = TaskIndex::from_raw(child).filter(|_| child < TASKS) else {
            continue;
        };
        match child % 5 {
            0 => worker.push_woken(task),
            1 => worker.push_yielded(task),
            2 => worker.send_pinned(WorkerId::from_raw((child % 4) as u16), task),
            3 => worker.mesh().inject(task),
            _ => worker.push(task),
        }
    }
}

/// Runs all tasks on four workers; whoever runs the last one closes the mesh.
fn run_all<const ASK: bool>(config: &Config, mistake: Planted) {
    let mut mesh = Mesh::build(config.clone(), Tasks::<ASK>::new()).expect("the size is right");
    mesh.event_count.plant(mistake);
    let mesh = Arc::new(mesh);
    let ran = Arc::new(AtomicUsize::new(0));
    let runs: Arc<Vec<_>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
    let workers = (0..WORKERS).map(|id| {
        let worker = mesh.worker(WorkerId::from_raw(id)).expect("claimed once");
        let (ran, runs) = (Arc::clone(&ran), Arc::clone(&runs));
        thread::spawn(move || {
            loop {
                let Some(task) = worker.next() else {
                    if worker.park() == Parked::Closed {
                        return;
                    }
                    continue;
                };
                let before = runs[task.raw() as usize].fetch_add(1, Ordering::Relaxed);
                assert_eq!(before, 0, "task {} ran twice", task.raw());
                spread(&worker, task);
                if ran.fetch_add(1, Ordering::Relaxed) + 1 == TASKS as usize {
                    worker.mesh().close();
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    mesh.inject(TaskIndex::from_raw(0).expect("0 is an index"));
    for worker in workers {
        worker.join().expect("a worker ends");
    }
    assert_eq!(ran.load(Ordering::Relaxed), TASKS as usize);
}

fn run_usual() {
    run_all::<false>(&config(), Planted::Nothing);
}

fn run_asking() {
    run_all::<true>(&config(), Planted::Nothing);
}

#[test]
fn each_task_runs_once_under_random_schedules() {
    at_random(run_usual);
}

#[test]
fn each_task_runs_once_under_schedules_by_priority() {
    by_priorities(run_usual);
}

#[test]
fn each_task_that_asks_for_something_runs_once_under_random_schedules() {
    at_random(run_asking);
}

#[test]
fn each_task_that_asks_for_something_runs_once_under_schedules_by_priority() {
    by_priorities(run_asking);
}

#[test]
fn each_task_runs_once_from_one_queue() {
    let config = Config {
        mode: Mode::Global,
        ..config()
    };
    at_random(move || run_all::<false>(&config, Planted::Nothing));
}

#[test]
fn each_task_runs_once_where_nothing_moves() {
    let config = Config {
        mode: Mode::Pinned,
        ..config()
    };
    at_random(move || run_all::<true>(&config, Planted::Nothing));
}

#[test]
fn each_task_runs_once_by_deflection_alone() {
    let config = Config {
        stealing: false,
        ..config()
    };
    at_random(move || run_all::<true>(&config, Planted::Nothing));
}

#[test]
fn each_task_runs_once_by_theft_alone() {
    let config = Config {
        deflection: None,
        ..config()
    };
    by_priorities(move || run_all::<true>(&config, Planted::Nothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_look_a_wake_up_is_lost_and_random_schedules_find_it() {
    at_random(|| run_all::<false>(&config(), Planted::NoRecheck));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_look_a_wake_up_is_lost_and_schedules_by_priority_find_it() {
    by_priorities(|| run_all::<false>(&config(), Planted::NoRecheck));
}
