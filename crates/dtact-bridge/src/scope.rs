//! Fibers that borrow from the code that spawns them.
//!
//! # Why it is sound
//!
//! What a scoped fiber borrows outlives the call of [`scope`]. So that call must not be left before
//! the last of its fibers has dropped its future and its outcome:
//!
//! - A scoped fiber counts itself out at the very end: after its outcome went to a handle, or was
//!   dropped for want of one. Handles cannot leave the scope, by their lifetime; an outcome whose
//!   handle was forgotten is never touched again.
//! - [`scope`] returns, or unwinds, only when the count is zero. The closure's panic is caught
//!   before. The wait that follows is one that a cancellation does not unwind: it cancels the
//!   scoped fibers, and goes on.
//! - A stack that is never resumed is never freed. So where the wait never ends, nothing that
//!   is borrowed goes away.

#![allow(
    unsafe_code,
    reason = "spawns fibers that borrow from a frame which waits for them"
)]

use core::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, Location},
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    panic::{catch_unwind, resume_unwind},
    process,
};

use crate::{
    error::{JoinError, SpawnError, TrySpawnError},
    fiber::{id::FiberId, traits},
    fiber_ref::FiberRef,
    join::JoinHandle,
    registry::RUNTIMES,
    room,
    runtime::{Shared, shutdown::touched, stack_size::IntoStackSize},
    spawn::{self, Options},
    sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, fence, lock},
    wait,
    worker::context,
};

/// What the fibers of a scope share with the code that waits for them.
#[derive(Debug)]
pub(crate) struct ScopeState {
    id: u64,
    /// The runtime of the scope's fibers.
    runtime: Option<u8>,
    /// How many have not ended.
    alive: AtomicUsize,
    /// One that nobody has joined has panicked.
    has_panicked: AtomicBool,
    /// No more are spawned: the code that waits was cancelled.
    is_cancelled: AtomicBool,
    /// Who waits for the last.
    waker: Mutex<Option<Waker>>,
}

/// Tells scopes apart; from 1 on.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl ScopeState {
    fn new(runtime: Option<u8>) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            runtime,
            alive: AtomicUsize::new(0),
            has_panicked: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
            waker: Mutex::new(None),
        }
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// Notes a panic that nobody will be told of by a handle.
    pub(crate) fn note_panic(&self) {
        self.has_panicked.store(true, Ordering::Relaxed);
    }

    /// Counts a fiber out of which nothing is left that borrows.
    pub(crate) fn leave(&self) {
        // Release: pairs with the load in `has_ended`.
        if self.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                crate::waker::wake_foreign(waker);
            }
        }
    }

    /// Polls for the end of the last.
    fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_ended() {
            return Poll::Ready(());
        }
        let old = lock(&self.waker).replace(cx.waker().clone());
        drop(old);
        // Again: it may have counted itself out before it could find the waker.
        if self.has_ended() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn has_ended(&self) -> bool {
        self.alive.load(Ordering::Acquire) == 0
    }

    /// Cancels all fibers of the scope, and those that are spawned from now on.
    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        // Pairs with the fence in `spawned`: either that sees the flag, or we see the fiber.
        fence(Ordering::SeqCst);
        self.with_runtime(|shared| {
            let here = context::current_of(shared);
            for index in touched(shared) {
                let Some(cell) = shared.cell(index.raw()) else {
                    continue;
                };
                let Some(generation) = cell.header().state.running_generation() else {
                    continue;
                };
                let is_scoped = cell.header().traits() & traits::SCOPED != 0;
                let extra = shared.extras.get(index).filter(|_| is_scoped);
                if extra.is_some_and(|extra| extra.scope_id() == self.id) {
                    // Of this generation or of none.
                    shared.cancel(here, FiberRef::new(shared.number(), index, generation));
                }
            }
        });
    }

    fn with_runtime<R>(&self, body: impl FnOnce(&Shared) -> R) -> Option<R> {
        let number = self.runtime?;
        if let Some(context) = context::current()
            && context.shared.number() == number
        {
            return Some(body(&context.shared));
        }
        let pin = RUNTIMES[usize::from(number)].pin()?;
        Some(body(&pin))
    }
}

/// A scope in which fibers can be spawned that borrow: see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    state: Arc<ScopeState>,
    /// Invariant in both, as for `std::thread::Scope`.
    lifetime: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("alive", &self.state.alive.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// Calls `body`, in which fibers can be spawned that borrow from around the call, and returns when
/// the last of them has ended.
///
/// It is called from code that is not `async`, as [`wait`](crate::wait()), and waits as that does:
/// the fiber that calls it is suspended, or the thread. The fibers are those of the runtime at
/// hand: see [`spawn`](crate::spawn()).
///
/// # Cancellation
///
/// A fiber that is cancelled while it waits here cancels the scope's fibers, waits until they have
/// ended, and unwinds then.
///
/// # Panics
///
/// If `body` panics, with its payload; or if a scoped fiber panics whose handle nobody waited
/// for. Either when all have ended.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, scope};
///
/// let runtime = Runtime::new()?;
/// let text = String::from("borrowed by two");
/// let mut sums = [0, 0];
/// runtime.block_on(async {
///     let (first, second) = sums.split_at_mut(1);
///     scope(|scope| {
///         scope.spawn(async { first[0] = text.len() });
///         scope.spawn_fn("64K", || second[0] = text.bytes().filter(|byte| *byte == b'o').count());
///     });
/// });
/// assert_eq!(sums, [15, 3]);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
///
/// What is borrowed has to outlive the call:
///
/// ```compile_fail
/// dtact_bridge::scope(|scope| {
///     let inside = 1;
///     scope.spawn(async { println!("{}", &inside) });
/// });
/// ```
pub fn scope<'env, F, T>(body: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    /// Nothing below unwinds before the end; if it did all the same, the program could not go on.
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            process::abort();
        }
    }
    let runtime = spawn::runtime_at_hand();
    let scope = Scope {
        state: Arc::new(ScopeState::new(runtime)),
        lifetime: PhantomData,
        env: PhantomData,
    };
    let abort = Abort;
    let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
    let state = &scope.state;
    if result
        .as_ref()
        .is_err_and(|payload| wait::is_cancellation(&**payload))
    {
        state.cancel();
    }
    let was_cancelled =
        wait::wait_regardless(poll_fn(|cx| state.poll_ended(cx)), None, || state.cancel());
    let _ = ManuallyDrop::new(abort);
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(value) => {
            if was_cancelled {
                wait::unwind_if_cancelled();
            }
            assert!(
                !state.has_panicked.load(Ordering::Relaxed),
                "a scoped fiber panicked, and nobody waited for its handle"
            );
            value
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a fiber that runs a future, which may borrow what outlives the scope.
    ///
    /// Where it cannot be spawned, the handle says so.
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F) -> ScopedJoinHandle<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let options = Options::new(Location::caller());
        self.spawned(options, future, |shared, options, future| {
            // SAFETY: `scope` does not return before the fiber has ended.
            unsafe { spawn::scoped_future_on(shared, options, future) }
        })
    }

    /// Spawns a fiber that runs a closure on a stack of at least `size`, as
    /// [`spawn_with_stack`](crate::spawn_with_stack) does. The closure may borrow what outlives the
    /// scope.
    ///
    /// Where it cannot be spawned, or `size` is not a size, the handle says so.
    #[track_caller]
    pub fn spawn_fn<F, T>(
        &'scope self,
        size: impl IntoStackSize,
        closure: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let options = Options::new(Location::caller()).floor(size.into_stack_size());
        self.spawned(options, closure, |shared, options, closure| {
            // SAFETY: `scope` does not return before the fiber has ended.
            unsafe { spawn::scoped_closure_on(shared, options, closure) }
        })
    }

    #[cfg_attr(debug_assertions, track_caller)]
    fn spawned<W, T>(
        &'scope self,
        options: Options<'_>,
        what: W,
        spawn: impl Fn(&Shared, Options<'_>, W) -> Result<JoinHandle<T>, TrySpawnError<W>>,
    ) -> ScopedJoinHandle<'scope, T> {
        let state = &self.state;
        let timeout = || {
            let timeout = state.with_runtime(|shared| shared.spawn_timeout);
            timeout.unwrap_or_default()
        };
        let handle = room::spawn_when_there_is(what, timeout, |what| {
            // Relaxed: the caller keeps the scope from ending.
            state.alive.fetch_add(1, Ordering::Relaxed);
            let mut what = Some(what);
            let spawned = state.with_runtime(|shared| {
                let what = what.take().expect("this is called once");
                spawn(shared, options.scope(state), what)
            });
            let spawned = spawned.unwrap_or_else(|| {
                Err(TrySpawnError {
                    error: SpawnError::NoRuntime,
                    rejected: what.take().expect("nobody has taken it"),
                })
            });
            // Where no fiber has come to be, none counts itself out.
            spawned.inspect_err(|_| state.leave())
        });
        // Pairs with the fence in `cancel`.
        fence(Ordering::SeqCst);
        if state.is_cancelled.load(Ordering::Relaxed) {
            handle.abort();
        }
        ScopedJoinHandle {
            handle: Some(handle),
            state,
        }
    }
}

/// The handle of a fiber in a [`scope`]: a future of what the fiber returns.
///
/// Dropping it detaches the fiber; the scope waits for it all the same.
#[must_use = "a scoped fiber's panic is the scope's where nobody waits for its handle"]
pub struct ScopedJoinHandle<'scope, T> {
    /// There until it is dropped.
    handle: Option<JoinHandle<T>>,
    state: &'scope Arc<ScopeState>,
}

impl<T> ScopedJoinHandle<'_, T> {
    pub(crate) fn handle(&self) -> &JoinHandle<T> {
        self.handle.as_ref().expect("it was not dropped")
    }

    /// Waits for the fiber to end, from code that is not `async`: [`wait`](crate::wait()).
    ///
    /// # Errors
    ///
    /// Why there is no value.
    pub fn wait(self) -> Result<T, JoinError> {
        wait::wait(self)
    }

    /// Whether the fiber has ended, in whichever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }

    /// Asks the fiber to end: see [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.handle().abort();
    }

    /// The fiber's id, if it was spawned and its outcome not taken.
    #[must_use]
    pub fn id(&self) -> Option<FiberId> {
        self.handle().id()
    }
}

impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.handle.as_mut().expect("it was not dropped");
        Pin::new(handle).poll(cx)
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        let outcome = self.handle.take().and_then(JoinHandle::detach);
        if matches!(outcome, Some(Err(JoinError::Panicked(_)))) {
            self.state.note_panic();
        }
        crate::fiber::body::drop_quietly(outcome);
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(&self.handle)
            .finish()
    }
}
