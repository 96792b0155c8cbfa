//! A stack that goes back by itself.

use core::ptr::NonNull;
use std::sync::Arc;

use crate::error::ArenaError;
use crate::stack::Stack;
use crate::stack_pool::StackPool;
use crate::sys::{Platform, System};

/// A stack of a pool, which the value keeps alive, and to which the stack returns on drop.
///
/// It is what to give to code that owns its stack and knows nothing of pools, such as a coroutine.
/// A value that is forgotten keeps stack and pool for ever: whatever still runs on the stack stays
/// sound. Inside of a runtime that knows its pool, a plain [`Stack`] costs no reference count.
///
/// With the feature `switch` it is a stack of `dtact-switch`.
///
/// ```
/// use std::sync::Arc;
/// use dtact_arena::{PooledStack, StackPool};
///
/// let pool = Arc::new(StackPool::builder().capacity(2).build()?);
/// let stack = PooledStack::take(&pool, 64 * 1024)?;
/// assert_eq!(pool.metrics().live, 1);
/// drop(stack);
/// assert_eq!(pool.metrics().live, 0);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it gives the stack back"]
pub struct PooledStack {
    /// Out of `pool` until the drop, which gives it back once.
    stack: Stack,
    pool: Arc<StackPool>,
}

impl PooledStack {
    /// Takes a stack of at least `bytes_min` usable bytes.
    ///
    /// # Errors
    ///
    /// As [`StackPool::take`].
    pub fn take(pool: &Arc<StackPool>, bytes_min: usize) -> Result<Self, ArenaError> {
        Ok(Self {
            stack: pool.take(bytes_min)?,
            pool: Arc::clone(pool),
        })
    }

    /// One past the highest byte, where the first frame goes; a multiple of 64.
    #[inline]
    #[must_use]
    pub fn top(&self) -> NonNull<u8> {
        self.stack.top()
    }

    /// The lowest byte; below it is the guard, where the pool has guards.
    #[inline]
    #[must_use]
    pub fn bottom(&self) -> NonNull<u8> {
        self.stack.bottom()
    }

    /// The lowest byte of the guard; the bottom itself where the pool has none.
    #[must_use]
    pub fn lowest(&self) -> NonNull<u8> {
        self.pool.lowest(&self.stack)
    }

    /// How much of the guard the system opens to the handlers of an overflow, in bytes: on Windows
    /// all but its lowest page, which has to be written into the thread's block, as
    /// `GuaranteedStackBytes`, beside top, bottom and [lowest](Self::lowest) byte. 0 elsewhere.
    #[must_use]
    pub fn overflow_bytes(&self) -> u32 {
        let guard_bytes = self.bottom().addr().get() - self.lowest().addr().get();
        let opened = guard_bytes.saturating_sub(System::page_bytes());
        if cfg!(windows) {
            u32::try_from(opened).unwrap_or(u32::MAX)
        } else {
            0
        }
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        self.pool.give_back_once(&self.stack);
    }
}

/// As a stack of the switch: a coroutine runs on it, and gives it back when it is dropped.
///
/// ```
/// # #[cfg(not(miri))] {
/// use std::sync::Arc;
/// use dtact_arena::{PooledStack, StackPool};
/// use dtact_switch::{Coroutine, CoroutineResult, Stackful};
///
/// // SAFETY: the body uses no thread-local.
/// let stackful = unsafe { Stackful::acknowledge() };
/// let pool = Arc::new(StackPool::builder().build()?);
/// let stack = PooledStack::take(&pool, 64 * 1024)?;
/// let mut doubled = Coroutine::with_stack(stackful, stack, |yielder, first: u32| {
///     yielder.suspend(2 * first)
/// });
/// assert_eq!(doubled.resume(3), CoroutineResult::Yield(6));
/// # }
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[cfg(feature = "switch")]
#[allow(unsafe_code, reason = "vouches for the memory as a stack")]
// SAFETY: the addresses are those of the stack, wherever the value moves, and of one that the pool
// gives to nobody else while it is out [arena.I2]; it stays mapped with the pool [arena.I1], which
// the value keeps alive, for ever if it is forgotten. A top is a multiple of 64, more than a switch
// asks for. Below the bottom is the guard [arena.I5], or whoever built the pool has made the same
// promise (`Unguarded::promise`).
unsafe impl dtact_switch::Stack for PooledStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        self.stack.top()
    }

    #[inline]
    fn bottom(&self) -> NonNull<u8> {
        self.stack.bottom()
    }

    #[inline]
    fn bounds(&self) -> dtact_switch::StackBounds {
        dtact_switch::StackBounds::new(self.stack.top(), self.stack.bottom())
            .with_guard(self.lowest(), self.overflow_bytes())
    }
}

#[cfg(feature = "switch")]
const _: () = assert!(64_usize.is_multiple_of(dtact_switch::Context::STACK_ALIGN));
