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

use crate::{runtime::Shared, sync::Arc, wait, worker::context};

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
    static UNPARK: Cell<Option<Arc<Unpark>>> = const { Cell::new(None) };
    /// The runtime whose `block_on`, or `blocking`, runs on this thread.
    static ENTERED: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// Calls `body` with this thread's own waker.
pub(crate) fn with_unpark<R>(body: impl FnOnce(&Arc<Unpark>, &Waker) -> R) -> R {
    struct PutBack(Option<Arc<Unpark>>);
    impl Drop for PutBack {
        fn drop(&mut self) {
            // A thread that is ending has its thread-locals no more.
            let _: Result<(), _> = UNPARK.try_with(|unpark| unpark.set(self.0.take()));
        }
    }
    let kept = UNPARK.try_with(Cell::take).ok().flatten();
    let unpark = kept.unwrap_or_else(|| {
        Arc::new(Unpark {
            parker: Parker::new(),
        })
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let guard = PutBack(Some(Arc::clone(&unpark)));
    let result = body(&unpark, &waker);
    drop(guard);
    result
}

/// Drives a future on this thread.
pub(crate) fn park_until<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    with_unpark(|unpark, waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            unpark.parker.park();
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
