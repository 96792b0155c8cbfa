//! The runtimes that are compared, each with the same number of workers.

use std::{future::Future, time::Duration};

use crate::workload::{self, Calls, Kind};

/// A runtime, started.
pub(crate) enum Contestant {
    Dtact(dtact::Runtime),
    Tokio(tokio::runtime::Runtime),
}

/// All of them. The first one is the one that the others are compared with.
pub(crate) fn all(workers: usize) -> Vec<Contestant> {
    ["tokio", "dtact"]
        .into_iter()
        .filter_map(|name| by_name(name, workers))
        .collect()
}

pub(crate) fn by_name(name: &str, workers: usize) -> Option<Contestant> {
    match name {
        "dtact" => {
            let runtime = dtact::Builder::new().workers(workers).build();
            Some(Contestant::Dtact(
                runtime.expect("the machine has room for a runtime"),
            ))
        }
        "tokio" => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .build();
            Some(Contestant::Tokio(
                runtime.expect("the machine has room for a runtime"),
            ))
        }
        _ => None,
    }
}

impl Contestant {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Dtact(_) => "dtact",
            Self::Tokio(_) => "tokio",
        }
    }

    /// Does the work in a task of the runtime.
    pub(crate) fn run(&self, kind: Kind, count: usize) -> Duration {
        match self {
            Self::Dtact(runtime) => {
                let handle = runtime.spawn(workload::run(Dtact, kind, count));
                runtime
                    .block_on(handle)
                    .expect("the workload does not panic")
            }
            Self::Tokio(runtime) => {
                let handle = runtime.spawn(workload::run(Tokio, kind, count));
                runtime
                    .block_on(handle)
                    .expect("the workload does not panic")
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Dtact;

impl Calls for Dtact {
    type Handle<T: Send + 'static> = dtact::JoinHandle<T>;

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        dtact::spawn(future)
    }

    async fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn yield_now(self) -> impl Future<Output = ()> + Send {
        dtact::yield_now()
    }
}

#[derive(Clone, Copy)]
struct Tokio;

impl Calls for Tokio {
    type Handle<T: Send + 'static> = tokio::task::JoinHandle<T>;

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }

    async fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn yield_now(self) -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}
