//! Fibers that run for long without a suspension, told to whoever asked.

use core::{fmt, panic::AssertUnwindSafe, time::Duration};
use std::panic::catch_unwind;

use dtact_arena::CellIndex;
use dtact_mesh::{Watchdog, WorkerId};

use crate::{
    fiber::body::drop_quietly,
    runtime::{
        Shared,
        dump::{self, FiberDump},
        probe::StackTrace,
    },
    sync::Ordering,
    worker::context,
};

/// A fiber that has been running for too long: see [`Builder::watchdog`](crate::Builder::watchdog).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongPoll {
    /// The worker that runs it.
    pub worker: usize,
    /// For how long, at least.
    pub duration: Duration,
    /// Which one it is, unless it has ended meanwhile.
    pub fiber: Option<FiberDump>,
    /// Where it is, or was a moment later; `None` without
    /// [`Builder::watchdog_stacks`](crate::Builder::watchdog_stacks), and where its thread did not
    /// answer.
    pub stack: Option<StackTrace>,
}

impl fmt::Display for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worker, duration, ..
        } = self;
        write!(f, "worker {worker} has run one fiber for {duration:?}")?;
        if let Some(fiber) = &self.fiber {
            write!(f, ": {fiber}")?;
        }
        match &self.stack {
            Some(stack) => write!(f, "\n{stack}"),
            None => Ok(()),
        }
    }
}

fn stack_of(shared: &Shared, worker: WorkerId) -> Option<StackTrace> {
    let thread = shared.thread_ids.get(worker.index())?;
    shared.probe?.look_at(thread.load(Ordering::Relaxed))
}

pub(crate) fn watchdog(
    limit: Duration,
    report: impl Fn(&LongPoll) + Send + Sync + 'static,
) -> Watchdog {
    Watchdog::new(limit, move |poll| {
        // The mesh calls this on the thread of one of its workers.
        let Some(context) = context::current() else {
            return;
        };
        context.shared.counters.of(poll.worker).long_poll();
        let index = CellIndex::from_raw(poll.task.raw());
        let poll = LongPoll {
            worker: poll.worker.index(),
            duration: poll.duration,
            fiber: index.and_then(|index| dump::fiber(&context.shared, index)),
            stack: stack_of(&context.shared, poll.worker),
        };
        // The worker is between two fibers: there is nobody that could be suspended.
        context.in_no_suspend(|| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| report(&poll))) {
                drop_quietly(payload);
            }
        });
    })
}
