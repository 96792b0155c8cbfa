//! A small thread pool: closures in a table, their indices in the mesh, each with a priority.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use dtact_mesh::{
    ArrayLinks, Attributes, Config, Link, Links, Mesh, MeshError, Parked, Priority, TaskIndex,
    Worker, WorkerId,
};

type Job = Box<dyn FnOnce() + Send>;

/// The table: a closure for each index that is queued, and the indices that are free.
struct Jobs {
    slots: Box<[Mutex<Option<Job>>]>,
    free: Mutex<Vec<TaskIndex>>,
}

/// What the mesh needs of the jobs: a link word for each, and what it asks for.
struct Asked {
    links: ArrayLinks,
    attributes: Box<[AtomicU32]>,
}

impl Links for Asked {
    const HAS_ATTRIBUTES: bool = true;

    fn link(&self, task: TaskIndex) -> &Link {
        self.links.link(task)
    }

    fn attributes(&self, task: TaskIndex) -> Attributes {
        Attributes::from_bits(self.attributes[task.raw() as usize].load(Ordering::Relaxed))
    }
}

struct Pool {
    mesh: Arc<Mesh<Asked>>,
    jobs: Arc<Jobs>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    fn new(workers: u16, capacity: u32) -> Result<Self, MeshError> {
        let workers_max = usize::from(workers);
        let config = Config::new(workers_max, workers_max);
        let asked = Asked {
            links: ArrayLinks::new(capacity as usize),
            attributes: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
        };
        let mesh = Mesh::new(config, asked)?;
        let jobs = Arc::new(Jobs {
            slots: (0..capacity).map(|_| Mutex::new(None)).collect(),
            free: Mutex::new((0..capacity).filter_map(TaskIndex::from_raw).collect()),
        });
        let workers = (0..workers).filter_map(|id| mesh.worker(WorkerId::from_raw(id)));
        let threads = workers.map(|worker| {
            let jobs = Arc::clone(&jobs);
            thread::spawn(move || jobs.work(&worker))
        });
        let threads = threads.collect();
        Ok(Self {
            mesh,
            jobs,
            threads,
        })
    }

    /// Queues a closure; gives it back if the table is full.
    fn run(&self, priority: Priority, job: Job) -> Result<(), Job> {
        let free = self
            .jobs
            .free
            .lock()
            .expect("no panic under the lock")
            .pop();
        let Some(task) = free else { return Err(job) };
        *self
            .jobs
            .slot(task)
            .lock()
            .expect("no panic under the lock") = Some(job);
        let attributes = Attributes::new().with_priority(priority).to_bits();
        self.mesh.links().attributes[task.raw() as usize].store(attributes, Ordering::Relaxed);
        self.mesh.inject(task);
        Ok(())
    }

    /// Runs what is queued, then ends the threads.
    fn finish(self) {
        self.mesh.close();
        for thread in self.threads {
            thread.join().expect("a job panicked");
        }
    }
}

impl Jobs {
    fn slot(&self, task: TaskIndex) -> &Mutex<Option<Job>> {
        &self.slots[task.raw() as usize]
    }

    fn work(&self, worker: &Worker<Asked>) {
        loop {
            while let Some(task) = worker.next() {
                let job = self
                    .slot(task)
                    .lock()
                    .expect("no panic under the lock")
                    .take();
                self.free
                    .lock()
                    .expect("no panic under the lock")
                    .push(task);
                job.expect("a queued index has a job")();
            }
            if worker.park() == Parked::Closed {
                return;
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
pub(crate) fn main() -> Result<(), MeshError> {
    // One worker, so that the order shows; it is busy until all are queued.
    let pool = Pool::new(1, 64)?;
    let (start, started) = mpsc::channel::<()>();
    let wait = Box::new(move || assert!(started.recv().is_err(), "the sender only hangs up"));
    assert!(pool.run(Priority::Critical, wait).is_ok(), "it has room");
    let (report, reports) = mpsc::channel();
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    for (number, priority) in (0..12_u64).zip(priorities.into_iter().cycle()) {
        let report = report.clone();
        let job = Box::new(move || {
            let sum: u64 = (0..=number * 1000).sum();
            let line = format!("{priority:?}: 0 + ... + {} = {sum}", number * 1000);
            report.send(line).expect("the main thread listens");
        });
        assert!(pool.run(priority, job).is_ok(), "the table has room");
    }
    drop((start, report));
    for line in reports {
        println!("{line}");
    }
    pool.finish();
    Ok(())
}
