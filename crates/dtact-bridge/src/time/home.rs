//! Which timers a sleep is armed with: those of whoever will serve them in its park.
//!
//! | polled | armed with the timers of | served |
//! | --- | --- | --- |
//! | by a fiber | its worker | between two fibers, and by the worker's park |
//! | in `wait` where that blocks the thread, or in `block_on` | that loop | by the loop's park |
//! | anywhere else | nobody: a fiber sleeps instead | – |

#![allow(
    unsafe_code,
    reason = "finds the timers of the loop that runs, through a pointer"
)]

use core::{cell::Cell, ptr, task::Waker};

use crate::{
    time::{timer::Timer, timers::Timers, wheel::Wheel},
    worker::context,
};

thread_local! {
    /// The timers of the innermost loop that polls on this thread.
    static LOOP: Cell<*const Timers> = const { Cell::new(ptr::null()) };
}

/// Polls something in a loop that serves these timers.
pub(crate) fn in_loop<R>(timers: &Timers, poll: impl FnOnce() -> R) -> R {
    struct Restore(*const Timers);
    impl Drop for Restore {
        fn drop(&mut self) {
            LOOP.set(self.0);
        }
    }
    let _restore = Restore(LOOP.replace(timers));
    poll()
}

/// The timers that are served here.
fn here<'frame>() -> Option<&'frame Timers> {
    // SAFETY: set by `in_loop` to what its caller borrows, and restored before it returns. Nothing
    // within is suspended: on a worker, such a loop blocks its thread.
    let innermost = unsafe { LOOP.get().as_ref() };
    innermost.or_else(|| context::current().map(|context| &context.timers))
}

/// Arms a timer, if they are served here.
pub(crate) fn arm(nanos: u64, waker: Waker) -> Option<(&'static Timer, &'static Wheel)> {
    Some(here()?.arm(nanos, waker))
}

/// Cancels a timer, wherever it is.
pub(crate) fn cancel(timer: &'static Timer, wheel: &'static Wheel) {
    if !here().is_some_and(|timers| timers.cancel(timer, wheel)) {
        wheel.cancel(timer);
    }
}

/// Frees a timer that has fired.
pub(crate) fn free(timer: &'static Timer) {
    match here() {
        Some(timers) => timers.free(timer),
        None => timer.free(),
    }
}
