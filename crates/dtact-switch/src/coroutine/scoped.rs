//! Coroutines that borrow, for as long as a call lasts.
#![allow(
    unsafe_code,
    reason = "answers for what a body borrows: it ends before the call does"
)]

use core::fmt;
use std::backtrace::Backtrace;

use super::stack::Stack;
use super::stackful::Stackful;
use super::yielder::Yielder;
use super::{Coroutine, CoroutineResult};
use crate::SameThreadNoFloat;

/// A coroutine that may borrow, in the hands of what [`Coroutine::scope`] runs.
///
/// It cannot be moved out of there, nor exchanged for another: so it is ended before the call
/// returns, whatever happens.
pub struct ScopedCoroutine<'a, Input, Yield, Return, S: Stack> {
    coroutine: &'a mut Coroutine<Input, Yield, Return, S>,
}

impl<Input, Yield, Return, S: Stack> Coroutine<Input, Yield, Return, S> {
    /// Runs `work` with a coroutine whose body may borrow from around the call, and returns what
    /// `work` returns. If the coroutine is not finished by then it is unwound.
    ///
    /// ```
    /// use dtact_switch::{Coroutine, GuardedStack, Stackful};
    ///
    /// // SAFETY: the body below opens no thread-local, and the coroutine is not kept in one.
    /// let stackful = unsafe { Stackful::acknowledge() };
    /// let mut seen = Vec::new();
    /// let stack = GuardedStack::new(64 * 1024)?;
    /// let last = Coroutine::scope(
    ///     stackful,
    ///     stack,
    ///     |yielder, mut number: u32| loop {
    ///         seen.push(number);
    ///         number = yielder.suspend(number * 2);
    ///     },
    ///     |doubling| {
    ///         let _first = doubling.resume(1);
    ///         doubling.resume(2).into_yield()
    ///     },
    /// );
    /// assert_eq!((last, seen), (Some(4), vec![1, 2]));
    /// # Ok::<(), dtact_switch::StackError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Where what `body` captures does not fit onto the stack. A panic of `work` is passed on, when
    /// the coroutine has been unwound. With `panic = "abort"` there is no unwinding, and a
    /// coroutine that is still suspended at the end aborts the process: to leak it would not do.
    #[track_caller]
    pub fn scope<F, T>(
        _stackful: Stackful,
        stack: S,
        body: F,
        work: impl FnOnce(&mut ScopedCoroutine<'_, Input, Yield, Return, S>) -> T,
    ) -> T
    where
        F: FnOnce(&Yielder<Input, Yield, SameThreadNoFloat>, Input) -> Return,
    {
        /// Ends the coroutine, also where `work` panics.
        struct End<Input, Yield, Return, S: Stack>(Coroutine<Input, Yield, Return, S>);

        impl<Input, Yield, Return, S: Stack> Drop for End<Input, Yield, Return, S> {
            fn drop(&mut self) {
                // Not by dropping: that leaks where nothing can unwind.
                self.0.force_unwind();
            }
        }

        // SAFETY: what is borrowed lives as long as this call, or longer. The coroutine is finished
        // before it ends: `End` sees to it, and nobody but this function can move or forget it.
        // The token stands for the rest of the contract.
        let mut coroutine = End(unsafe { Self::with_stack_unchecked(stack, body) });
        let mut scoped = ScopedCoroutine {
            coroutine: &mut coroutine.0,
        };
        work(&mut scoped)
    }
}

impl<Input, Yield, Return, S: Stack> ScopedCoroutine<'_, Input, Yield, Return, S> {
    /// See [`Coroutine::resume`].
    ///
    /// # Panics
    ///
    /// As that does.
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, input: Input) -> CoroutineResult<Yield, Return> {
        self.coroutine.resume(input)
    }

    /// See [`Coroutine::is_started`].
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.coroutine.is_started()
    }

    /// See [`Coroutine::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.coroutine.is_done()
    }

    /// See [`Coroutine::force_unwind`].
    ///
    /// # Panics
    ///
    /// As that does.
    pub fn force_unwind(&mut self) {
        self.coroutine.force_unwind();
    }

    /// See [`Coroutine::backtrace`].
    #[must_use = "it is captured for whoever asks, and does nothing else"]
    pub fn backtrace(&self) -> Backtrace {
        self.coroutine.backtrace()
    }
}

impl<Input, Yield, Return, S: Stack> fmt::Debug for ScopedCoroutine<'_, Input, Yield, Return, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedCoroutine")
            .field(&self.coroutine)
            .finish()
    }
}
