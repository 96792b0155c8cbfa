//! How much a fiber may take in one poll before the others get their turn.
//!
//! A future that is ready whenever it is polled lets its fiber go on for ever: a loop over handles
//! of fibers that have ended, an interval that is late, a sleep of no time. So each of those takes
//! one of a budget that every poll begins with. Where that is used up they are pending, and have
//! the fiber polled again after the others.
//!
//! ```text
//!   128 ──── ready: one less ────▶ 0 ──── pending: one less ────▶ -128 ──┐
//!    ▲                                                                   │
//!    └────────────────── the next poll, or that many refusals ◀──────────┘
//! ```
//!
//! The refusals are counted for code that polls again and again and never returns, such as an
//! executor that runs within a fiber: it would never see anything ready any more.
//!
//! A thread that is blocked, and one outside of the runtime, has no budget: it holds up nobody.

use core::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    worker::context::{self, WorkerContext},
    yield_now::worker_of_fiber,
};

/// How often a fiber may find something ready in one poll.
const FULL: i32 = 128;

/// What is left of it, in a worker's context.
#[derive(Debug)]
pub(crate) struct Budget(Cell<i32>);

impl Budget {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(FULL))
    }

    /// Others have had their turn.
    #[inline]
    pub(crate) fn fill(&self) {
        self.0.set(FULL);
    }

    /// The thread is blocked, and others run elsewhere.
    pub(crate) fn lift(&self) {
        self.0.set(i32::MAX);
    }

    /// Takes one. `false`: there is none left.
    #[inline]
    fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.wrapping_sub(1));
        left > 0
    }
}

/// Takes one of the budget of the fiber that runs on this worker, for a future that is ready.
/// `false`: it is pending all the same, and will be polled again.
#[inline]
pub(crate) fn take(context: Option<&WorkerContext>, cx: &Context<'_>) -> bool {
    context.is_none_or(|context| context.budget.take() || !refuse(context, cx))
}

/// The same on whichever thread this is.
pub(crate) fn take_here(cx: &Context<'_>) -> bool {
    take(context::current(), cx)
}

/// Lets the others run, unless no fiber runs here, or it has been told often enough.
#[cold]
fn refuse(context: &WorkerContext, cx: &Context<'_>) -> bool {
    if context.fiber.get().is_none() || context.budget.0.get() < -FULL {
        context.budget.fill();
        return false;
    }
    match worker_of_fiber(cx) {
        Some(context) => context.yielded.set(true),
        None => cx.waker().wake_by_ref(),
    }
    true
}

/// Lets the other fibers run if this one has not for long: it takes one of the budget of 128 that a
/// fiber has for each time that it is polled, and yields where there is none left.
///
/// For loops that await nothing, or only what is ready. The futures of this crate do the same by
/// themselves where they are ready: handles and ids of fibers, sleeps, timeouts and intervals. So
/// one of them may be pending once though it has become ready; who polls by hand polls again when
/// woken, as with any future.
///
/// On a thread that runs no fiber, and in one that blocks its thread, nothing is counted.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, consume_budget};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.spawn(async {
///     let mut sum = 0_u64;
///     for value in 0..1_000 {
///         sum += value;
///         consume_budget().await; // The others get their turn now and then.
///     }
///     sum
/// });
/// assert_eq!(sum.wait()?, 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const fn consume_budget() -> ConsumeBudget {
    ConsumeBudget { _private: () }
}

/// The future of [`consume_budget`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct ConsumeBudget {
    _private: (),
}

impl Future for ConsumeBudget {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if take_here(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
