//! tokio's runtime of many threads.

use std::future::Future;

use super::{Calls, Runtime};

pub(super) struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    type Calls = TokioCalls;

    fn start(workers: usize, _future_bytes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .build();
        Self(runtime.expect("the machine has room for a runtime"))
    }

    fn calls(&self) -> TokioCalls {
        TokioCalls
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn stop(self) {
        drop(self.0);
    }
}

#[derive(Clone, Copy)]
pub(super) struct TokioCalls;

impl Calls for TokioCalls {
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
