//! Dtact, with its defaults; and with stackful suspension, for the workloads that are about it.

#![allow(unsafe_code, reason = "enables stackful suspension")]

use std::{future::Future, time::Duration};

use super::{Calls, Runtime};
use crate::stackful::Stackful;

/// More than the workloads have at once.
const STACKS: u32 = 1 << 17;
/// What a closure asks for: no more than workers have anyway.
const STACK_BYTES: usize = 16 << 10;

pub(super) struct Dtact(dtact::Runtime);

impl Runtime for Dtact {
    type Calls = DtactCalls;

    fn start(workers: usize, _future_bytes: usize) -> Self {
        let runtime = dtact::Builder::new().workers(workers).build();
        Self(runtime.expect("the machine has room for a runtime"))
    }

    fn calls(&self) -> DtactCalls {
        DtactCalls
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn stop(self) {
        let stopped = self.0.shutdown(Duration::from_secs(10));
        stopped.expect("its tasks have ended");
    }
}

#[derive(Clone, Copy)]
pub(super) struct DtactCalls;

impl Calls for DtactCalls {
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

pub(super) struct DtactStackful(dtact::Runtime);

impl Stackful for DtactStackful {
    type Handle = dtact::JoinHandle<()>;

    fn start(workers: usize) -> Self {
        let builder = dtact::Builder::new().workers(workers).stacks(STACKS);
        // SAFETY: nothing here keeps thread-local borrows or locks across a wait.
        let builder = unsafe { builder.enable_stackful() };
        Self(builder.build().expect("the machine has room for a runtime"))
    }

    fn run<F: FnOnce() + Send + 'static>(&self, body: F) {
        let root = self.0.spawn_with_stack(STACK_BYTES, body);
        self.0.block_on(root).expect("the fiber does not panic");
    }

    fn spawn<F: FnOnce() + Send + 'static>(body: F) -> Self::Handle {
        dtact::spawn_with_stack(STACK_BYTES, body)
    }

    fn join(handle: Self::Handle) {
        handle.wait().expect("the fiber does not panic");
    }

    fn yield_now() {
        dtact::dtact_wait(dtact::yield_now());
    }

    fn wait<F: Future>(future: F) -> Option<F::Output> {
        Some(dtact::dtact_wait(future))
    }
}
