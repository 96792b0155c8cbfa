//! A small thread pool: closures in a table, their indices in the mesh.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

use dtact_mesh::{ArrayLinks, Config, Mesh, MeshError, Parked, TaskIndex, Worker, WorkerId};

type Job = Box<dyn FnOnce() + Send>;

/// The table: a closure for each index that is queued, and the indices that are free.
struct Jobs {
    slots: Box<[Mutex<Option<Job>>]>,
    free: Mutex<Vec<TaskIndex>>,
}

struct Pool {
    mesh: Arc<Mesh<ArrayLinks>>,
    jobs: Arc<Jobs>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    fn new(workers: u16, capacity: u32) -> Result<Self, MeshError> {
        let workers_max = usize::from(workers);
        let config = Config::new(workers_max, workers_max);
        let mesh = Mesh::new(config, ArrayLinks::new(capacity as usize))?;
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
    fn run(&self, job: Job) -> Result<(), Job> {
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

    fn work(&self, worker: &Worker<ArrayLinks>) {
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
fn main() -> Result<(), MeshError> {
    let pool = Pool::new(2, 64)?;
    let (report, reports) = mpsc::channel();
    for number in 0..10_u64 {
        let report = report.clone();
        let job = Box::new(move || {
            let sum: u64 = (0..=number * 1000).sum();
            report.send((number, sum)).expect("the main thread listens");
        });
        assert!(pool.run(job).is_ok(), "the table has room for ten");
    }
    drop(report);
    let mut sums: Vec<_> = reports.iter().collect();
    sums.sort_unstable();
    for (number, sum) in sums {
        println!("0 + ... + {} = {sum}", number * 1000);
    }
    pool.finish();
    Ok(())
}
