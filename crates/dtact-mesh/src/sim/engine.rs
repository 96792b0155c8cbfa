//! Owns virtual time passing: events in their order, and what workers do at each.
//!
//! ```text
//!            Ask: nothing             woken, after Costs::wake
//!   Asking -----------------> Asleep -------------------------> Asking
//!     ^ |
//!     | | Ask: a task, then Done after its service
//!     | v
//!    Busy
//! ```

use core::{cmp::Reverse, fmt};
use std::collections::BinaryHeap;

use super::{
    clock,
    ideal::Ideal,
    ledger::{Ledger, Violation},
    load::{Load, Machine, Ready},
    report::Report,
    scheduler::{Next, Real, Scheduler},
};
use crate::Deflection;

/// Which scheduler is simulated.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Policy {
    /// The mesh as it ships: it deflects and steals.
    Both,
    /// The mesh, and tasks move by theft alone.
    Steal,
    /// The mesh, and tasks move by deflection alone. From outside they are still taken by whoever
    /// comes first.
    Deflect,
    /// Stealing whose messages take no time: what the mesh is measured against.
    Ideal,
}

impl Policy {
    pub(super) const fn deflects(self) -> bool {
        matches!(self, Self::Both | Self::Deflect)
    }

    pub(super) const fn steals(self) -> bool {
        matches!(self, Self::Both | Self::Steal)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Both => "both",
            Self::Steal => "steal only",
            Self::Deflect => "deflect only",
            Self::Ideal => "ideal stealing",
        })
    }
}

/// How long the scheduler's own actions take, in ns of virtual time.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Costs {
    /// To take a task and enter it.
    pub dispatch: u64,
    /// To look everywhere and find nothing: at least 1, as time must pass.
    pub search: u64,
    /// From the wake-up of a sleeping worker until it runs.
    pub wake: u64,
    /// To run a task that was queued by another worker, by how far that is: the same worker, the
    /// same core, complex, node, machine.
    pub transfer: [u64; 5],
}

impl Costs {
    /// Nothing takes any time: what is left is the policy.
    pub const NONE: Self = Self {
        dispatch: 0,
        search: 1,
        wake: 0,
        transfer: [0; 5],
    };
}

impl Default for Costs {
    /// Round figures of the order of what a server shows: tens of ns for a dispatch, a cache miss
    /// or a few for a transfer, microseconds for a wake-up.
    fn default() -> Self {
        Self {
            dispatch: 30,
            search: 500,
            wake: 5_000,
            transfer: [0, 40, 100, 250, 500],
        }
    }
}

/// What is simulated, apart from the load and the machine.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who schedules.
    pub policy: Policy,
    /// When the mesh deflects, where it does.
    pub deflection: Deflection,
    /// What its actions cost.
    pub costs: Costs,
    /// Decides the random choices of the scheduler.
    pub seed: u32,
}

impl Setup {
    /// With default deflection and costs, and seed 0.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            deflection: Deflection::default(),
            costs: Costs::default(),
            seed: 0,
        }
    }
}

/// Simulates a load on a machine, from its first task until nobody has anything to do.
///
/// # Errors
/// If the scheduler loses a task, runs one twice or in the wrong place, or does not come to rest;
/// or if the load is none.
///
/// # Panics
/// If the machine has no workers, or more than a mesh can have.
pub fn run(load: &Load, machine: &Machine, setup: &Setup) -> Result<Report, Violation> {
    check(load, machine)?;
    match setup.policy {
        Policy::Both | Policy::Steal | Policy::Deflect => {
            let mesh = Real::new(machine, load.tasks.len(), setup);
            Engine::new(load, machine, setup, mesh).run()
        }
        Policy::Ideal => {
            let ideal = Ideal::new(machine.workers(), setup.seed.into());
            Engine::new(load, machine, setup, ideal).run()
        }
    }
}

fn check(load: &Load, machine: &Machine) -> Result<(), Violation> {
    let workers = machine.workers();
    for (task, spec) in (0..).zip(&load.tasks) {
        let is_earlier = |other: &u32| *other < task;
        let is_there = |worker: Option<u16>| worker.is_none_or(|at| usize::from(at) < workers);
        let good = match &spec.ready {
            Ready::At(_, worker) => is_there(*worker),
            Ready::Spawned(by, _) => is_earlier(by),
            Ready::After(tasks) => !tasks.is_empty() && tasks.iter().all(is_earlier),
        };
        if !good || !is_there(spec.pinned) {
            return Err(Violation::BadLoad { task });
        }
    }
    Ok(())
}

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
enum Event {
    /// A task becomes ready; if a task on a worker does that, there.
    Arrive(u32, Option<u16>),
    Done(usize),
    Ask(usize),
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum State {
    Asking,
    Busy(u32, u64),
    Asleep,
}

struct Engine<'a, S> {
    load: &'a Load,
    machine: &'a Machine,
    costs: Costs,
    scheduler: S,
    ledger: Ledger,
    now: u64,
    /// By time, then in the order of their making.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    made: u64,
    workers: Vec<State>,
    asleep: Vec<usize>,
    /// How many tasks each task still waits for, and who waits for it.
    missing: Vec<usize>,
    waiters: Vec<Vec<u32>>,
    spawns: Vec<Vec<(u64, u32)>>,
    /// How often workers found nothing since something was last run.
    idle_asks: usize,
}

impl<'a, S: Scheduler> Engine<'a, S> {
    fn new(load: &'a Load, machine: &'a Machine, setup: &Setup, scheduler: S) -> Self {
        let tasks = load.tasks.len();
        let workers = machine.workers();
        let mut this = Self {
            load,
            machine,
            costs: setup.costs,
            scheduler,
            ledger: Ledger::new(tasks, workers),
            now: 0,
            events: BinaryHeap::new(),
            made: 0,
            workers: vec![State::Asking; workers],
            asleep: Vec::new(),
            missing: vec![0; tasks],
            waiters: vec![Vec::new(); tasks],
            spawns: vec![Vec::new(); tasks],
            idle_asks: 0,
        };
        for (task, spec) in (0..).zip(&load.tasks) {
            match &spec.ready {
                Ready::At(time, worker) => this.at(*time, Event::Arrive(task, *worker)),
                Ready::Spawned(by, after) => this.spawns[*by as usize].push((*after, task)),
                Ready::After(others) => {
                    this.missing[task as usize] = others.len();
                    for &other in others {
                        this.waiters[other as usize].push(task);
                    }
                }
            }
        }
        for worker in 0..workers {
            this.at(0, Event::Ask(worker));
        }
        this
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, self.made, event)));
        self.made += 1;
    }

    fn run(mut self) -> Result<Report, Violation> {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            clock::set(time);
            match event {
                Event::Arrive(task, worker) => self.arrive(task, worker),
                Event::Done(worker) => self.done(worker),
                Event::Ask(worker) => self.ask(worker)?,
            }
            self.deliver_tokens();
        }
        let sent = self.scheduler.messages();
        self.ledger.report(self.load, self.machine, sent)
    }

    fn arrive(&mut self, task: u32, worker: Option<u16>) {
        let worker = worker.map(usize::from);
        let by = worker.filter(|&worker| matches!(self.workers[worker], State::Busy(..)));
        self.ledger.queued(task, by, self.now);
        match (self.load.tasks[task as usize].pinned, by) {
            (Some(to), by) => self.scheduler.pin(by, to.into(), task),
            (None, Some(by)) => self.scheduler.spawn(by, task),
            (None, None) => self.scheduler.inject(task),
        }
    }

    fn ask(&mut self, worker: usize) -> Result<(), Violation> {
        match self.scheduler.next(worker) {
            Next::Run(task) => self.start(worker, task)?,
            Next::AskAgain => {
                self.idle_asks += 1;
                if self.idle_asks > 1_000 * self.workers.len() {
                    return Err(Violation::Livelock);
                }
                self.at(self.now + self.costs.search.max(1), Event::Ask(worker));
            }
            Next::Sleep => {
                self.workers[worker] = State::Asleep;
                self.asleep.push(worker);
            }
        }
        Ok(())
    }

    fn start(&mut self, worker: usize, task: u32) -> Result<(), Violation> {
        self.idle_asks = 0;
        let spec = &self.load.tasks[task as usize];
        if spec.pinned.is_some_and(|to| usize::from(to) != worker) {
            return Err(Violation::Strayed { task, worker });
        }
        let distance = self.ledger.started(task, worker, self.now, self.machine)?;
        let transfer = distance.map_or(0, |distance| self.costs.transfer[distance as usize]);
        let begin = self.now + self.costs.dispatch + transfer;
        let service = (spec.service * self.machine.slowness[worker]).div_ceil(100);
        self.workers[worker] = State::Busy(task, service);
        for (after, child) in core::mem::take(&mut self.spawns[task as usize]) {
            let at = u16::try_from(worker).ok();
            self.at(begin + after.min(service), Event::Arrive(child, at));
        }
        self.at(begin + service, Event::Done(worker));
        Ok(())
    }

    fn done(&mut self, worker: usize) {
        let State::Busy(task, ran) = self.workers[worker] else {
            return;
        };
        self.ledger.finished(worker, ran, self.now);
        for waiter in core::mem::take(&mut self.waiters[task as usize]) {
            self.missing[waiter as usize] -= 1;
            if self.missing[waiter as usize] == 0 {
                self.ledger.queued(waiter, Some(worker), self.now);
                match self.load.tasks[waiter as usize].pinned {
                    Some(to) => self.scheduler.pin(Some(worker), to.into(), waiter),
                    None => self.scheduler.wake(worker, waiter),
                }
            }
        }
        self.workers[worker] = State::Asking;
        self.at(self.now, Event::Ask(worker));
    }

    /// Whoever was woken during this event gets up a while later.
    fn deliver_tokens(&mut self) {
        let mut at = 0;
        while let Some(&worker) = self.asleep.get(at) {
            if self.scheduler.is_woken(worker) {
                self.asleep.swap_remove(at);
                self.workers[worker] = State::Asking;
                self.ledger.count_wake();
                self.at(self.now + self.costs.wake, Event::Ask(worker));
            } else {
                at += 1;
            }
        }
    }
}
