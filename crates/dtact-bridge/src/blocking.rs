//! Running code that blocks its thread, without holding up the fibers behind it.
//!
//! # How
//!
//! The worker says that its thread is about to block; another one takes over its queue. Until the
//! closure returns, the thread counts as one outside of the runtime: what it spawns and wakes goes
//! through the injector, and where it waits, it parks. Otherwise a fiber that it woke would wait
//! in the queue of a worker that does not run.

use core::panic::Location;

use dtact_mesh::Replacement;

use crate::{
    block_on,
    join::JoinHandle,
    room,
    spawn::{self, Options},
    worker::{
        context::{self, WorkerContext},
        sleep, thread,
    },
};

/// Runs code that blocks its thread: system calls that wait, long computations, locks that are held
/// for long. Another thread of the runtime runs the fibers behind it meanwhile.
///
/// Within it, the fiber is not suspended: [`wait`](crate::wait()) parks the thread, and
/// a cancellation takes effect afterwards. [`spawn_local`](crate::spawn_local()) is refused.
///
/// Fibers that are bound to this worker, because they are suspended in [`wait`](crate::wait()) on
/// its thread, or are spawned for it, cannot follow to another: they wait until it returns.
///
/// Outside of a fiber it only calls the closure.
///
/// # Examples
///
/// ```
/// use std::{thread, time::Duration};
///
/// use dtact_bridge::{Builder, blocking, spawn};
///
/// let runtime = Builder::new().workers(1).build()?;
/// let beside = runtime.block_on(async {
///     let sleeper = spawn(async { blocking(|| thread::sleep(Duration::from_millis(20))) });
///     let beside = spawn(async { 1 }).await;
///     sleeper.await.expect("it does not panic");
///     beside
/// });
/// assert_eq!(beside.expect("it does not panic"), 1);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
pub fn blocking<F: FnOnce() -> T, T>(closure: F) -> T {
    match context::current() {
        Some(context) => {
            // While the thread is still a worker: what is left is left to others.
            begin(context);
            let _end = End(context);
            context::outside(context, || block_on::enter(&context.shared, closure))
        }
        None => closure(),
    }
}

/// Spawns a fiber that runs code which blocks its thread: [`blocking`] in a fiber of its own.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn_blocking};
///
/// let runtime = Runtime::new()?;
/// let here = runtime.block_on(async { spawn_blocking(|| std::fs::metadata(".")).await });
/// assert!(here?.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let options = Options::new(Location::caller());
    let future = async { blocking(closure) };
    room::spawn_when_there_is(future, room::timeout_at_hand, |future| {
        spawn::on_runtime_at_hand(future, |shared, future| {
            spawn::future_on(shared, options, future)
        })
    })
}

/// Has another worker take over, as far as there is one.
pub(crate) fn begin(context: &WorkerContext) {
    sleep::hand_over(context);
    sleep::give_back_cells(context);
    if let Replacement::Start(id) = context.worker.begin_blocking() {
        // Where no thread is to be had there is no replacement; the code blocks all the same.
        if thread::start(&context.shared, id, None).is_err() {
            context.shared.mesh.abandon_start(id);
        }
    }
}

struct End<'worker>(&'worker WorkerContext);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.worker.end_blocking();
    }
}
