//! The handle of a fiber.

#![allow(
    unsafe_code,
    reason = "moves the outcome out of a cell of a type it knows"
)]

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use dtact_arena::CellIndex;

use crate::{
    budget,
    error::{JoinError, SpawnError},
    fiber::{
        Cell,
        id::FiberId,
        state::{Detach, JoinSlot},
    },
    fiber_ref::FiberRef,
    foreign::Handle,
    registry::RUNTIMES,
    runtime::{Shared, shutdown},
    sync::Ordering,
    wait::wait_or,
    worker::{
        context::{self, WorkerContext},
        dispatch, handover,
    },
};

/// The handle of a fiber: a future of what the fiber returns.
///
/// Dropping it detaches the fiber, which goes on; what it returns is then dropped. The handle
/// may outlive the runtime: a fiber that has ended keeps its value for it.
///
/// # Examples
///
/// ```
/// use dtact_bridge::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { "done" });
/// assert_eq!(handle.wait()?, "done");
///
/// let handle = runtime.spawn(async { panic!("over") });
/// let error: dtact_bridge::JoinError = handle.wait().unwrap_err();
/// assert_eq!(error.panic_message(), Some("over"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle detaches the fiber"]
pub struct JoinHandle<T> {
    target: Target,
    result: PhantomData<fn() -> T>,
}

enum Target {
    /// A fiber, whose cell has HANDLE set for this handle.
    Fiber(FiberRef),
    /// What never came to be.
    Failed(SpawnError),
    /// The outcome has been taken.
    Taken,
}

// SAFETY: the value of type `T` goes from the fiber's thread to the handle's, so it has to be
// `Send`; nothing else of type `T` is in here, and the rest is words.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives access to no `T`: taking it needs `&mut`.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn new(fiber: FiberRef) -> Self {
        Self {
            target: Target::Fiber(fiber),
            result: PhantomData,
        }
    }

    pub(crate) fn failed(error: SpawnError) -> Self {
        Self {
            target: Target::Failed(error),
            result: PhantomData,
        }
    }

    /// Waits for the fiber to end, from code that is not `async`: [`wait`](crate::wait()).
    ///
    /// # Errors
    ///
    /// Why there is no value. [`JoinError::Deadlock`] where the wait could never end: a fiber that
    /// waits for itself, or that would block the one thread on which the other can go on. The fiber
    /// is then detached.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn wait(self) -> Result<T, JoinError> {
        if self.would_deadlock() {
            return Err(JoinError::Deadlock);
        }
        let fiber = self.fiber();
        if let Some(fiber) = fiber {
            handover::run_first(fiber);
        }
        wait_or(self, fiber, || {
            // It was to be suspended, and cannot be.
            let is_deadlock = fiber.is_some_and(|fiber| {
                context::current().is_some_and(|context| is_blocked_by(context, fiber))
            });
            is_deadlock.then_some(Err(JoinError::Deadlock))
        })
    }

    /// Whether a [`wait`](Self::wait) from here would be refused, as it could never end.
    #[must_use]
    pub fn would_deadlock(&self) -> bool {
        matches!(self.target, Target::Fiber(fiber) if is_deadlock(fiber))
    }

    /// Whether the fiber has ended, in whichever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self.target {
            Target::Fiber(fiber) => with_cell(fiber, |_, _, cell| cell.header().state.is_done()),
            Target::Failed(_) | Target::Taken => true,
        }
    }

    /// The fiber's id, by which any number of others can wait for its end. `None` where it was not
    /// spawned, or its outcome has been taken.
    #[must_use]
    pub fn id(&self) -> Option<FiberId> {
        let Target::Fiber(fiber) = self.target else {
            return None;
        };
        with_cell(fiber, |_, _, cell| cell.header().state.make_known());
        Some(FiberId::new(fiber))
    }

    /// The fiber, unless it never came to be or its outcome has been taken.
    pub(crate) const fn fiber(&self) -> Option<FiberRef> {
        match self.target {
            Target::Fiber(fiber) => Some(fiber),
            Target::Failed(_) | Target::Taken => None,
        }
    }

    /// Gives the handle up for the fiber's name, a number that other languages can have: whoever
    /// has it can join the fiber. See [`foreign`](crate::foreign). [`Handle::NONE`] where the fiber
    /// was not spawned, or its outcome has been taken.
    #[must_use = "whoever has the handle joins or detaches the fiber"]
    pub fn into_handle(mut self) -> Handle
    where
        T: Send + 'static,
    {
        let Target::Fiber(fiber) = core::mem::replace(&mut self.target, Target::Taken) else {
            return Handle::NONE;
        };
        with_cell(fiber, |_, _, cell| cell.header().state.make_named());
        Handle::new(fiber)
    }

    /// Asks the fiber to end.
    ///
    /// Parked at an `.await`, its future is dropped; parked in [`wait`](crate::wait()), its stack
    /// is unwound; running, it goes on to its next suspension. It ends as
    /// [`JoinError::Cancelled`], unless it had ended before.
    pub fn abort(&self) {
        if let Target::Fiber(fiber) = self.target {
            with_cell(fiber, |shared, context, _| shared.cancel(context, fiber));
        }
    }
}

/// Calls `body` with the cell of a fiber whose handle is the caller's: that keeps it there.
#[inline]
fn with_cell<R>(
    fiber: FiberRef,
    body: impl FnOnce(&Shared, Option<&WorkerContext>, Cell) -> R,
) -> R {
    const KEPT: &str = "a handle keeps its fiber's cell";
    match context::current() {
        Some(context) if context.shared.number() == fiber.runtime() => {
            let cell = context.shared.cell(fiber.cell_raw()).expect(KEPT);
            body(&context.shared, Some(context), cell)
        }
        _ => {
            // SAFETY: the caller has a handle of this fiber, and keeps it through this call.
            let shared = unsafe { RUNTIMES[usize::from(fiber.runtime())].kept() };
            let cell = shared.cell(fiber.cell_raw()).expect(KEPT);
            body(shared, None, cell)
        }
    }
}

/// Whether the fiber that runs this would wait for ever for the end of that one.
#[inline]
pub(crate) fn is_deadlock(fiber: FiberRef) -> bool {
    match context::current() {
        // Others go on meanwhile.
        Some(context) if context.can_suspend() => context.fiber.get() == Some(fiber),
        _ => context::current_or_blocked().is_some_and(|context| is_blocked_by(context, fiber)),
    }
}

/// The same where the thread of the one that waits is blocked meanwhile.
#[cold]
fn is_blocked_by(context: &WorkerContext, fiber: FiberRef) -> bool {
    let Some(own) = context.fiber.get() else {
        return false;
    };
    if own == fiber || context.shared.number() != fiber.runtime() {
        return own == fiber;
    }
    let cell = context
        .shared
        .cell(fiber.cell_raw())
        .expect("a fiber's cell");
    // A fiber whose home is this worker has it until this thread runs it: that does not change
    // meanwhile. Another's may be stale, and then says some other worker.
    let home = cell.header().home.load(Ordering::Relaxed);
    home == context.worker.id().raw() + 1 && !cell.header().state.is_done()
}

/// Gives up the cell of an ended fiber, whose outcome has been taken out of it.
#[inline]
pub(crate) fn release(fiber: FiberRef, cell: Cell) {
    match context::current() {
        // The runtime lives while its worker runs: two plain stores do.
        Some(context) if context.shared.number() == fiber.runtime() => {
            dispatch::free(context, cell, fiber.cell_raw());
        }
        _ => release_outside(fiber, cell),
    }
}

/// The same where the runtime may be ending at this moment, and this may be what it waits for.
fn release_outside(fiber: FiberRef, cell: Cell) {
    let pin = RUNTIMES[usize::from(fiber.runtime())].pin();
    let shared = pin.as_deref().expect("a handle keeps its runtime");
    let released = cell.header().state.release_outside();
    if released.was_orphan {
        let was_last = shutdown::release_retained(shared);
        drop(pin);
        if was_last {
            shutdown::free(fiber.runtime());
        }
    } else if released.is_usable {
        let index = CellIndex::from_raw(fiber.cell_raw()).expect("a cell's index has 24 bits");
        shared.cells.give_back(index);
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// Polled by the fiber itself, which so would wait for its own end, it is ready with
    /// [`JoinError::Deadlock`].
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fiber = match self.target {
            Target::Fiber(fiber) => fiber,
            Target::Failed(error) => {
                self.target = Target::Taken;
                return Poll::Ready(Err(JoinError::NotSpawned(error)));
            }
            Target::Taken => panic!("a `JoinHandle` was polled after it was ready"),
        };
        let outcome = with_cell(fiber, |_, context, cell| {
            if !cell.header().state.is_done() {
                // It would wait for its own end.
                if context.is_some_and(|context| context.fiber.get() == Some(fiber)) {
                    return Poll::Ready(None);
                }
                if !register(cell, cx.waker()) {
                    return Poll::Pending;
                }
            }
            if !budget::take(context.or_else(context::current), cx) {
                return Poll::Pending;
            }
            // SAFETY: the fiber is done and the handle is ours, so the outcome is [bridge.S2];
            // `T` is the output of the future it was spawned with.
            Poll::Ready(Some((cell, unsafe { take(cell) })))
        });
        outcome.map(|outcome| {
            // Otherwise the fiber keeps its handle, and is detached when that is dropped.
            let (cell, outcome) = outcome.ok_or(JoinError::Deadlock)?;
            self.target = Target::Taken;
            release(fiber, cell);
            outcome
        })
    }
}

/// Leaves a waker for the fiber's end. Returns whether it has ended.
pub(crate) fn register(cell: Cell, waker: &Waker) -> bool {
    let header = cell.header();
    match header.state.take_join_slot() {
        (JoinSlot::Done, _) => true,
        (JoinSlot::Busy, _) => {
            // Two instructions of the other side away from being done.
            waker.wake_by_ref();
            false
        }
        (JoinSlot::Mine, had_waker) => {
            // SAFETY: the slot is the handle's [bridge.S3], and a waker was left in it.
            let old = had_waker.then(|| unsafe { cell.empty_join_slot() });
            let same = old.filter(|old| old.will_wake(waker));
            let waker = same.unwrap_or_else(|| waker.clone());
            // SAFETY: the slot is the handle's [bridge.S3], and empty.
            unsafe { cell.fill_join_slot(waker) };
            if header.state.set_join_waker() {
                return false;
            }
            // SAFETY: the fiber has ended without it: it is the handle's still, and just filled.
            drop(unsafe { cell.empty_join_slot() });
            true
        }
    }
}

impl<T> JoinHandle<T> {
    /// Gives the handle up: the fiber goes on, or, where it has ended, this is its outcome.
    pub(crate) fn detach(mut self) -> Option<Result<T, JoinError>> {
        let Target::Fiber(fiber) = core::mem::replace(&mut self.target, Target::Taken) else {
            return None;
        };
        let (cell, outcome) = with_cell(fiber, |_, _, cell| {
            // SAFETY: it is the cell of the handle's fiber, and the handle is given up.
            let is_done = unsafe { detach(cell) };
            // SAFETY: the fiber is done and the handle is ours, so the outcome is [bridge.S2];
            // `T` is the output of the future it was spawned with.
            is_done.then(|| (cell, unsafe { take(cell) }))
        })?;
        release(fiber, cell);
        Some(outcome)
    }
}

/// Moves the outcome out.
///
/// # Safety
///
/// - The caller owns the outcome of the fiber [bridge.S2], whose output is of type `T`, and owns
///   nothing afterwards.
unsafe fn take<T>(cell: Cell) -> Result<T, JoinError> {
    let mut outcome = MaybeUninit::<Result<T, JoinError>>::uninit();
    let vtable = cell.header().vtable.get().expect("set by spawn");
    // SAFETY: as the caller promises.
    unsafe { (vtable.take)(cell, outcome.as_mut_ptr().cast()) };
    // SAFETY: `take` has written it.
    unsafe { outcome.assume_init() }
}

/// Takes the handle's waker back and its claim away. Returns whether the fiber has ended, and the
/// outcome is the caller's.
///
/// # Safety
///
/// - The cell is that of the handle's fiber, and the caller gives the handle up.
pub(crate) unsafe fn detach(cell: Cell) -> bool {
    let state = &cell.header().state;
    if state.take_join_slot() == (JoinSlot::Mine, true) {
        // SAFETY: the slot is the handle's [bridge.S3], and a waker was left in it.
        drop(unsafe { cell.empty_join_slot() });
    }
    state.detach() == Detach::Drop
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let Target::Fiber(fiber) = self.target else {
            return;
        };
        let done = with_cell(fiber, |_, _, cell| {
            // SAFETY: it is the cell of the handle's fiber, and the handle is given up.
            if !unsafe { detach(cell) } {
                return None;
            }
            let vtable = cell.header().vtable.get().expect("set by spawn");
            // SAFETY: the fiber is done and the handle is ours, so the outcome is [bridge.S2].
            unsafe { (vtable.drop_outcome)(cell) };
            Some(cell)
        });
        if let Some(cell) = done {
            release(fiber, cell);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
