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
//! * `[coroutine.I1]` `context` is the frame of this coroutine, fresh or left in
//!   [`Yielder::suspend`]; it is `None` once the coroutine is finished. While the coroutine runs it
//!   has no meaning, and nobody can look: `resume` holds the coroutine exclusively.
//! * `[coroutine.I2]` Until the coroutine is finished, its stack is neither dropped nor handed out:
//!   a suspended stack is unwound first, or leaked.
//! * `[coroutine.I3]` While the coroutine runs, the link of its yielder leads to the frame of
//!   whoever resumed it: the resumption writes it before it leaves.
//! * `[coroutine.I4]` A word that goes over is a value, or the address of one on the stack that was
//!   left. The side that gets it takes the value before it does anything else; the side that sent
//!   it waits meanwhile, and has given the value away.
//!
//! # Words
//!
//! | direction     | word                                     | context left | means           |
//! |---------------|------------------------------------------|--------------|-----------------|
//! | into the body | the input                                | –            | go on with it   |
//! |               | nothing, and the yielder says so         | –            | unwind          |
//! | out of it     | the value                                | some         | suspended       |
//! |               | what was returned, or a panic's payload  | none         | finished        |
#![allow(
    unsafe_code,
    reason = "switches stacks, and takes values from the other stack"
)]

mod elsewhere;
// Miri has no mappings with a guard.
#[cfg_attr(miri, path = "coroutine/guarded_stack/heap.rs")]
mod guarded_stack;
mod outcome;
mod root;
mod scoped;
mod stack;
mod stack_error;
mod stackful;
mod word;
mod yielder;

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::backtrace::Backtrace;
use std::panic;

use crate::linked::{self, Ended, Resumed, Word};
use crate::{Context, ContextSwitcher, SameThreadNoFloat};
use root::Payload;

pub use elsewhere::on_stack;
pub use guarded_stack::GuardedStack;
pub use outcome::CoroutineResult;
pub use scoped::ScopedCoroutine;
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
    context: Option<NonNull<()>>,
    /// At the top of `stack`.
    yielder: NonNull<Yielder<Input, Yield, W>>,
    /// There until the value is dropped or taken apart.
    stack: ManuallyDrop<S>,
    /// The stack may hold anything: nothing here may be sent or shared.
    not_send: PhantomData<*mut Return>,
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
        let (yielder, context) = unsafe { root::plant(&stack, body) };
        Self {
            context: Some(context.into_raw()),
            yielder,
            stack: ManuallyDrop::new(stack),
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
        let Some(context) = self.context else {
            resumed_when_finished()
        };
        let input = ManuallyDrop::new(input);
        // SAFETY: fresh, or left by the body on this thread, on a stack that is still there
        // [coroutine.I1], [coroutine.I2]. This stack waits until the coroutine leaves.
        let resumed = unsafe { enter(context, self.yielder, word::pack(&input)) };
        self.context = resumed.left.map(NonNull::cast);
        if self.context.is_none() {
            // SAFETY: the coroutine is finished, by a body that returns a `Return`, and nobody else
            // asks.
            let ending = unsafe { take_ending(&resumed) };
            return match ending {
                Ok(Some(value)) => CoroutineResult::Return(value),
                Ok(None) => unreachable!("the body of a coroutine that was resumed has begun"),
                Err(payload) => panic::resume_unwind(payload),
            };
        }
        // SAFETY: the coroutine is suspended, and has given the value away [coroutine.I4].
        CoroutineResult::Yield(unsafe { word::unpack(resumed.word) })
    }

    fn yielder(&self) -> &Yielder<Input, Yield, W> {
        // SAFETY: initialised by `plant`, on the stack that this value owns. It is used by shared
        // references alone.
        unsafe { self.yielder.as_ref() }
    }

    /// Whether the coroutine was resumed at least once.
    #[must_use]
    pub fn is_started(&self) -> bool {
        match self.context {
            // SAFETY: a yielder begins with the link of its stack; the context is of that stack.
            Some(context) => !unsafe { linked::is_fresh(self.yielder.cast(), context) },
            None => !self.yielder().was_never_begun(),
        }
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
        // SAFETY: fresh, or left by the body, on a stack that is still there [coroutine.I1],
        // [coroutine.I2]. From here on the coroutine counts as finished.
        let result = unsafe { end::<Input, Yield, Return, W>(context, self.yielder) };
        if let Err(payload) = result {
            panic::resume_unwind(payload);
        }
    }

    /// The backtrace of a suspended coroutine: from where it suspended itself to its root.
    ///
    /// One that is fresh has none but the root, one that is finished none at all. It is captured
    /// whatever `RUST_BACKTRACE` says, as by [`Backtrace::force_capture`]; the frames of the
    /// capture itself come first. On Windows, whose unwind information cannot lead to another
    /// stack, there is none: it is [disabled](Backtrace::disabled).
    ///
    /// ```
    /// use dtact_switch::{Coroutine, GuardedStack, Stackful, Yielder};
    ///
    /// #[inline(never)]
    /// fn waits_for_more(yielder: &Yielder<(), ()>) {
    ///     yielder.suspend(());
    /// }
    ///
    /// // SAFETY: the body below opens no thread-local, and the coroutine is not kept in one.
    /// let stackful = unsafe { Stackful::acknowledge() };
    /// let mut coroutine = Coroutine::new(stackful, |yielder, ()| waits_for_more(yielder))?;
    /// let _suspended = coroutine.resume(());
    /// println!("{}", coroutine.backtrace()); // names `waits_for_more`
    /// # Ok::<(), dtact_switch::StackError>(())
    /// ```
    #[must_use = "it is captured for whoever asks, and does nothing else"]
    pub fn backtrace(&self) -> Backtrace {
        let Some(context) = self.context.filter(|_| linked::CAN_WALK) else {
            return Backtrace::disabled();
        };
        self.yielder().link().end_walks();
        // SAFETY: the one owner; not used, nor dropped, but looked at.
        let context = ManuallyDrop::new(unsafe { Context::from_raw(context) });
        // SAFETY: suspended [coroutine.I1], and nobody can resume it meanwhile.
        unsafe { context.with_walk(Backtrace::force_capture) }
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
    pub fn into_stack(self) -> S {
        assert!(
            self.is_done(),
            "the stack of a coroutine that is not finished is in use: unwind it first"
        );
        let this = ManuallyDrop::new(self);
        // SAFETY: there until now, and the value that it was in is not dropped.
        let stack = unsafe { core::ptr::read(&raw const this.stack) };
        ManuallyDrop::into_inner(stack)
    }
}

/// Enters a coroutine, and comes back when it leaves.
///
/// # Safety
///
/// `context` is its frame [coroutine.I1]; `word` is what it expects [coroutine.I4].
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
unsafe fn enter<Input, Yield, W: ContextSwitcher>(
    context: NonNull<()>,
    yielder: NonNull<Yielder<Input, Yield, W>>,
    word: Word,
) -> Resumed {
    // SAFETY: the one owner of the context (the caller).
    let context = unsafe { Context::from_raw(context) };
    let link = yielder.cast();
    if W::SAVES_FLOAT {
        // SAFETY: a complete frame of the kind of `W`, for `plant` and `suspend` ask the same
        // constant, and a yielder begins with the link of its stack.
        unsafe { linked::resume::<true>(context, link, word) }
    } else {
        // SAFETY: as above.
        unsafe { linked::resume::<false>(context, link, word) }
    }
}

/// What the body ended with; its value is none if it never began.
///
/// # Safety
///
/// The coroutine is finished, of this `Return`, and this is called once.
#[inline]
unsafe fn take_ending<Return>(resumed: &Resumed) -> Result<Option<Return>, Payload> {
    match resumed.how {
        // SAFETY: `root` packed it, and the stack was not used since (the caller).
        Ended::RETURNED => Ok(Some(unsafe { word::unpack(resumed.word) })),
        Ended::DROPPED => Ok(None),
        // SAFETY: `root` says so (the caller).
        _ => Err(unsafe { root::take_payload(resumed.word) }),
    }
}

/// Ends a coroutine: drops a body that never began, unwinds a suspended stack.
///
/// # Errors
///
/// The payload of a panic that is the body's own.
///
/// # Safety
///
/// `first` is the frame of a coroutine that is not finished [coroutine.I1], of these types, and is
/// given up to this.
#[cold]
#[inline(never)]
unsafe fn end<Input, Yield, Return, W: ContextSwitcher>(
    first: NonNull<()>,
    yielder: NonNull<Yielder<Input, Yield, W>>,
) -> Result<(), Payload> {
    // SAFETY: on the stack of the coroutine, which is not finished (the caller).
    unsafe { yielder.as_ref() }.begin_unwinding();
    let mut context = first;
    loop {
        // SAFETY: the frame that the coroutine left; the word is not looked at, since the yielder
        // says that it unwinds.
        let resumed = unsafe { enter(context, yielder, Word::uninit()) };
        if let Some(left) = resumed.left {
            // It caught the payload, and suspended itself with a value that is still its own.
            context = left.cast();
            continue;
        }
        // SAFETY: the coroutine is finished, and nobody else asks.
        return match unsafe { take_ending::<Return>(&resumed) } {
            // Its destructor may panic: a stranger's, as the payload of one of the body would be.
            Ok(value) => panic::catch_unwind(panic::AssertUnwindSafe(|| drop(value))),
            Err(payload) if yielder::is_forced_unwind(&*payload) => Ok(()),
            Err(payload) => Err(payload),
        };
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
    #[inline]
    fn drop(&mut self) {
        // SAFETY: there until now, and not used again.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        // By value: a coroutine whose address nobody has can live in registers.
        // SAFETY: its own frame [coroutine.I1], which is not used again.
        unsafe { drop_parts::<Input, Yield, Return, S, W>(self.context, self.yielder, stack) };
    }
}

/// Ends a coroutine, and drops its stack.
///
/// # Safety
///
/// As for [`end`], if there is a `context`; `stack` is that of the coroutine.
#[inline(never)]
unsafe fn drop_parts<Input, Yield, Return, S: Stack, W: ContextSwitcher>(
    context: Option<NonNull<()>>,
    yielder: NonNull<Yielder<Input, Yield, W>>,
    stack: S,
) {
    if let Some(context) = context {
        // SAFETY: a yielder begins with the link of its stack; the context is of that stack.
        let is_fresh = unsafe { linked::is_fresh(yielder.cast(), context) };
        if cfg!(panic = "abort") && !is_fresh {
            // [coroutine.I2]: what cannot be unwound is not freed.
            let _leaked = ManuallyDrop::new(stack);
            return;
        }
        // SAFETY: passed on to the caller. Nothing between here and the end of it unwinds, so that
        // the stack is not dropped before.
        let result = unsafe { end::<Input, Yield, Return, W>(context, yielder) };
        // The coroutine is finished [coroutine.I2], also if it panicked.
        drop(stack);
        if let Err(payload) = result {
            panic::resume_unwind(payload);
        }
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
