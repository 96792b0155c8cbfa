//! Letting the other fibers run.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{waker, worker::context};

/// Lets the other fibers that are ready run, then goes on.
///
/// If no other is ready, it goes on at once.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, yield_now};
///
/// let runtime = Runtime::new()?;
/// runtime.block_on(async { yield_now().await });
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        // In a fiber, polled with its own waker: a note to the worker does, without touching the
        // fiber's state. Anywhere else the waker says it.
        match context::current() {
            Some(context)
                if context
                    .fiber
                    .get()
                    .is_some_and(|fiber| waker::is_of(cx.waker(), fiber)) =>
            {
                context.yielded.set(true);
            }
            _ => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }
}
