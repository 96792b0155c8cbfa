//! What the tests share: tasks by number, meshes by size, and threads that run tasks until a count
//! is reached.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "only tests call it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use dtact_mesh::{
    ArrayLinks, Attributes, Config, Domains, Link, Links, Mesh, Parked, Place, TaskIndex, Worker,
    WorkerId,
};

/// How long a test waits for what must happen, before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn task(raw: usize) -> TaskIndex {
    TaskIndex::from_raw(u32::try_from(raw).unwrap()).unwrap()
}

pub(crate) fn id(raw: usize) -> WorkerId {
    WorkerId::from_raw(u16::try_from(raw).unwrap())
}

pub(crate) fn mesh(workers: usize, workers_max: usize, tasks: usize) -> Arc<Mesh<ArrayLinks>> {
    Mesh::new(Config::new(workers, workers_max), ArrayLinks::new(tasks)).unwrap()
}

pub(crate) fn lone(tasks: usize) -> Worker<ArrayLinks> {
    mesh(1, 1, tasks).worker(id(0)).unwrap()
}

/// All tasks that `worker` finds, in order.
pub(crate) fn drain<L: Links>(worker: &Worker<L>) -> Vec<usize> {
    core::iter::from_fn(|| worker.next())
        .map(|task| task.raw() as usize)
        .collect()
}

/// Waits for `condition`, in steps of the scheduler's choosing.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        thread::yield_now();
    }
}

/// Which tasks ran how often.
pub(crate) struct Ledger {
    runs: Box<[AtomicU8]>,
    total: AtomicUsize,
}

impl Ledger {
    pub(crate) fn new(tasks: usize) -> Arc<Self> {
        Arc::new(Self {
            runs: (0..tasks).map(|_| AtomicU8::new(0)).collect(),
            total: AtomicUsize::new(0),
        })
    }

    /// Notes one run, and tells whether it was the last to come.
    pub(crate) fn run(&self, task: TaskIndex) -> bool {
        let before = self.runs[task.raw() as usize].fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "task {} ran twice", task.raw());
        self.total.fetch_add(1, Ordering::Relaxed) + 1 == self.runs.len()
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn assert_complete(&self) {
        for (task, runs) in self.runs.iter().enumerate() {
            assert_eq!(runs.load(Ordering::Relaxed), 1, "runs of task {task}");
        }
    }
}

/// A thread that runs worker `at` until the mesh is closed.
pub(crate) fn run_worker<L: Links>(
    mesh: &Arc<Mesh<L>>,
    at: usize,
    mut run: impl FnMut(&Worker<L>, TaskIndex) + Send + 'static,
) -> JoinHandle<()> {
    let worker = mesh.worker(id(at)).unwrap();
    thread::spawn(move || {
        loop {
            match worker.next() {
                Some(task) => run(&worker, task),
                None => {
                    if worker.park() == Parked::Closed {
                        return;
                    }
                }
            }
        }
    })
}

/// Joins threads that must end soon; fails instead of waiting for ever.
pub(crate) fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        wait_until("a worker's thread ends", || thread.is_finished());
        thread.join().unwrap();
    }
}

/// Tasks that ask for what they were told to.
#[derive(Debug)]
pub(crate) struct Asking {
    links: ArrayLinks,
    attributes: Box<[AtomicU32]>,
}

impl Asking {
    pub(crate) fn new(tasks: usize) -> Self {
        Self {
            links: ArrayLinks::new(tasks),
            attributes: (0..tasks).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    pub(crate) fn set(&self, task: usize, attributes: Attributes) {
        self.attributes[task].store(attributes.to_bits(), Ordering::Relaxed);
    }
}

impl Links for Asking {
    const HAS_ATTRIBUTES: bool = true;

    fn link(&self, task: TaskIndex) -> &Link {
        self.links.link(task)
    }

    fn attributes(&self, task: TaskIndex) -> Attributes {
        Attributes::from_bits(self.attributes[task.raw() as usize].load(Ordering::Relaxed))
    }
}

/// A mesh of tasks that may ask for something.
pub(crate) fn asking(config: Config, tasks: usize) -> Arc<Mesh<Asking>> {
    Mesh::new(config, Asking::new(tasks)).unwrap()
}

/// So many workers, two on a core, four in a complex, eight in a node.
pub(crate) fn nested(workers: u32) -> Domains {
    Domains::new((0..workers).map(|n| Place {
        core: n / 2,
        complex: n / 4,
        node: n / 8,
    }))
}
