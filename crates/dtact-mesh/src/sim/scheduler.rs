//! Owns what the engine asks of a scheduler, and the mesh as one.

use super::{clock, engine::Setup, load::Machine, report::Messages};
use crate::{
    ArrayLinks, Clock, Config, Domains, Listed, Mesh, TaskIndex, Worker, WorkerId, sync::Arc,
};

/// What a worker does next.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Next {
    Run(u32),
    /// It found nothing, and something came while it was about to sleep.
    AskAgain,
    Sleep,
}

/// Who decides which worker runs what. Workers are named by number.
pub(super) trait Scheduler {
    /// `worker` runs something, which spawns `task`.
    fn spawn(&mut self, worker: usize, task: u32);
    /// `worker` runs something, which wakes `task`.
    fn wake(&mut self, worker: usize, task: u32);
    /// `task` comes from outside.
    fn inject(&mut self, task: u32);
    /// `task` is for the worker `to` alone; it comes from what `from` runs, or from outside.
    fn pin(&mut self, from: Option<usize>, to: usize, task: u32);
    /// `worker` has nothing to run.
    fn next(&mut self, worker: usize) -> Next;
    /// Whether the sleeping `worker` was woken, and sleeps no more.
    fn is_woken(&mut self, worker: usize) -> bool;
    /// What has been sent so far, wake-ups excepted.
    fn messages(&self) -> Messages;
}

/// The production code.
pub(super) struct Real {
    mesh: Arc<Mesh<ArrayLinks>>,
    workers: Vec<Worker<ArrayLinks>>,
}

impl Real {
    pub(super) fn new(machine: &Machine, tasks: usize, setup: &Setup) -> Self {
        clock::set(0);
        let workers = machine.workers();
        let config = Config {
            domains: Domains::new(machine.levels.iter().map(|level| level.place())),
            deflection: setup.policy.deflects().then_some(setup.deflection),
            stealing: setup.policy.steals(),
            clock: Clock(clock::now),
            shards: 1,
            seed: setup.seed,
            ..Config::new(workers, workers)
        };
        let mesh = Mesh::new(config, ArrayLinks::new(tasks)).expect("a machine is a mesh's size");
        let claim = |at| mesh.worker(id(at)).expect("nobody else claims workers");
        Self {
            workers: (0..workers).map(claim).collect(),
            mesh,
        }
    }
}

fn id(worker: usize) -> WorkerId {
    WorkerId::from_raw(u16::try_from(worker).unwrap_or(u16::MAX))
}

fn index(task: u32) -> TaskIndex {
    TaskIndex::from_raw(task).expect("a load has fewer tasks")
}

impl Scheduler for Real {
    fn spawn(&mut self, worker: usize, task: u32) {
        self.workers[worker].push(index(task));
    }

    fn wake(&mut self, worker: usize, task: u32) {
        self.workers[worker].push_woken(index(task));
    }

    fn inject(&mut self, task: u32) {
        self.mesh.inject(index(task));
    }

    fn pin(&mut self, from: Option<usize>, to: usize, task: u32) {
        match from {
            Some(from) => self.workers[from].send_pinned(id(to), index(task)),
            None => self.mesh.inject_pinned(id(to), index(task)),
        }
    }

    fn next(&mut self, worker: usize) -> Next {
        let worker = &self.workers[worker];
        match worker.next() {
            Some(task) => Next::Run(task.raw()),
            None => match worker.list() {
                Listed::Awake(_) => Next::AskAgain,
                Listed::Sleeps => Next::Sleep,
            },
        }
    }

    fn is_woken(&mut self, worker: usize) -> bool {
        self.workers[worker].unlist().is_some()
    }

    fn messages(&self) -> Messages {
        let mut sum = Messages::default();
        for worker in self.mesh.stats() {
            sum.probes += worker.probed;
            sum.deflected += worker.deflected;
        }
        sum
    }
}
