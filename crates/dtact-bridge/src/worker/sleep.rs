//! How a worker serves its timers: between two fibers, in its park, and by giving them to whoever
//! runs on while its thread is blocked.
//!
//! # Handing over
//!
//! A worker whose thread is about to block, or that goes dormant, leaves its wheels in a list of
//! the runtime, and spawns a fiber that takes over what is in the list, for the worker that runs
//! it. So it is a worker that runs fibers which gets them, whichever that is. Where that fiber
//! cannot be spawned, the next worker that is about to sleep takes them.

use core::panic::Location;

use dtact_mesh::Parked;

use crate::{
    spawn::{self, Options},
    sync::{AtomicUsize, Mutex, Ordering, lock},
    time::{Wheel, timers},
    worker::context::{self, WorkerContext},
};

/// Wheels that blocked workers have left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    wheels: Mutex<Vec<Wheel>>,
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
}

impl Left {
    fn add(&self, mut more: Vec<Wheel>) {
        let mut wheels = lock(&self.wheels);
        wheels.append(&mut more);
        self.count.store(wheels.len(), Ordering::Relaxed);
    }

    fn take(&self) -> Vec<Wheel> {
        let mut wheels = lock(&self.wheels);
        self.count.store(0, Ordering::Relaxed);
        core::mem::take(&mut wheels)
    }

    /// Wakes all that is in them. For the end of the runtime.
    pub(crate) fn end(&self) {
        timers::lose_all(self.take());
    }
}

/// Gives the free cells that the worker keeps for itself to all: it will not spawn for a while, and
/// somebody may wait for room.
pub(crate) fn give_back_cells(context: &WorkerContext) {
    context.cells.borrow_mut().flush(&context.shared.cells);
}

/// Sleeps until there may be work, or a timer is due, which then wakes.
pub(crate) fn park(context: &WorkerContext) -> Parked {
    let timers = &context.timers;
    give_back_cells(context);
    if context.shared.left_timers.count.load(Ordering::Relaxed) != 0 {
        adopt(context);
    }
    if !timers.is_armed() {
        return context.worker.park();
    }
    timers.wake_due();
    let Some(due) = timers.next_due() else {
        return Parked::Work;
    };
    // What was woken just now makes the park return at once.
    let parked = context.worker.park_until(due);
    timers.wake_due();
    parked
}

/// Gives the worker's timers to others: it will not serve them for a while.
pub(crate) fn hand_over(context: &WorkerContext) {
    if !context.timers.is_armed() {
        return;
    }
    let wheels = context.timers.take_armed();
    if wheels.is_empty() {
        return;
    }
    context.shared.left_timers.add(wheels);
    let options = Options::new(Location::caller()).name("dtact: timers of a blocked worker");
    let adopter = async {
        if let Some(context) = context::current() {
            adopt(context);
        }
    };
    // Where it is refused: see "Handing over".
    drop(spawn::future_anywhere(&context.shared, options, adopter));
}

fn adopt(context: &WorkerContext) {
    let wheels = context.shared.left_timers.take();
    if !wheels.is_empty() {
        context.timers.adopt(wheels);
    }
}
