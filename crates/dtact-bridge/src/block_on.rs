//! Driving a future on a thread that is not a fiber: the thread sleeps while it is pending.

#![allow(
    unsafe_code,
    reason = "keeps the runtime of `block_on` as a pointer in a thread-local"
)]

use core::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    ptr,
    task::{Context, Poll, Waker},
};
use std::task::Wake;

use dtact_mesh::Parker;

use crate::{
    runtime::Shared,
    sync::Arc,
    time::{self, timers::Timers},
    wait,
    worker::context,
};

/// What wakes a thread. Not `std::thread::park`: its token belongs to the user's code.
pub(crate) struct Unpark {
    pub(crate) parker: Parker,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.parker.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.parker.unpark();
    }
}

thread_local! {
    /// The thread's own, made once. It is taken out while in use, so that a `block_on` inside
    /// of another has one of its own: sharing it, the inner would eat the outer's wake-ups.
    static LOOP: Cell<Option<Box<Loop>>> = const { Cell::new(None) };
    /// The runtime whose `block_on`, or `blocking`, runs on this thread.
    static ENTERED: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// What a thread needs to drive a future: how it is woken, and the timers that it serves.
pub(crate) struct Loop {
    pub(crate) unpark: Arc<Unpark>,
    timers: Timers,
}

impl Loop {
    fn new() -> Self {
        Self {
            unpark: Arc::new(Unpark {
                parker: Parker::new(),
            }),
            timers: Timers::new(),
        }
    }

    /// Polls a future, which may arm timers of this loop.
    pub(crate) fn poll<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        time::in_loop(&self.timers, || future.poll(cx))
    }

    /// Sleeps until the waker is woken, or a timer is due; [`wake_due`](Self::wake_due) comes next.
    pub(crate) fn park(&self) {
        match self.timers.next_due() {
            Some(due) => {
                let _has_token: bool = self.unpark.parker.park_until(due);
            }
            None => self.unpark.parker.park(),
        }
    }

    /// Wakes what is due.
    pub(crate) fn wake_due(&self) {
        if self.timers.is_armed() {
            self.timers.wake_due();
        }
    }
}

/// Calls `body` with this thread's own loop, and a waker of it.
pub(crate) fn with_loop<R>(body: impl FnOnce(&Loop, &Waker) -> R) -> R {
    struct PutBack(Option<Box<Loop>>);
    impl Drop for PutBack {
        fn drop(&mut self) {
            let Some(own) = self.0.take() else { return };
            // Nobody serves these any more: who sleeps by them arms others.
            own.timers.end();
            // A thread that is ending has its thread-locals no more.
            let _: Result<(), _> = LOOP.try_with(|place| place.set(Some(own)));
        }
    }
    let kept = LOOP.try_with(Cell::take).ok().flatten();
    let guard = PutBack(Some(kept.unwrap_or_else(|| Box::new(Loop::new()))));
    let own = guard.0.as_ref().expect("it was just put there");
    let waker = Waker::from(Arc::clone(&own.unpark));
    body(own, &waker)
}

/// Drives a future on this thread.
pub(crate) fn park_until<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    with_loop(|own, waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = own.poll(future.as_mut(), &mut cx) {
                return output;
            }
            own.park();
            own.wake_due();
        }
    })
}

/// Drives a future on this thread, or, in a fiber, suspends the fiber; with this runtime as the
/// one that `spawn` means.
pub(crate) fn block_on<F: Future>(shared: &Shared, future: F) -> F::Output {
    if context::current().is_some() {
        return wait::wait(future);
    }
    let future = pin!(future);
    enter(shared, || park_until(future))
}

/// Calls `body` with this runtime as the one that `spawn` means, on a thread that is no worker.
pub(crate) fn enter<R>(shared: &Shared, body: impl FnOnce() -> R) -> R {
    struct Restore(*const Shared);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENTERED.set(self.0);
        }
    }
    let _restore = Restore(ENTERED.replace(shared));
    body()
}

/// The runtime whose `block_on`, or `blocking`, runs on this thread.
///
/// The reference is good for as long as the calling frame, which `enter` encloses.
pub(crate) fn entered<'frame>() -> Option<&'frame Shared> {
    // SAFETY: set by `enter` to a runtime that its caller borrows, and restored before it returns.
    unsafe { ENTERED.get().as_ref() }
}
