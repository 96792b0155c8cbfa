//! What is measured: each workload is written once, over the few calls that all runtimes share.

mod burst;
mod channels;
mod futures;
mod hand_over;
mod lifetime;
mod parked;
mod skewed;
mod skynet;
mod spawns;
mod wake;
mod wakers;
mod work;
mod yields;

pub(crate) use parked::Place;

use crate::{process::Stopwatch, runtime::Runtime, stackful};

/// A workload, how many operations it is, and who cannot do it.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    /// The part of `count` that is done before, to warm up; 0 for none.
    warm_up: usize,
    /// Whether it is measured for other numbers of workers than the largest.
    pub(crate) is_scaled: bool,
    /// Who does not take part, and why.
    pub(crate) without: &'static [(&'static str, &'static str)],
}

/// Which work it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Spawns that many empty tasks from inside a task, then joins them in order.
    SpawnJoin,
    /// Spawns and joins one after the other.
    SpawnJoinSerial,
    /// Spawns and joins from a thread that is none of the runtime's.
    SpawnJoinOutside,
    /// That many yields, shared out among so many tasks.
    Yield { tasks: usize },
    /// The share of yields after which the other of two tasks on one worker has run.
    YieldCheck,
    /// Two tasks hand a message back and forth.
    PingPong,
    /// Two tasks wake each other.
    Wakers,
    /// A tree of tasks, ten to a node, with so many leaves.
    Skynet,
    /// A thousand tasks send to one.
    FanIn,
    /// Spawns to workers that sleep: the time until the task runs.
    HandOver,
    /// That many tasks of a microsecond, made by one.
    Burst,
    /// That many tasks, few of which are most of the work.
    Skewed,
    /// Wakes a parked task from outside; the workers sleep, or are busy yielding.
    Wake { is_busy: bool },
    /// That many parked tasks.
    Parked,
    /// Tasks whose futures are of so many KiB.
    Futures { kib: usize },
    /// Starts and stops a runtime.
    Lifetime,
    /// What a runtime does that has nothing to do, for so many milliseconds.
    Idle,
    /// What needs stacks.
    Stackful(stackful::Kind),
}

/// One figure of a run: what it is, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

/// Wall time of an operation, in nanoseconds: the figure by which runtimes are compared.
pub(crate) const WALL: &str = "ns";
/// Processor time of an operation over all threads, in nanoseconds.
pub(crate) const CPU: &str = "CPU ns";

const fn workload(name: &'static str, kind: Kind, count: usize) -> Workload {
    Workload {
        name,
        kind,
        count,
        warm_up: count,
        is_scaled: true,
        without: &[],
    }
}

impl Workload {
    const fn without(mut self, without: &'static [(&'static str, &'static str)]) -> Self {
        self.without = without;
        self
    }

    const fn warm_up(mut self, count: usize) -> Self {
        self.warm_up = count;
        self
    }

    const fn once(mut self) -> Self {
        self.is_scaled = false;
        self
    }
}

const MAPS: &[(&str, &str)] = &[("may", "needs more mapped stacks than the system allows")];
const STARVES: &[(&str, &str)] = &[("may", "the woken task starves behind yielding ones")];
const NO_END: &[(&str, &str)] = &[("may", "has no end")];
const NO_OTHER: &[(&str, &str)] = &[("tokio-ct", "has no other worker")];
const OTHER_WAKER: &[(&str, &str)] = &[("may", "has another waker after its first poll")];
const NO_WAIT: &[(&str, &str)] = &[("may", "drives no futures")];
const SLOW: &[(&str, &str)] = &[("may", "falls back to mapping stacks, for minutes")];

/// Futures of so many KiB.
const fn futures(name: &'static str, kib: usize) -> Workload {
    workload(name, Kind::Futures { kib }, 10_000).once()
}

pub(crate) const ALL: &[Workload] = &[
    workload("spawn-join", Kind::SpawnJoin, 100_000).without(MAPS),
    workload("spawn-join/serial", Kind::SpawnJoinSerial, 50_000).without(SLOW),
    workload("spawn-join/outside", Kind::SpawnJoinOutside, 20_000),
    workload("yield/1", Kind::Yield { tasks: 1 }, 200_000),
    workload("yield/1000", Kind::Yield { tasks: 1000 }, 1_000_000),
    workload("yield/100000", Kind::Yield { tasks: 100_000 }, 1_000_000)
        .warm_up(0)
        .without(MAPS),
    workload("ping-pong", Kind::PingPong, 50_000),
    workload("ping-pong/wakers", Kind::Wakers, 100_000).without(OTHER_WAKER),
    workload("skynet", Kind::Skynet, 1_000_000)
        .warm_up(10_000)
        .without(MAPS),
    workload("fan-in", Kind::FanIn, 200_000),
    workload("burst", Kind::Burst, 20_000),
    workload("skewed", Kind::Skewed, 2_000),
    workload("hand-over", Kind::HandOver, 300)
        .warm_up(30)
        .once()
        .without(NO_OTHER),
    workload("wake/idle", Kind::Wake { is_busy: false }, 300).warm_up(30),
    workload("wake/busy", Kind::Wake { is_busy: true }, 300)
        .warm_up(30)
        .without(STARVES),
    workload("parked", Kind::Parked, 1_000_000)
        .warm_up(0)
        .once()
        .without(MAPS),
    futures("future/1K", 1),
    futures("future/4K", 4),
    futures("future/8K", 8),
    futures("future/16K", 16),
    workload("start-stop", Kind::Lifetime, 100)
        .warm_up(10)
        .without(NO_END),
    workload("idle", Kind::Idle, 250).warm_up(0).once(),
    workload(
        "wait/ready",
        Kind::Stackful(stackful::Kind::Ready),
        2_000_000,
    )
    .without(NO_WAIT),
    workload(
        "closure/yield",
        Kind::Stackful(stackful::Kind::Yield),
        200_000,
    ),
    workload(
        "closure/serial",
        Kind::Stackful(stackful::Kind::Serial),
        50_000,
    )
    .without(SLOW),
    workload(
        "closure/batch",
        Kind::Stackful(stackful::Kind::Batch),
        20_000,
    ),
    workload(
        "closure/parked",
        Kind::Stackful(stackful::Kind::Parked),
        100_000,
    )
    .warm_up(0)
    .once()
    .without(MAPS),
    workload("yield-check", Kind::YieldCheck, 10_000)
        .warm_up(0)
        .once(),
];

pub(crate) fn find(name: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.name == name)
}

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) workers: usize,
    pub(crate) count: usize,
    /// Whether some of the work is done before.
    pub(crate) is_warm: bool,
}

impl Workload {
    /// Whether it can be done by so many workers.
    pub(crate) fn is_for(&self, workers: usize) -> bool {
        workers > 1 || !matches!(self.kind, Kind::HandOver)
    }

    /// Whether a runtime of this name does it.
    pub(crate) fn is_done_by(&self, name: &str) -> bool {
        let has_stacks = matches!(name, "dtact" | "may");
        (has_stacks || !matches!(self.kind, Kind::Stackful(_)))
            && self.without.iter().all(|(without, _)| *without != name)
    }

    /// Which of the workloads for stacks it is.
    pub(crate) fn kind_of_stackful(&self) -> stackful::Kind {
        match self.kind {
            Kind::Stackful(kind) => kind,
            other => unreachable!("{other:?} needs no stacks"),
        }
    }

    /// How many operations come before those that are measured.
    pub(crate) fn before(&self, size: &Size) -> usize {
        if size.is_warm {
            self.warm_up.min(size.count)
        } else {
            0
        }
    }
}

/// Does the work, after a warm-up, and says how it went.
pub(crate) fn run<R: Runtime>(workload: &Workload, size: &Size) -> Vec<Figure> {
    let &Size { workers, count, .. } = size;
    let workers = match workload.kind {
        Kind::YieldCheck => 1,
        _ => workers,
    };
    let before = workload.before(size);
    let future_bytes = match workload.kind {
        Kind::Futures { kib } => kib << 10,
        _ => 0,
    };
    if matches!(workload.kind, Kind::Lifetime) {
        lifetime::start_and_stop::<R>(workers, before.max(1));
        return lifetime::start_and_stop::<R>(workers, count);
    }
    let runtime = R::start(workers, future_bytes);
    if before > 0 {
        measure(&runtime, workload.kind, workers, before);
    }
    let figures = measure(&runtime, workload.kind, workers, count);
    runtime.stop();
    figures
}

fn measure<R: Runtime>(runtime: &R, kind: Kind, workers: usize, count: usize) -> Vec<Figure> {
    let calls = runtime.calls();
    match kind {
        Kind::SpawnJoin => runtime.inside(Stopwatch::around(count, spawns::batch(calls, count))),
        Kind::SpawnJoinSerial => {
            runtime.inside(Stopwatch::around(count, spawns::serial(calls, count)))
        }
        Kind::SpawnJoinOutside => {
            runtime.block_on(Stopwatch::around(count, spawns::batch(calls, count)))
        }
        Kind::Yield { tasks } => runtime.inside(yields::run(calls, tasks, count)),
        Kind::YieldCheck => runtime.inside(yields::check(calls, count)),
        Kind::PingPong => {
            runtime.inside(Stopwatch::around(count, channels::ping_pong(calls, count)))
        }
        Kind::Wakers => runtime.inside(Stopwatch::around(count, wakers::run(calls, count))),
        Kind::Skynet => runtime.inside(Stopwatch::around(count, skynet::run(calls, count))),
        Kind::FanIn => runtime.inside(Stopwatch::around(count, channels::fan_in(calls, count))),
        Kind::HandOver => runtime.inside(hand_over::run(calls, count)),
        Kind::Burst => runtime.inside(burst::run(calls, count, workers)),
        Kind::Skewed => runtime.inside(skewed::run(calls, count, workers)),
        Kind::Wake { is_busy } => wake::run(runtime, workers, count, is_busy),
        Kind::Parked => runtime.inside(parked::run(calls, count)),
        Kind::Futures { kib } => runtime.inside(futures::run(calls, kib, count)),
        Kind::Idle => lifetime::idle(runtime, count),
        Kind::Lifetime | Kind::Stackful(_) => {
            unreachable!("these do not have a runtime started for them")
        }
    }
}
