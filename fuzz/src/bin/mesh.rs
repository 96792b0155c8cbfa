//! Hands tasks to a mesh of three workers in every way there is, and has them taken in any order.
//!
//! The bytes of an input are steps; one thread drives all workers in turn. What has to hold: a task
//! is given out once for each time it was handed in, a pinned one by its worker alone, and none is
//! left.
#![no_main]

use dtact_mesh::{ArrayLinks, Config, Mesh, TaskIndex, Worker, WorkerId};
use libfuzzer_sys::fuzz_target;

const WORKERS: u16 = 3;
/// More than rings and warehouses of all workers hold.
const TASKS: usize = 2048;

/// Where a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Out,
    Anywhere,
    Pinned(usize),
}

struct Driver {
    workers: Vec<Worker<ArrayLinks>>,
    places: Vec<Place>,
    /// Where to look for a task that is out.
    next: usize,
}

impl Driver {
    fn new() -> Self {
        let config = Config::new(usize::from(WORKERS), usize::from(WORKERS));
        let mesh = Mesh::new(config, ArrayLinks::new(TASKS)).expect("a small mesh");
        let claim = |id| mesh.worker(WorkerId::from_raw(id)).expect("nobody has it");
        Self {
            workers: (0..WORKERS).map(claim).collect(),
            places: vec![Place::Out; TASKS],
            next: 0,
        }
    }

    /// A task that is out, and now is there.
    fn hand_in(&mut self, place: Place) -> Option<TaskIndex> {
        let at = (0..TASKS)
            .map(|step| (self.next + step) % TASKS)
            .find(|at| self.places[*at] == Place::Out)?;
        self.next = at + 1;
        self.places[at] = place;
        TaskIndex::from_raw(u32::try_from(at).expect("few"))
    }

    fn step(&mut self, step: u8) {
        let worker = usize::from(step >> 4) % self.workers.len();
        let to = WorkerId::from_raw(u16::try_from(worker).expect("few"));
        let from = (worker + 1) % self.workers.len();
        // Now and then many at once, so that rings run over.
        let count = if step & 8 == 0 { 1 } else { 96 };
        for _ in 0..count {
            let place = match step & 7 {
                0..=3 => Place::Anywhere,
                4..=6 => Place::Pinned(worker),
                _ => {
                    self.take(worker);
                    continue;
                }
            };
            let Some(task) = self.hand_in(place) else {
                return;
            };
            let one = &self.workers[worker];
            match step & 7 {
                0 => one.push(task),
                1 => one.push_woken(task),
                2 => one.push_yielded(task),
                3 => one.mesh().inject(task),
                4 => one.push_pinned(task),
                5 => one.mesh().inject_pinned(to, task),
                _ => self.workers[from].send_pinned(to, task),
            }
        }
    }

    /// Has a worker take a task, and says whether it did.
    fn take(&mut self, worker: usize) -> bool {
        let Some(task) = self.workers[worker].next() else {
            return false;
        };
        let place = &mut self.places[task.raw() as usize];
        match *place {
            Place::Anywhere => {}
            Place::Pinned(home) => assert_eq!(home, worker, "a pinned task moved"),
            Place::Out => panic!("a task was given out twice"),
        }
        *place = Place::Out;
        true
    }
}

fuzz_target!(|input: &[u8]| {
    let mut driver = Driver::new();
    for step in input {
        driver.step(*step);
    }
    // A worker that finds nothing may have left work to one that comes later.
    for _ in 0..2 {
        for worker in 0..driver.workers.len() {
            while driver.take(worker) {}
        }
    }
    assert!(
        driver.places.iter().all(|place| *place == Place::Out),
        "a task is lost"
    );
});
