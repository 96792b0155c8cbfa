//! Fibers by their ids: who has one may ask whether the fiber is still there, cancel it, and wait
//! for its end. Any number may, at any time, even after the fiber and its runtime have gone.
//!
//! # The race
//!
//! Somebody finds the fiber alive and is about to leave a waker; the fiber ends and finds no waker.
//! So both take the same lock: the one looks whether the fiber is alive and leaves the waker under
//! it, the other changes the state of the fiber first and takes the wakers under the lock after.
//! Whichever is second sees what the first did.
//!
//! A fiber whose id nobody has asked for has KNOWN clear, and ends without taking the lock.

use core::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::collections::HashMap;

use crate::{
    budget,
    fiber_ref::FiberRef,
    registry::RUNTIMES,
    runtime::Shared,
    sync::{Mutex, lock},
    wait::wait,
    waker,
    worker::context,
};

/// The name of a fiber, which no other fiber of the process ever has.
///
/// It is a number and keeps nothing alive. A [`JoinHandle`](crate::JoinHandle) gives the value;
/// with an id, any number of others can wait for the end.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn};
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { 7 });
/// let id = handle.id().expect("it was spawned");
/// let waiters: Vec<_> = (0..3).map(|_| runtime.spawn(id.ended())).collect();
/// for waiter in waiters {
///     waiter.wait()?;
/// }
/// assert!(!id.is_alive());
/// assert_eq!(handle.wait()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiberId(u64);

impl FiberId {
    /// The caller has made it known.
    pub(crate) const fn new(fiber: FiberRef) -> Self {
        Self(fiber.word())
    }

    /// Which cell it lives in: the number of the runtime and of the cell.
    pub(crate) const fn cell(self) -> (u8, u32) {
        let fiber = self.fiber();
        (fiber.runtime(), fiber.cell_raw())
    }

    pub(crate) const fn fiber(self) -> FiberRef {
        FiberRef::from_word(self.0)
    }

    /// The id of the fiber that runs this, if one does.
    #[must_use]
    pub fn current() -> Option<Self> {
        let context = context::current_or_blocked()?;
        let fiber = context.fiber.get()?;
        let cell = context.shared.cell(fiber.cell_raw())?;
        cell.header().state.make_known();
        Some(Self::new(fiber))
    }

    /// Whether the fiber has not ended yet.
    #[must_use]
    pub fn is_alive(self) -> bool {
        with_runtime(self.fiber(), |shared| is_alive(shared, self.fiber())).unwrap_or(false)
    }

    /// Asks the fiber to end: see [`JoinHandle::abort`](crate::JoinHandle::abort). Where it has
    /// ended, nothing happens.
    pub fn abort(self) {
        let fiber = self.fiber();
        with_runtime(fiber, |shared| {
            shared.cancel(context::current_of(shared), fiber);
        });
    }

    /// A future of the fiber's end. Await it, or [`wait`](crate::wait()) for it.
    ///
    /// It says nothing of how the fiber ended; that is for the handle. Waiting takes memory from
    /// the heap, unlike waiting for a handle.
    pub fn ended(self) -> Ended {
        Ended::of(self.fiber())
    }

    /// Waits for the fiber's end, from code that is not `async`.
    pub fn wait(self) {
        wait(self.ended());
    }
}

impl IntoFuture for FiberId {
    type Output = ();
    type IntoFuture = Ended;

    fn into_future(self) -> Ended {
        self.ended()
    }
}

impl fmt::Debug for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FiberId({self})")
    }
}

impl fmt::Display for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fiber = self.fiber();
        write!(
            f,
            "{}.{}.{}",
            fiber.runtime(),
            fiber.cell_raw(),
            fiber.generation()
        )
    }
}

/// Calls `body` with the runtime of the fiber, if that is still there.
pub(crate) fn with_runtime<R>(fiber: FiberRef, body: impl FnOnce(&Shared) -> R) -> Option<R> {
    if let Some(context) = context::current()
        && context.shared.number() == fiber.runtime()
    {
        return Some(body(&context.shared));
    }
    let pin = RUNTIMES[usize::from(fiber.runtime())].pin()?;
    Some(body(&pin))
}

fn is_alive(shared: &Shared, fiber: FiberRef) -> bool {
    let Some(cell) = shared.cell(fiber.cell_raw()) else {
        return false;
    };
    cell.header().state.running_generation() == Some(fiber.generation())
}

/// The future of [`FiberId::ended`].
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct Ended {
    fiber: FiberRef,
    /// Which of the wakers is this one's; 0 for none.
    key: u64,
}

impl Ended {
    /// The caller has made the fiber known.
    pub(crate) const fn of(fiber: FiberRef) -> Self {
        Self { fiber, key: 0 }
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (fiber, key) = (self.fiber, self.key);
        let left = with_runtime(fiber, |shared| {
            shared
                .waiters
                .leave(fiber, key, cx.waker(), || is_alive(shared, fiber))
        });
        match left.flatten() {
            Some(key) => {
                self.key = key;
                Poll::Pending
            }
            None => {
                self.key = 0;
                if budget::take_here(cx) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if self.key != 0 {
            let (fiber, key) = (self.fiber, self.key);
            let waker = with_runtime(fiber, |shared| shared.waiters.remove(fiber, key));
            drop(waker);
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("fiber", &FiberId::new(self.fiber))
            .finish_non_exhaustive()
    }
}

/// Those who wait for fibers by their ids.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    last_key: u64,
    by_fiber: HashMap<u64, Vec<(u64, Waker)>>,
}

impl Waiters {
    /// Leaves a waker, in place of that with this key if there is one, and returns its key; `None`
    /// if the fiber has ended. See "The race".
    pub(crate) fn leave(
        &self,
        fiber: FiberRef,
        key: u64,
        waker: &Waker,
        is_alive: impl FnOnce() -> bool,
    ) -> Option<u64> {
        // Of user code, only this clone runs under the lock in other places; here none does.
        let waker = waker.clone();
        let mut lists = lock(&self.0);
        if !is_alive() {
            drop(lists);
            return None;
        }
        let new_key = lists.last_key + 1;
        let list = lists.by_fiber.entry(fiber.word()).or_default();
        let old = match list.iter_mut().find(|(other, _)| *other == key) {
            Some((_, place)) => Some(core::mem::replace(place, waker)),
            None => {
                list.push((new_key, waker));
                None
            }
        };
        let key = match old {
            Some(_) => key,
            None => {
                lists.last_key = new_key;
                new_key
            }
        };
        drop(lists);
        drop(old);
        Some(key)
    }

    fn remove(&self, fiber: FiberRef, key: u64) -> Option<Waker> {
        let mut lists = lock(&self.0);
        let list = lists.by_fiber.get_mut(&fiber.word())?;
        let at = list.iter().position(|(other, _)| *other == key)?;
        let (_, waker) = list.swap_remove(at);
        if list.is_empty() {
            lists.by_fiber.remove(&fiber.word());
        }
        drop(lists);
        Some(waker)
    }

    /// Wakes all who wait for a fiber that has just ended.
    #[cold]
    pub(crate) fn wake_all(&self, fiber: FiberRef) {
        let list = lock(&self.0).by_fiber.remove(&fiber.word());
        for (_, waker) in list.unwrap_or_default() {
            waker::wake_foreign(waker);
        }
    }
}
