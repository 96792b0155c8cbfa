//! Owns what happened to each task, and whether that may be.

use core::{error, fmt};

use super::{
    load::{Load, Machine, Ready},
    report::{Messages, Report, Waits},
};
use crate::Distance;

/// What a scheduler must never do, and did.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Violation {
    /// A task was ready, nobody ran, and nobody would ever have run it.
    Lost {
        /// The task.
        task: u32,
    },
    /// A task was run a second time, or before it was ready.
    Twice {
        /// The task.
        task: u32,
    },
    /// A pinned task was run by another worker.
    Strayed {
        /// The task.
        task: u32,
        /// Who ran it.
        worker: usize,
    },
    /// Workers looked for tasks again and again while none came.
    Livelock,
    /// The load is no load: a task refers to a later one, or to a worker that is not there.
    BadLoad {
        /// The task.
        task: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Lost { task } => write!(f, "task {task} was never run"),
            Self::Twice { task } => write!(f, "task {task} was run when it was not queued"),
            Self::Strayed { task, worker } => {
                write!(
                    f,
                    "task {task} was run by worker {worker}, to which it is not pinned"
                )
            }
            Self::Livelock => f.write_str("workers keep looking for tasks that are not there"),
            Self::BadLoad { task } => write!(
                f,
                "task {task} of the load refers to a later task or to a worker that is not there"
            ),
        }
    }
}

impl error::Error for Violation {}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum State {
    NotReady,
    Queued { by: Option<usize>, since: u64 },
    Started { waited: u64 },
}

#[derive(Debug)]
pub(super) struct Ledger {
    states: Vec<State>,
    waiting: u64,
    waiting_max: u64,
    /// The sum over time of how many wait, in task nanoseconds.
    waiting_sum: u128,
    last_change: u64,
    busy: Vec<u64>,
    moves: [u64; 5],
    finished: usize,
    makespan: u64,
    wakes: u64,
}

impl Ledger {
    pub(super) fn new(tasks: usize, workers: usize) -> Self {
        Self {
            states: vec![State::NotReady; tasks],
            waiting: 0,
            waiting_max: 0,
            waiting_sum: 0,
            last_change: 0,
            busy: vec![0; workers],
            moves: [0; 5],
            finished: 0,
            makespan: 0,
            wakes: 0,
        }
    }

    fn change_waiting(&mut self, now: u64, change: i64) {
        let span = now - self.last_change;
        self.waiting_sum += u128::from(span) * u128::from(self.waiting);
        self.last_change = now;
        self.waiting = self.waiting.saturating_add_signed(change);
        self.waiting_max = self.waiting_max.max(self.waiting);
    }

    pub(super) fn queued(&mut self, task: u32, by: Option<usize>, now: u64) {
        self.states[task as usize] = State::Queued { by, since: now };
        self.change_waiting(now, 1);
    }

    /// Gives how far the task came.
    pub(super) fn started(
        &mut self,
        task: u32,
        worker: usize,
        now: u64,
        machine: &Machine,
    ) -> Result<Option<Distance>, Violation> {
        let state = &mut self.states[task as usize];
        let State::Queued { by, since } = *state else {
            return Err(Violation::Twice { task });
        };
        *state = State::Started {
            waited: now - since,
        };
        self.change_waiting(now, -1);
        let distance = by.map(|by| machine.levels[by].distance(machine.levels[worker]));
        if let Some(distance) = distance {
            self.moves[distance as usize] += 1;
        }
        Ok(distance)
    }

    pub(super) fn finished(&mut self, worker: usize, ran: u64, now: u64) {
        self.busy[worker] += ran;
        self.finished += 1;
        self.makespan = self.makespan.max(now);
    }

    pub(super) fn count_wake(&mut self) {
        self.wakes += 1;
    }

    pub(super) fn report(
        self,
        load: &Load,
        machine: &Machine,
        sent: Messages,
    ) -> Result<Report, Violation> {
        let mut waits = Vec::with_capacity(self.states.len());
        for (task, state) in (0..).zip(&self.states) {
            let State::Started { waited } = *state else {
                return Err(Violation::Lost { task });
            };
            waits.push(waited);
        }
        let busy_sum: u64 = self.busy.iter().sum();
        let squares: u128 = self.busy.iter().map(|&busy| u128::from(busy).pow(2)).sum();
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        Ok(Report {
            tasks: self.finished,
            makespan: self.makespan,
            makespan_bound: bound(load, machine),
            waits: Waits::of(waits),
            waiting_mean: self.waiting_sum as f64 / self.makespan.max(1) as f64,
            waiting_max: self.waiting_max,
            utilisation: busy_sum as f64 / (self.makespan.max(1) * self.busy.len() as u64) as f64,
            fairness: (busy_sum as f64).powi(2) / (self.busy.len() as f64 * squares.max(1) as f64),
            moves: self.moves,
            messages: Messages {
                wakes: self.wakes,
                ..sent
            },
        })
    }
}

/// No schedule ends earlier: the work divided by the speed of all workers, and the longest chain of
/// tasks that wait for each other on the fastest worker.
fn bound(load: &Load, machine: &Machine) -> u64 {
    let fastest = machine.slowness.iter().copied().min().unwrap_or(100);
    let mut ends: Vec<u64> = Vec::with_capacity(load.tasks.len());
    let mut starts: Vec<u64> = Vec::with_capacity(load.tasks.len());
    for task in &load.tasks {
        let start = match &task.ready {
            Ready::At(time, _) => *time,
            Ready::Spawned(by, after) => {
                let (start, end) = (starts[*by as usize], ends[*by as usize]);
                (start + after).min(end)
            }
            Ready::After(tasks) => {
                let ends = tasks.iter().map(|&task| ends[task as usize]);
                ends.max().unwrap_or(0)
            }
        };
        starts.push(start);
        let only = task.pinned.map(|at| machine.slowness[usize::from(at)]);
        let slowness = only.unwrap_or(fastest);
        ends.push(start + task.service * slowness / 100);
    }
    let work: u128 = load.tasks.iter().map(|task| u128::from(task.service)).sum();
    // In billionths of a worker of usual speed, rounded up, so that the bound is rounded down.
    let billionths = |&percent: &u64| 100_000_000_000_u128.div_ceil(u128::from(percent.max(1)));
    let speed: u128 = machine.slowness.iter().map(billionths).sum();
    let work_bound = work * 1_000_000_000 / speed.max(1);
    let chain_bound = ends.into_iter().max().unwrap_or(0);
    chain_bound.max(u64::try_from(work_bound).unwrap_or(u64::MAX))
}
