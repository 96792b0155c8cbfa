//! Owns what a simulation has to do, as plain data: tasks, when each becomes ready, and the workers
//! that run them.

use crate::{Placement, Topology, WorkerId, topology::CpuLevel};

/// When a task becomes ready, and who queues it.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum Ready {
    /// At a time in ns. The worker queues it as if it were spawned by what runs there; if nothing
    /// does, it comes from outside, as it does with `None`.
    At(u64, Option<u16>),
    /// So many ns after another task has started, and from the worker that runs that one.
    Spawned(u32, u64),
    /// When all of these are done: the worker that runs the last of them wakes it.
    After(Vec<u32>),
}

/// A task: named by its place in the load.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Task {
    /// When it may run.
    pub ready: Ready,
    /// How many ns it runs, on a worker of usual speed.
    pub service: u64,
    /// The only worker that may run it.
    pub pinned: Option<u16>,
}

/// All that there is to do.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Load {
    /// The tasks. One may only refer to earlier ones.
    pub tasks: Vec<Task>,
}

impl Load {
    /// Adds a task and gives its name.
    pub fn add(&mut self, ready: Ready, service: u64) -> u32 {
        self.push(ready, service, None)
    }

    /// As [`add`](Self::add), for one worker alone.
    pub fn add_pinned(&mut self, ready: Ready, service: u64, worker: u16) -> u32 {
        self.push(ready, service, Some(worker))
    }

    fn push(&mut self, ready: Ready, service: u64, pinned: Option<u16>) -> u32 {
        self.tasks.push(Task {
            ready,
            service,
            pinned,
        });
        u32::try_from(self.tasks.len() - 1).unwrap_or(u32::MAX)
    }
}

/// The virtual workers: where each is, and how fast.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Machine {
    pub(super) levels: Vec<CpuLevel>,
    /// How long each takes for a task, in percent of the task's service.
    pub(super) slowness: Vec<u64>,
}

impl Machine {
    /// Workers of equal speed on cores of one complex.
    #[must_use]
    pub fn flat(workers: u16) -> Self {
        Self::grouped(workers, workers.max(1), workers.max(1))
    }

    /// Workers of equal speed, so many to a complex and to a node.
    ///
    /// # Panics
    /// If a complex or a node would have none.
    #[must_use]
    pub fn grouped(workers: u16, per_complex: u16, per_node: u16) -> Self {
        let level = |worker: u16| CpuLevel {
            cpu: worker.into(),
            core: worker.into(),
            complex: (worker / per_complex).into(),
            node: (worker / per_node).into(),
        };
        Self::new((0..workers).map(level))
    }

    /// A worker of usual speed at each of these places.
    pub fn new(levels: impl IntoIterator<Item = CpuLevel>) -> Self {
        let levels: Vec<_> = levels.into_iter().collect();
        Self {
            slowness: vec![100; levels.len()],
            levels,
        }
    }

    /// A worker of usual speed on each CPU that a process may use, near ones next to each other.
    ///
    /// # Panics
    /// Never: a topology has as many CPUs as it has.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let workers = topology.usable().count();
        let plan = Placement::Compact.plan(topology, workers);
        let plan = plan.expect("as many workers as CPUs");
        let ids = (0..u16::MAX).take(workers).map(WorkerId::from_raw);
        Self::new(ids.filter_map(|id| plan.level(id)))
    }

    /// The same with one worker that takes so many percent of the usual time.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn with_slow(mut self, worker: u16, percent: u64) -> Self {
        self.slowness[usize::from(worker)] = percent;
        self
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.levels.len()
    }
}
