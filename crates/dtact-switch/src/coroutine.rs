//! Functions that can be left in the middle and gone on with, each on a stack of its own.
//!
//! ```text
//!             resume(input)              body returns: resume gives Return(value)
//!   fresh ────────────────────► running ─────────────────────────────────────────► finished
//!     │                          │   ▲   body panics: resume passes the panic on      ▲  ▲
//!     │           suspend(value) │   │                                                │  │
//!     │ resume gives Yield(value)│   │ resume(input)                                  │  │
//!     │                          ▼   │                                                │  │
//!     │                        suspended ─────────────────────────────────────────────┘  │
//!     │                                  drop: unwinds, so that destructors run          │
//!     └──────────────────────────────────────────────────────────────────────────────────┘
//!                                        drop: drops the body
//! ```
//!
//! # Invariants
//!
//! * `[coroutine.I1]` `context` is the context of this coroutine, fresh or left by `W` in
//!   [`Yielder::suspend`]; it is `None` while the coroutine runs and once it is finished.
//! * `[coroutine.I2]` Until the coroutine is finished, its stack is neither dropped nor handed out:
//!   a suspended stack is unwound first, or leaked.
//! * `[coroutine.I3]` While the coroutine runs, its yielder holds the context that resumed it.
//! * `[coroutine.I4]` A message that is not null points to a value on the stack that was left. The
//!   side that gets it takes the value before it does anything else; the side that sent it waits
//!   meanwhile, and has given the value away.
//!
//! # Messages
//!
//! | direction     | message                                | means                        |
//! |---------------|----------------------------------------|------------------------------|
//! | into the body | a `Resumption`, on the resumer's stack | go on with its input         |
//! |               | null                                   | unwind                       |
//! | out of it     | a value, on the coroutine's stack      | suspended                    |
//! |               | null                                   | finished; see `Head::ending` |
#![allow(
    unsafe_code,
    reason = "switches stacks, and takes values from the other stack"
)]

// Miri has no mappings with a guard.
#[cfg_attr(miri, path = "coroutine/guarded_stack/heap.rs")]
mod guarded_stack;
mod outcome;
mod root;
mod stack;
mod stack_error;
mod stackful;
mod yielder;

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use std::panic;

use crate::{Context, ContextSwitcher, SameThreadNoFloat};
use root::{Ending, Head, Resumption};

pub use guarded_stack::GuardedStack;
pub use outcome::CoroutineResult;
pub use stack::Stack;
pub use stack_error::StackError;
pub use stackful::Stackful;
pub use yielder::Yielder;

/// A function on a stack of its own, which can suspend itself anywhere in its calls.
///
/// ```
/// use dtact_switch::{Coroutine, CoroutineResult, Stackful};
///
/// // SAFETY: the body below opens no thread-local, and the coroutine is not kept in one.
/// let stackful = unsafe { Stackful::acknowledge() };
/// let mut sum = Coroutine::new(stackful, |yielder, first: u32| {
///     let mut sum = first;
///     while sum < 10 {
///         sum += yielder.suspend(sum);
///     }
///     "enough"
/// })?;
/// assert_eq!(sum.resume(3), CoroutineResult::Yield(3));
/// assert_eq!(sum.resume(4), CoroutineResult::Yield(7));
/// assert_eq!(sum.resume(5), CoroutineResult::Return("enough"));
/// # Ok::<(), dtact_switch::StackError>(())
/// ```
///
/// # Stacks
///
/// [`Coroutine::new`] maps a [`GuardedStack`]; [`Coroutine::with_stack`] takes any [`Stack`].
/// Creating a coroutine does not allocate: the body is moved onto the stack. When the body begins
/// it is moved once more, down to its own frame, so that the stack needs at least twice the size of
/// what it captures, and several times that in builds without optimisation: box what is large. A
/// finished coroutine gives its stack back by [`Coroutine::into_stack`].
///
/// # Panics of the body
///
/// They are passed on, once, to whoever resumed the coroutine. Then it is finished.
///
/// # Dropping
///
/// A fresh coroutine drops its body. A suspended one is resumed a last time to unwind, so that the
/// destructors on its stack run; see [`Coroutine::force_unwind`] for the details. A coroutine that
/// is forgotten leaks its stack, and what lies there.
///
/// With `panic = "abort"` nothing can unwind: dropping a suspended coroutine then leaks its stack.
/// To free it could be unsound, for threads or pinned values may still use what lies there.
///
/// # Threads
///
/// It is neither `Send` nor `Sync`, whatever the body captures: its stack may hold values that
/// belong to the thread.
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<dtact_switch::Coroutine<(), (), ()>>();
/// ```
/// ```compile_fail,E0277
/// fn sync<T: Sync>() {}
/// sync::<dtact_switch::Coroutine<(), (), ()>>();
/// ```
/// Nor can a [`Yielder`] leave the body, or the thread:
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<&dtact_switch::Yielder<(), ()>>();
/// ```
///
/// # Floating point
///
/// By default a coroutine uses the floating-point control state of its thread: a rounding mode that
/// the body sets is seen by the resumer. Choose [`SameThreadFloat`](crate::SameThreadFloat) for `W`
/// to keep them apart ([`Coroutine::with_switcher`]); a resumption and a suspension then take some
/// nanoseconds more. Which thread variant is chosen makes no difference, for a coroutine stays on
/// its thread.
pub struct Coroutine<Input, Yield, Return, S = GuardedStack, W = SameThreadNoFloat>
where
    S: Stack,
    W: ContextSwitcher,
{
    /// [coroutine.I1]
    context: Option<Context>,
    /// At the top of `stack`; valid for as long as that is `Some`.
    head: NonNull<Head<Input, Yield, Return, W>>,
    /// `Some` until the value is dropped or taken apart.
    stack: Option<S>,
    /// The stack may hold anything: nothing here may be sent or shared.
    not_send: PhantomData<*mut ()>,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return>
where
    Input: 'static,
    Yield: 'static,
    Return: 'static,
{
    /// A coroutine that will run `body` on a new stack of [`GuardedStack::BYTES_DEFAULT`] bytes.
    ///
    /// # Errors
    ///
    /// Where the system has no room for the stack; `body` is dropped.
    ///
    /// # Panics
    ///
    /// Where what `body` captures does not fit onto the stack.
    #[track_caller]
    pub fn new<F>(stackful: Stackful, body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
    {
        let stack = GuardedStack::new(GuardedStack::BYTES_DEFAULT)?;
        Ok(Self::with_stack(stackful, stack, body))
    }
}

impl<Input, Yield, Return, S: Stack> Coroutine<Input, Yield, Return, S> {
    /// A coroutine that will run `body` on `stack`.
    ///
    /// ```
    /// use dtact_switch::{Coroutine, GuardedStack, Stackful};
    ///
    /// // SAFETY: the bodies below open no thread-local, and no coroutine is kept in one.
    /// let stackful = unsafe { Stackful::acknowledge() };
    /// let mut stack = GuardedStack::new(64 * 1024)?;
    /// for number in 0..3 {
    ///     let mut squares = Coroutine::with_stack(stackful, stack, move |yielder, ()| {
    ///         yielder.suspend(number * number);
    ///     });
    ///     assert!(squares.by_ref().eq([number * number]), "a coroutine can be an iterator");
    ///     stack = squares.into_stack();
    /// }
    /// # Ok::<(), dtact_switch::StackError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Where what `body` captures does not fit onto the stack.
    #[inline]
    #[track_caller]
    pub fn with_stack<F>(stackful: Stackful, stack: S, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
        S: 'static,
    {
        Self::with_switcher(stackful, stack, body)
    }
}

impl<Input, Yield, Return, S: Stack, W: ContextSwitcher> Coroutine<Input, Yield, Return, S, W> {
    /// A coroutine that will run `body` on `stack`, and is entered and left by `W`.
    ///
    /// ```
    /// use dtact_switch::{Coroutine, GuardedStack, SameThreadFloat, Stackful, Yielder};
    ///
    /// // SAFETY: the body below opens no thread-local, and the coroutine is not kept in one.
    /// let stackful = unsafe { Stackful::acknowledge() };
    /// let stack = GuardedStack::new(64 * 1024)?;
    /// let body = |_: &Yielder<(), (), SameThreadFloat>, ()| 0.1 + 0.2;
    /// let mut sum = Coroutine::with_switcher(stackful, stack, body);
    /// assert!(sum.resume(()).into_return() > Some(0.3));
    /// # Ok::<(), dtact_switch::StackError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Where what `body` captures does not fit onto the stack.
    #[inline]
    #[track_caller]
    pub fn with_switcher<F>(_stackful: Stackful, stack: S, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield, W>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
        S: 'static,
    {
        // SAFETY: everything is `'static`, so that a coroutine which is forgotten leaves nothing
        // behind that becomes invalid. The token stands for the rest of the contract.
        unsafe { Self::with_stack_unchecked(stack, body) }
    }

    /// As [`with_switcher`](Self::with_switcher), for bodies, values and stacks that borrow.
    ///
    /// # Safety
    ///
    /// * What [`Stackful::acknowledge`] asks.
    /// * The coroutine is finished before anything that `body`, `stack`, or an input borrows ends;
    ///   or else it is never forgotten, and dropped before that. With `panic = "abort"` the second
    ///   is not enough, because a suspended coroutine that is dropped leaks.
    ///
    /// # Panics
    ///
    /// Where what `body` captures does not fit onto the stack.
    #[inline]
    #[track_caller]
    pub unsafe fn with_stack_unchecked<F>(stack: S, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield, W>, Input) -> Return,
    {
        // SAFETY: the stack is owned by the result, which keeps [coroutine.I2]; the caller answers
        // for what is borrowed.
        let (head, context) = unsafe { root::plant(&stack, body) };
        Self {
            context: Some(context),
            head,
            stack: Some(stack),
            not_send: PhantomData,
        }
    }

    /// Runs the coroutine until it suspends itself or is finished.
    ///
    /// The first `input` is the body's argument; each later one is what
    /// [`Yielder::suspend`] returns.
    ///
    /// # Panics
    ///
    /// If the coroutine is finished already. If the body panics, its panic is passed on.
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, input: Input) -> CoroutineResult<Yield, Return> {
        let Some(context) = self.context.take() else {
            resumed_when_finished()
        };
        let resumption = Resumption::new(input, self.head);
        // SAFETY: fresh, or left by `W` on this thread, on a stack that is still there
        // [coroutine.I1], [coroutine.I2]. This stack waits until the coroutine leaves.
        let transfer = unsafe { W::switch(context, (&raw const resumption).cast_mut().cast()) };
        if transfer.message.is_null() {
            return self.finish();
        }
        self.context = Some(transfer.from);
        // SAFETY: the coroutine is suspended, and has given the value away [coroutine.I4].
        CoroutineResult::Yield(unsafe { transfer.message.cast::<Yield>().read() })
    }

    /// What the body ended with, passed on.
    fn finish(&self) -> CoroutineResult<Yield, Return> {
        match self.take_ending() {
            Ok(value) => CoroutineResult::Return(value),
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// What the body ended with.
    fn take_ending(&self) -> Ending<Return> {
        let ending = self.head().ending.take();
        ending.expect("a finished coroutine leaves its ending behind, and it is taken once")
    }

    fn head(&self) -> &Head<Input, Yield, Return, W> {
        // SAFETY: initialised by `plant`, on the stack that this value owns. It is used by shared
        // references alone, except by `drop_body`, which touches the body above it.
        unsafe { self.head.as_ref() }
    }

    /// Whether the coroutine was resumed at least once.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.head().is_started.get()
    }

    /// Whether the coroutine is finished: the body returned, panicked, or was unwound.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.context.is_none()
    }

    /// Finishes the coroutine, if it is not: drops a body that never began, unwinds the stack of a
    /// suspended one. Dropping the coroutine does the same.
    ///
    /// [`Yielder::suspend`] unwinds with a payload that is private to this crate; the panic hook is
    /// not called. If the body catches it and returns, what it returns is dropped. If it catches it
    /// and suspends again, it is unwound again; one that does so in an endless loop is never
    /// finished, and this function never returns.
    ///
    /// With `panic = "abort"` there is no unwinding, and where the coroutine is suspended the
    /// process is aborted. Dropping leaks the stack instead.
    ///
    /// # Panics
    ///
    /// If the body panics by itself while it is unwound, after it has caught the payload, or if the
    /// destructor of what it returns does. One in a destructor that the unwinding runs
    /// aborts the process.
    pub fn force_unwind(&mut self) {
        let Some(context) = self.context.take() else {
            return;
        };
        if !self.is_started() {
            let drop_body = self.head().drop_body;
            // SAFETY: the head of a coroutine that never began. `context` is `None` from here on,
            // and this is not reached again.
            unsafe { drop_body(self.head) };
            return;
        }
        // SAFETY: left by `W` on this thread, on a stack that is still there [coroutine.I1],
        // [coroutine.I2]. This stack waits until the coroutine leaves.
        let transfer = unsafe { W::switch(context, ptr::null_mut()) };
        debug_assert!(
            transfer.message.is_null(),
            "a coroutine that unwinds is not suspended again"
        );
        match self.take_ending() {
            Ok(value) => drop(value),
            Err(payload) if yielder::is_forced_unwind(&*payload) => {}
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Declares the coroutine finished, without running anything on its stack.
    ///
    /// # Safety
    ///
    /// As with a `longjmp` over all the frames of the coroutine: nothing relies on a destructor
    /// that lies there, or in a body that never began. Threads, pinned values and scoped borrows
    /// do.
    pub unsafe fn force_reset(&mut self) {
        self.context = None;
    }

    /// Takes the stack out of a finished coroutine, for another one.
    ///
    /// # Panics
    ///
    /// If the coroutine is not finished; it is then dropped. [`Coroutine::force_unwind`] finishes
    /// it.
    #[inline]
    #[must_use = "to drop the stack, drop the coroutine"]
    #[track_caller]
    pub fn into_stack(mut self) -> S {
        assert!(
            self.is_done(),
            "the stack of a coroutine that is not finished is in use: unwind it first"
        );
        let stack = self.stack.take();
        stack.expect("a coroutine has its stack until it is taken apart")
    }
}

#[cold]
#[track_caller]
fn resumed_when_finished() -> ! {
    panic!("a finished coroutine was resumed: ask `is_done` first")
}

impl<Input, Yield, Return, S, W> Drop for Coroutine<Input, Yield, Return, S, W>
where
    S: Stack,
    W: ContextSwitcher,
{
    fn drop(&mut self) {
        if self.is_done() {
            return;
        }
        if cfg!(panic = "abort") && self.is_started() {
            // [coroutine.I2]: what cannot be unwound is not freed.
            let _leaked = ManuallyDrop::new(self.stack.take());
            return;
        }
        // A panic from here leaves the coroutine finished, and the stack is dropped all the same.
        self.force_unwind();
    }
}

/// A coroutine without input and result makes its values one by one. It can be used on after the
/// last one: it is not resumed again.
impl<Yield, S: Stack, W: ContextSwitcher> Iterator for Coroutine<(), Yield, (), S, W> {
    type Item = Yield;

    #[inline]
    fn next(&mut self) -> Option<Yield> {
        if self.is_done() {
            return None;
        }
        self.resume(()).into_yield()
    }
}

impl<Yield, S: Stack, W: ContextSwitcher> FusedIterator for Coroutine<(), Yield, (), S, W> {}

impl<Input, Yield, Return, S, W> fmt::Debug for Coroutine<Input, Yield, Return, S, W>
where
    S: Stack,
    W: ContextSwitcher,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine")
            .field("is_started", &self.is_started())
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}
