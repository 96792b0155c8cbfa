//! The runtimes that are compared: each behind the same few calls.

mod dtact;
#[cfg(feature = "peers")]
mod may;
#[cfg(feature = "peers")]
mod smol;
#[cfg(feature = "peers")]
mod thread;
#[cfg(feature = "peers")]
mod tokio;
#[cfg(feature = "peers")]
mod tokio_ct;

use std::future::Future;

use crate::{
    stackful,
    workload::{self, Figure, Size, Workload},
};

/// A runtime, started.
pub(crate) trait Runtime: Sized + 'static {
    /// What its tasks call.
    type Calls: Calls;

    /// Starts it with so many workers, for tasks whose futures are of so many bytes at most.
    fn start(workers: usize, future_bytes: usize) -> Self;

    fn calls(&self) -> Self::Calls;

    /// Drives a future on this thread, which is none of the runtime's.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Ends it, and waits for its threads.
    fn stop(self);

    /// Runs a future as a task.
    fn inside<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let calls = self.calls();
        self.block_on(async move { calls.join(calls.spawn(future)).await })
    }
}

/// The calls that all runtimes share, from tasks or within [`Runtime::block_on`].
pub(crate) trait Calls: Copy + Send + Sync + 'static {
    type Handle<T: Send + 'static>: Send + 'static;
    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> impl Future<Output = T> + Send;
    fn yield_now(self) -> impl Future<Output = ()> + Send;
}

/// Who takes part, in the order of the tables. The peers are compared with the first one.
pub(crate) const NAMES: &[&str] = if cfg!(feature = "peers") {
    &["dtact", "tokio", "tokio-ct", "smol", "may"]
} else {
    &["dtact"]
};

/// Does the work with the runtime of this name, if there is one.
pub(crate) fn run(name: &str, workload: &Workload, size: &Size) -> Option<Vec<Figure>> {
    if matches!(workload.kind, workload::Kind::Stackful(_)) {
        return match name {
            "dtact" => Some(stackful::run::<dtact::DtactStackful>(workload, size)),
            #[cfg(feature = "peers")]
            "may" => Some(stackful::run::<may::May>(workload, size)),
            _ => None,
        };
    }
    match name {
        "dtact" => Some(workload::run::<dtact::Dtact>(workload, size)),
        #[cfg(feature = "peers")]
        "tokio" => Some(workload::run::<tokio::Tokio>(workload, size)),
        #[cfg(feature = "peers")]
        "tokio-ct" => Some(workload::run::<tokio_ct::TokioCt>(workload, size)),
        #[cfg(feature = "peers")]
        "smol" => Some(workload::run::<smol::Smol>(workload, size)),
        #[cfg(feature = "peers")]
        "may" => Some(workload::run::<may::May>(workload, size)),
        _ => None,
    }
}
