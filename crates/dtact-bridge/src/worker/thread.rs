//! The threads of the workers.

use std::io;

use dtact_arena::{Stack, overflow::AlternateStack};
use dtact_mesh::{PlacementError, WorkerId};

use crate::{
    runtime::{Shared, probe},
    sync::{Arc, Ordering, Thread, lock, mpsc},
    trace::{EventKind, recorder::record_worker},
    worker::{context::WorkerContext, dispatch, stacks, suspension},
};

/// How large the stack of a thread of its own is at least, as that of any other thread.
const THREAD_STACK_MIN: usize = 2 << 20;

/// Room for what lies on it below the fibers that run there.
const THREAD_STACK_OWN: usize = 64 << 10;

/// Starts the thread of a worker.
///
/// One with a `report` binds itself to its CPUs, and says whether that was done. Its loop begins on
/// `stack`; without one it takes what is there when it gets to run, which may be none.
pub(crate) fn start(
    shared: &Arc<Shared>,
    id: WorkerId,
    stack: Option<Stack>,
    report: Option<mpsc::Sender<Result<(), PlacementError>>>,
) -> io::Result<()> {
    // It may have to run fibers there: see `main`.
    let stack_bytes = shared.stacks.default_bytes().max(THREAD_STACK_MIN) + THREAD_STACK_OWN;
    let builder = Thread::new()
        .name(format!("dtact-worker-{}", id.index()))
        .stack_size(stack_bytes);
    let worker_shared = Arc::clone(shared);
    // Under the lock, so that a shutdown finds every thread that was started before it looked.
    let mut threads = lock(&shared.threads);
    let thread = builder.spawn(move || {
        if let (Some(report), Some(plan)) = (report, &worker_shared.plan) {
            // Nobody listens where another worker has failed before: then the runtime ends.
            drop(report.send(plan.pin_current_thread(id)));
        }
        main(worker_shared, id, stack);
    })?;
    threads.push(thread);
    drop(threads);
    Ok(())
}

fn main(shared: Arc<Shared>, id: WorkerId, stack: Option<Stack>) {
    let Some(worker) = shared.mesh.worker(id) else {
        unreachable!("each worker has one thread, which alone claims it")
    };
    // Refused, an overflow ends the process as it would have, and nothing is said about it.
    let _alternate = AlternateStack::new();
    let context = WorkerContext::new(shared, worker);
    let thread_id = &context.shared.thread_ids[id.index()];
    thread_id.store(probe::this_thread(), Ordering::Relaxed);
    record_worker(&context, EventKind::Rise);
    context.enter(|| {
        // A spare worker may find the pool empty. What it was started for may be what gives a stack
        // back, or ends the wait of who blocks: it begins where it stands.
        let stack = stack.or_else(|| dispatch::run_until_stack(&context));
        let Some(stack) = stack else { return };
        suspension::run_on_stack(&context, stack);
        if let Some(stack) = context.replace_stack(None) {
            context.shared.stacks.give_back(stack);
        }
    });
    thread_id.store(0, Ordering::Relaxed);
    context.timers.end();
    stacks::flush(&context);
    context.cells.borrow_mut().flush(&context.shared.cells);
}
