//! Waiting for a future at any call depth.

use core::{
    future::{Future, IntoFuture, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};
use std::panic::resume_unwind;

use crate::{
    block_on::{self, Loop},
    blocking,
    fiber_ref::FiberRef,
    sync::{Arc, panicking},
    waker,
    worker::{
        context::{self, WorkerContext},
        suspension::{self, Reason, Resumed},
    },
};

/// The payload with which a cancelled fiber unwinds. Its root knows it.
#[derive(Debug)]
pub(crate) struct Cancelled;

/// Whether this is the payload with which a cancelled fiber unwinds from [`wait`].
///
/// For code that catches panics at a boundary which unwinding must not cross, such as one to C:
/// it should end the fiber soon.
#[must_use]
pub fn is_cancellation(payload: &(dyn core::any::Any + Send)) -> bool {
    payload.is::<Cancelled>()
}

/// Whether a panic unwinds in this build. Where it aborts, a cancelled fiber cannot be unwound: it
/// goes on waiting, for what it waits for.
const CAN_UNWIND: bool = cfg!(panic = "unwind");

/// Drives a future to its end from code that is not `async`, and returns its output.
///
/// What waits meanwhile depends on where it is called:
///
/// - in a fiber of a runtime with [`enable_stackful`](crate::Builder::enable_stackful): the fiber.
///   It keeps its stack, the worker goes on with others on another, and the fiber goes on on the
///   same thread;
/// - in a fiber otherwise, or while the thread is panicking, or in [`no_suspend`], or while a
///   thread-local points into its stack, or where no stack is left: the thread. Another thread of
///   the runtime takes over its queue meanwhile;
/// - outside of a fiber: the thread.
///
/// [`no_suspend`]: crate::no_suspend()
///
/// # Cancellation
///
/// A fiber that is cancelled while it waits unwinds from here, so that its destructors run. Where
/// it catches that and waits again, it unwinds again. In a program built with `panic = "abort"`
/// there is no unwinding: the fiber goes on until what it waits for is ready.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, wait};
///
/// /// Any depth of plain calls can wait at its bottom.
/// fn sum(depth: u64) -> u64 {
///     if depth == 0 { wait(async { 0 }) } else { depth + sum(depth - 1) }
/// }
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn_with_stack("64K", || sum(10));
/// assert_eq!(wait(handle)?, 55);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(debug_assertions, track_caller)]
pub fn wait<F: IntoFuture>(future: F) -> F::Output {
    wait_or(future, None, || None)
}

/// As [`wait`], for a future that is ready when the fiber `of` has ended, if it is that. Where the
/// fiber cannot be suspended, and its thread is to be blocked in its place, `refuse` may say what
/// is returned instead.
#[cfg_attr(debug_assertions, track_caller)]
#[inline]
pub(crate) fn wait_or<F: IntoFuture>(
    future: F,
    of: Option<FiberRef>,
    refuse: impl Fn() -> Option<F::Output>,
) -> F::Output {
    let future = pin!(future.into_future());
    match context::current() {
        Some(context) => match context.fiber.get() {
            Some(fiber) => wait_in_fiber(context, fiber, future, of, refuse),
            None => block_on::park_until(future),
        },
        None => block_on::park_until(future),
    }
}

/// Gives every future a `wait` method.
///
/// # Examples
///
/// ```
/// use dtact_bridge::WaitExt as _;
///
/// assert_eq!(async { 1 + 1 }.wait(), 2);
/// ```
pub trait WaitExt: IntoFuture + Sized {
    /// Drives this future to its end: [`wait`](crate::wait()) as a method.
    #[cfg_attr(debug_assertions, track_caller)]
    fn wait(self) -> Self::Output {
        wait(self)
    }
}

impl<F: IntoFuture> WaitExt for F {}

#[cfg_attr(debug_assertions, track_caller)]
fn wait_in_fiber<F: Future>(
    context: &WorkerContext,
    fiber: FiberRef,
    mut future: Pin<&mut F>,
    of: Option<FiberRef>,
    refuse: impl Fn() -> Option<F::Output>,
) -> F::Output {
    if !context.can_suspend() {
        return wait_blocking(context, fiber, future, of, refuse);
    }
    let waker = waker::of(fiber);
    let mut cx = Context::from_waker(&waker);
    let _outer = OuterYield::new(context);
    loop {
        context.yielded.set(false);
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let reason = if context.yielded.replace(false) {
            Reason::Yield
        } else {
            Reason::Wait(of)
        };
        #[cfg(debug_assertions)]
        if crate::no_suspend::is_in_initialiser(core::panic::Location::caller()) {
            return wait_blocking(context, fiber, future, of, refuse);
        }
        let resumed = suspension::suspend(context, fiber, reason);
        #[cfg(debug_assertions)]
        if resumed == Resumed::PointedInto {
            crate::no_suspend::say_pointed_into(core::panic::Location::caller());
        }
        match resumed {
            Resumed::Woken => {}
            Resumed::Cancelled if CAN_UNWIND => resume_unwind(Box::new(Cancelled)),
            // It may be a yield that was polled, and is ready at the next poll: told now or never.
            Resumed::NoStack | Resumed::PointedInto
                if CAN_UNWIND && suspension::is_cancelled(context, fiber) =>
            {
                resume_unwind(Box::new(Cancelled))
            }
            Resumed::Cancelled | Resumed::NoStack | Resumed::PointedInto => {
                return wait_blocking(context, fiber, future, of, refuse);
            }
        }
    }
}

/// As [`wait`](crate::wait()), but goes on waiting where the fiber is cancelled, and never unwinds
/// for that.
///
/// For code that must not go on before something has ended, because that borrows from it. The
/// fiber stays cancelled, and its next [`wait`](crate::wait()) says so.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, wait_shielded};
///
/// let runtime = Runtime::new()?;
/// let inner = runtime.spawn(async { 3 });
/// let outer = runtime.spawn_with_stack("64K", move || wait_shielded(inner));
/// assert_eq!(outer.wait()??, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_shielded<F: IntoFuture>(future: F) -> F::Output {
    wait_shielded_of(future, None)
}

/// As [`wait_shielded`], for a future that is ready when the fiber `of` has ended, if it is that.
pub(crate) fn wait_shielded_of<F: IntoFuture>(future: F, of: Option<FiberRef>) -> F::Output {
    let mut future = pin!(future.into_future());
    let mut output = None;
    let until_ready = poll_fn(|cx| future.as_mut().poll(cx).map(|ready| output = Some(ready)));
    wait_regardless(until_ready, of, || {});
    let Some(output) = output else {
        unreachable!("the wait is over when the future is ready")
    };
    output
}

/// As [`wait`], where the caller may not be unwound: a cancellation is told by one call of
/// `on_cancel`, and the wait goes on. Returns whether there was one.
pub(crate) fn wait_regardless<F: Future<Output = ()>>(
    future: F,
    of: Option<FiberRef>,
    mut on_cancel: impl FnMut(),
) -> bool {
    let mut future = pin!(future);
    let running = context::current().and_then(|context| Some((context, context.fiber.get()?)));
    let Some((context, fiber)) = running else {
        block_on::park_until(future);
        return false;
    };
    let mut is_cancelled = false;
    let mut look = || {
        if !is_cancelled && suspension::is_cancelled(context, fiber) {
            is_cancelled = true;
            on_cancel();
        }
    };
    if context.can_suspend() {
        let waker = waker::of(fiber);
        let mut cx = Context::from_waker(&waker);
        let _outer = OuterYield::new(context);
        loop {
            context.yielded.set(false);
            if future.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            let reason = if context.yielded.replace(false) {
                Reason::Yield
            } else {
                Reason::Regardless(of)
            };
            look();
            match suspension::suspend(context, fiber, reason) {
                Resumed::Woken | Resumed::Cancelled => {}
                Resumed::NoStack | Resumed::PointedInto => {
                    block(context, fiber, future, of, |_| look());
                    break;
                }
            }
        }
    } else {
        block(context, fiber, future, of, |_| look());
    }
    is_cancelled
}

/// Whether the poll around a wait has yielded before it: it wants to be polled again, whatever
/// comes of the wait.
struct OuterYield<'wait> {
    context: &'wait WorkerContext,
    has_yielded: bool,
}

impl<'wait> OuterYield<'wait> {
    #[inline]
    fn new(context: &'wait WorkerContext) -> Self {
        Self {
            context,
            has_yielded: context.yielded.get(),
        }
    }
}

impl Drop for OuterYield<'_> {
    #[inline]
    fn drop(&mut self) {
        self.context.yielded.set(self.has_yielded);
    }
}

/// Unwinds the fiber that runs this if it is cancelled, as [`wait`] would.
pub(crate) fn unwind_if_cancelled() {
    let running = context::current().and_then(|context| Some((context, context.fiber.get()?)));
    if let Some((context, fiber)) = running {
        unwind_if(context, fiber);
    }
}

fn unwind_if(context: &WorkerContext, fiber: FiberRef) {
    let may_unwind = CAN_UNWIND && !context.is_ending() && !panicking();
    if may_unwind && suspension::is_cancelled(context, fiber) {
        resume_unwind(Box::new(Cancelled));
    }
}

/// Blocks the worker's thread; another takes over.
#[cold]
fn wait_blocking<F: Future>(
    context: &WorkerContext,
    fiber: FiberRef,
    future: Pin<&mut F>,
    of: Option<FiberRef>,
    refuse: impl Fn() -> Option<F::Output>,
) -> F::Output {
    if let Some(refused) = refuse() {
        return refused;
    }
    block(context, fiber, future, of, |context| {
        unwind_if(context, fiber);
    })
}

/// Blocks the worker's thread until the future is ready. `look` is called before each sleep, when
/// a cancellation finds the thread. Nothing that the future does is suspended meanwhile: what is
/// blocked here is this thread.
fn block<F: Future>(
    context: &WorkerContext,
    fiber: FiberRef,
    mut future: Pin<&mut F>,
    of: Option<FiberRef>,
    mut look: impl FnMut(&WorkerContext),
) -> F::Output {
    context.in_no_suspend(|| {
        block_on::with_loop(|own, waker| {
            let mut cx = Context::from_waker(waker);
            let mut blocked = None;
            loop {
                if let Poll::Ready(output) = own.poll(future.as_mut(), &mut cx) {
                    return output;
                }
                let blocked = blocked.get_or_insert_with(|| Blocked::new(context, fiber, of, own));
                look(context);
                blocked.park();
            }
        })
    })
}

/// A fiber that blocks its thread. While it exists, a cancellation finds the thread.
struct Blocked<'wait> {
    context: &'wait WorkerContext,
    own: &'wait Loop,
}

impl<'wait> Blocked<'wait> {
    fn new(
        context: &'wait WorkerContext,
        fiber: FiberRef,
        of: Option<FiberRef>,
        own: &'wait Loop,
    ) -> Self {
        context.counters().blocked();
        // It holds up nobody from here on.
        context.budget.lift();
        context
            .shared
            .add_blocked(fiber, of, Arc::clone(&own.unpark));
        Self { context, own }
    }

    fn park(&self) {
        blocking::begin(self.context);
        self.own.park();
        self.context.worker.end_blocking();
        // As a worker again: what is woken goes into a queue that is served.
        self.own.wake_due();
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.context.shared.remove_blocked(&self.own.unpark);
        self.context.budget.fill();
    }
}
