//! tokio's runtime of one thread, on a thread of its own, however many workers the others have.

use std::{future::Future, thread::JoinHandle};

use super::{Runtime, thread, tokio::TokioCalls};

pub(super) struct TokioCt {
    handle: tokio::runtime::Handle,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Runtime for TokioCt {
    type Calls = TokioCalls;

    fn start(_workers: usize, _future_bytes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("the machine has room for a runtime");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        Self {
            handle: runtime.handle().clone(),
            stop,
            thread: std::thread::spawn(move || drop(runtime.block_on(stopped))),
        }
    }

    fn calls(&self) -> TokioCalls {
        TokioCalls
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.handle.enter();
        thread::block_on(future)
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("the runtime does not panic");
    }
}
