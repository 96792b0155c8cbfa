//! smol: its executor, run by as many threads as the others have workers.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    thread::JoinHandle,
};

use async_executor::{Executor, Task};

use super::{Calls, Runtime, thread};

pub(super) struct Smol {
    executor: &'static Executor<'static>,
    stop: async_channel::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Runtime for Smol {
    type Calls = SmolCalls;

    fn start(workers: usize, _future_bytes: usize) -> Self {
        let executor: &'static Executor<'static> = Box::leak(Box::default());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let threads = (0..workers).map(|_| {
            let stopped = stopped.clone();
            std::thread::spawn(move || {
                let until_stopped = async { stopped.recv().await.is_err() };
                thread::block_on(executor.run(until_stopped));
            })
        });
        Self {
            executor,
            stop,
            threads: threads.collect(),
        }
    }

    fn calls(&self) -> SmolCalls {
        SmolCalls(self.executor)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        thread::block_on(future)
    }

    fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            thread.join().expect("the executor does not panic");
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct SmolCalls(&'static Executor<'static>);

impl Calls for SmolCalls {
    type Handle<T: Send + 'static> = Task<T>;

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    async fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> T {
        handle.await
    }

    fn yield_now(self) -> impl Future<Output = ()> + Send {
        let mut has_yielded = false;
        poll_fn(move |cx| {
            if has_yielded {
                return Poll::Ready(());
            }
            has_yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}
