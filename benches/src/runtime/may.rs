//! may: stackful coroutines. A task is a coroutine that drives a future and parks while it is
//! pending.

#![allow(unsafe_code, reason = "spawns coroutines")]

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use may::coroutine::{self, Coroutine, JoinHandle};

use super::{Calls, Runtime, thread};
use crate::stackful::Stackful;

/// Stacks that are kept for reuse: more than are mapped at once in any workload it can do.
const POOL: usize = 25_000;
const WORD: usize = size_of::<usize>();
/// The size of a stack beside what the future takes, several times over on its way there.
const STACK_BYTES: usize = 16 << 10;

pub(super) struct May;

impl Runtime for May {
    type Calls = MayCalls;

    fn start(workers: usize, future_bytes: usize) -> Self {
        may::config()
            .set_workers(workers)
            .set_pool_capacity(POOL)
            .set_stack_size((STACK_BYTES + 12 * future_bytes) / WORD);
        Self
    }

    fn calls(&self) -> MayCalls {
        MayCalls
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        thread::block_on(future)
    }

    /// It runs until the process ends.
    fn stop(self) {}
}

struct Unpark(Coroutine);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future in a coroutine. Most are ready at once, and need no waker.
fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    if let Poll::Ready(output) = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(coroutine::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        coroutine::park();
    }
}

#[derive(Clone, Copy)]
pub(super) struct MayCalls;

impl Calls for MayCalls {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: nothing here keeps thread-locals across a switch, and the stacks are large
        // enough.
        unsafe { coroutine::spawn(move || drive(future)) }
    }

    async fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> T {
        handle.join().expect("the task does not panic")
    }

    async fn yield_now(self) {
        coroutine::yield_now();
    }
}

impl Stackful for May {
    type Handle = JoinHandle<()>;

    fn start(workers: usize) -> Self {
        <Self as Runtime>::start(workers, 0)
    }

    fn run<F: FnOnce() + Send + 'static>(&self, body: F) {
        <Self as Stackful>::join(<Self as Stackful>::spawn(body));
    }

    fn spawn<F: FnOnce() + Send + 'static>(body: F) -> Self::Handle {
        // SAFETY: as above.
        unsafe { coroutine::spawn(body) }
    }

    fn join(handle: Self::Handle) {
        handle.join().expect("the coroutine does not panic");
    }

    fn yield_now() {
        coroutine::yield_now();
    }

    fn wait<F: Future>(_future: F) -> Option<F::Output> {
        None
    }
}
