//! Letting the other fibers run, or a certain one of them.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use dtact_mesh::TaskIndex;

use crate::{
    fiber::id::FiberId,
    fiber_ref::FiberRef,
    foreign::Handle,
    join::JoinHandle,
    scope::ScopedJoinHandle,
    sync,
    wait::wait,
    waker,
    worker::context::{self, WorkerContext},
};

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
        match worker_of_fiber(cx) {
            Some(context) => context.yielded.set(true),
            None => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }
}

/// The worker whose fiber is polled with its own waker.
#[inline]
pub(crate) fn worker_of_fiber<'frame>(cx: &Context<'_>) -> Option<&'frame WorkerContext> {
    context::current().filter(|context| {
        let fiber = context.fiber.get();
        fiber.is_some_and(|fiber| waker::is_of(cx.waker(), fiber))
    })
}

/// As [`yield_now`], from code that is not `async`: a [`wait`](crate::wait()) for it, which unwinds
/// where the fiber is cancelled. Outside of a fiber it lets other threads run.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, yield_now_sync};
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn_with_stack("64K", || {
///     yield_now_sync();
///     "went on"
/// });
/// assert_eq!(handle.wait()?, "went on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(debug_assertions, track_caller)]
pub fn yield_now_sync() {
    if is_in_fiber() {
        wait(yield_now());
    } else {
        sync::yield_now();
    }
}

fn is_in_fiber() -> bool {
    context::current().is_some_and(|context| context.fiber.get().is_some())
}

/// What names a fiber to yield to: a [`FiberId`], a [`Handle`], or a reference to another handle.
pub trait FiberTarget: sealed::Target {}

impl FiberTarget for FiberId {}
impl FiberTarget for Handle {}
impl<T> FiberTarget for &JoinHandle<T> {}
impl<T> FiberTarget for &ScopedJoinHandle<'_, T> {}

mod sealed {
    #![allow(
        unnameable_types,
        reason = "what cannot be named cannot be implemented elsewhere"
    )]

    use super::{FiberId, FiberRef, Handle, JoinHandle, ScopedJoinHandle};

    pub trait Target {
        /// The word of the fiber's name.
        fn word(&self) -> Option<u64>;
    }

    impl Target for FiberId {
        fn word(&self) -> Option<u64> {
            Some(self.fiber().word())
        }
    }

    impl Target for Handle {
        fn word(&self) -> Option<u64> {
            Some(self.fiber().word())
        }
    }

    impl<T> Target for &JoinHandle<T> {
        fn word(&self) -> Option<u64> {
            self.fiber().map(FiberRef::word)
        }
    }

    impl<T> Target for &ScopedJoinHandle<'_, T> {
        fn word(&self) -> Option<u64> {
            self.handle().fiber().map(FiberRef::word)
        }
    }
}

/// Lets the others run as [`yield_now`] does, and a certain one of them first: it is made the next
/// that this worker runs, if it is ready and waits on this worker.
///
/// It is an ordinary yield
///
/// - where the other fiber runs, waits for something, has ended, is on another worker, or in a
///   queue that the workers share;
/// - where that fiber asks for a priority or an affinity, or waits far behind: it is looked for
///   among the next 15 that may move and the next 16 that stay;
/// - for the fourth such fiber in a row, so that all others get their turn;
/// - outside of a fiber, and in one that cannot be suspended just now.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn, yield_to_async};
///
/// let runtime = Runtime::new()?;
/// let outer = runtime.spawn(async {
///     let first = spawn(async {});
///     let second = spawn(async {});
///     yield_to_async(&second).await; // before `first`, unless another worker has taken it
///     first.await?;
///     second.await
/// });
/// outer.wait()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::needless_pass_by_value, reason = "names are small")]
pub fn yield_to_async(fiber: impl FiberTarget) -> YieldTo {
    YieldTo {
        fiber: fiber.word().map(FiberRef::from_word),
        inner: yield_now(),
    }
}

/// As [`yield_to_async`], from code that is not `async`: a [`wait`](crate::wait()) for it, which
/// unwinds where the fiber is cancelled. Outside of a fiber it lets other threads run.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn_with_stack, yield_to_sync};
///
/// let runtime = Runtime::new()?;
/// let outer = runtime.spawn_with_stack("64K", || {
///     let inner = spawn_with_stack("64K", || "ran");
///     yield_to_sync(&inner);
///     inner.wait()
/// });
/// assert_eq!(outer.wait()??, "ran");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(debug_assertions, track_caller)]
pub fn yield_to_sync(fiber: impl FiberTarget) {
    if is_in_fiber() {
        wait(yield_to_async(fiber));
    } else {
        sync::yield_now();
    }
}

/// The future of [`yield_to_async`].
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct YieldTo {
    fiber: Option<FiberRef>,
    inner: YieldNow,
}

impl Future for YieldTo {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(fiber) = self.fiber.take()
            && let Some(context) = worker_of_fiber(cx)
        {
            make_next(context, fiber);
        }
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl fmt::Debug for YieldTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldTo")
            .field("fiber", &self.fiber.map(FiberId::new))
            .finish_non_exhaustive()
    }
}

/// Has the fiber run next, if it waits here. Its index is looked for in this worker's own queues:
/// if one of them holds it, so does the fiber of that name, unless it has ended and its cell serves
/// another, which then runs a little early.
fn make_next(context: &WorkerContext, fiber: FiberRef) {
    let is_of_this_runtime = context.shared.number() == fiber.runtime();
    let cell = context.shared.cell(fiber.cell_raw());
    let generation = cell.and_then(|cell| cell.header().state.running_generation());
    if is_of_this_runtime
        && generation == Some(fiber.generation())
        && let Some(task) = TaskIndex::from_raw(fiber.cell_raw())
    {
        context.worker.make_next(task);
    }
}
