//! A suspended context, and what travels with a switch.
//!
//! # Invariants
//!
//! * `[context.I1]` The pointer of a [`Context`] is the address of a complete frame, written by a
//!   switch or by [`Context::new`], on a stack that nothing runs on.
//! * `[context.I2]` A frame has one owner. Resuming consumes the owner, so a frame is resumed at
//!   most once.
//!
//! Both are kept by the callers of the `unsafe` functions; the type makes them the default: it can
//! be neither copied nor sent to another thread, and every way to make or to use one is `unsafe`.
#![allow(
    unsafe_code,
    reason = "a context is a raw stack pointer, and its making writes to raw memory"
)]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::{StackBounds, arch, linked, tool};

/// A suspended context: where its frame lies.
///
/// It has one owner, and resuming consumes it. Dropping it is not undefined, but what lies on its
/// stack is then never run again: no destructor there runs.
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<dtact_switch::Context>(); // which thread may resume it is for `unsafe` code to say
/// ```
#[must_use = "a context that is dropped never runs again, and the destructors on its stack neither"]
#[repr(transparent)]
pub struct Context(NonNull<arch::Frame>);

impl Context {
    /// What the top of a stack must be a multiple of, in bytes.
    pub const STACK_ALIGN: usize = arch::STACK_ALIGN;

    /// Whether a walk in [`Context::with_walk`] goes on into the context: not on Windows, nor in a
    /// program built for a tool.
    pub const CAN_WALK: bool = linked::CAN_WALK;

    /// Builds the first frame of a fresh stack, at its top.
    ///
    /// When the context is resumed, `entry` runs on that stack with what the resumer handed over.
    /// Nothing below the frame is touched until then.
    ///
    /// A fresh context starts with the floating-point control words that the ABI gives to a new
    /// process (round to nearest, all exceptions masked, no flush to zero), not with those of the
    /// calling thread: compiled Rust code assumes them, and where a fiber was made should not
    /// change what it computes. Switchers without float state do not read them.
    ///
    /// # Safety
    ///
    /// * The top of `stack` is a multiple of [`Context::STACK_ALIGN`], and one past the end of a
    ///   block of memory that may be read and written through it, down to the bottom; the other
    ///   bounds are as [`StackBounds`] says.
    /// * The block is as large as everything that will run on it needs, signal handlers included,
    ///   or ends in a guard page that the code running on it cannot step over.
    /// * The block stays valid, and is used by nothing else, for as long as the context or what it
    ///   turns into may run. The context may be resumed only where `entry` may run.
    ///
    /// # Panics
    ///
    /// With debug assertions, where the top is not aligned.
    #[inline]
    pub unsafe fn new(stack: StackBounds, entry: Entry) -> Self {
        // SAFETY: the caller vouches for `stack`, word for word what is asked here.
        let frame = unsafe { tool::fresh(&stack, entry) };
        // [context.I1] holds: the frame is complete, and nothing runs on the fresh stack.
        Self(frame)
    }

    /// Gives up the ownership as a plain pointer, for storage or for another thread.
    ///
    /// ```
    /// # use core::ptr::NonNull;
    /// # use dtact_switch::Context;
    /// fn store(context: Context, place: &mut Option<NonNull<()>>) {
    ///     *place = Some(context.into_raw());
    /// }
    /// ```
    #[inline]
    #[must_use = "the pointer is the only way back to the context"]
    pub fn into_raw(self) -> NonNull<()> {
        self.into_frame().cast()
    }

    /// Takes the ownership back.
    ///
    /// # Safety
    ///
    /// * `raw` came from [`Context::into_raw`], or was read with acquire ordering from the slot of
    ///   [`CrossThread::switch_publishing`](crate::CrossThread::switch_publishing).
    /// * No other `Context` was made from it since: the caller is the one owner.
    #[inline]
    pub unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self(raw.cast())
    }

    /// Runs `look` so that a walk along the stack from inside of it goes on into this context, as
    /// if the code that is suspended there had called it. It runs on the stack of the caller.
    ///
    /// Take a backtrace in it, or call the unwinder of the platform. On Windows there is no unwind
    /// information that could say so: there the walk goes on into the caller, as ever.
    ///
    /// ```
    /// # use core::ptr::null_mut;
    /// # use dtact_switch::{Context, ContextSwitcher, SameThreadNoFloat, StackBounds, Transfer};
    /// use std::backtrace::Backtrace;
    ///
    /// unsafe extern "C" fn entry(first: Transfer) -> ! {
    ///     // SAFETY: the resumer waits in the context it left.
    ///     let _never = unsafe { SameThreadNoFloat::switch(first.from, null_mut()) };
    ///     unreachable!("nobody resumes it")
    /// }
    ///
    /// # let mut stack = vec![0_u128; 4096];
    /// # let bounds = StackBounds::of_block(&mut stack);
    /// # // SAFETY: aligned, the bounds of 64 KiB that live longer than the last switch.
    /// # let fresh = unsafe { Context::new(bounds, entry) };
    /// # // SAFETY: a fresh context.
    /// # let parked = unsafe { SameThreadNoFloat::switch(fresh, null_mut()) }.from;
    /// // SAFETY: the context is suspended, and stays so.
    /// let backtrace = unsafe { parked.with_walk(Backtrace::force_capture) };
    /// println!("{backtrace}");
    /// ```
    ///
    /// # Panics
    ///
    /// It never does. A panic that leaves `look` aborts the process: it must not unwind into frames
    /// that did not call it.
    ///
    /// # Safety
    ///
    /// The context is suspended, and nobody resumes it before `look` returns. That is so for one
    /// that is owned; not for one that was left by
    /// [`CrossThread::switch_publishing`](crate::CrossThread::switch_publishing) and is known by
    /// name only.
    pub unsafe fn with_walk<T, F: FnOnce() -> T>(&self, look: F) -> T {
        /// What goes in, and what comes out.
        struct Call<T, F> {
            look: Option<F>,
            seen: Option<T>,
        }

        /// `extern "C"`: a panic ends here.
        ///
        /// # Safety
        ///
        /// `data` is the address of a `Call` of these types, borrowed by nobody else.
        unsafe extern "C" fn call<T, F: FnOnce() -> T>(data: *mut ()) {
            // SAFETY: the caller vouches for it.
            let call = unsafe { &mut *data.cast::<Call<T, F>>() };
            call.seen = call.look.take().map(|look| look());
        }

        let mut data = Call {
            look: Some(look),
            seen: None,
        };
        // SAFETY: complete [context.I1], and suspended until `look` returns (the caller). `call`
        // gets what it expects, and does not unwind.
        unsafe { linked::call_above(self, call::<T, F>, (&raw mut data).cast()) };
        data.seen.expect("called once")
    }

    /// Wraps the address of a complete frame.
    ///
    /// # Safety
    ///
    /// `[context.I1]` and `[context.I2]` hold for `frame`.
    #[inline]
    pub(crate) unsafe fn from_frame(frame: NonNull<arch::Frame>) -> Self {
        Self(frame)
    }

    /// Where the frame lies, for who looks at it.
    #[inline]
    #[allow(
        dead_code,
        reason = "nobody can look where walks do not go on: see `with_walk`"
    )]
    pub(crate) const fn frame(&self) -> NonNull<arch::Frame> {
        self.0
    }

    /// Gives up the ownership to the switch.
    #[inline]
    pub(crate) fn into_frame(self) -> NonNull<arch::Frame> {
        // Under a tool, dropping a context means something.
        tool::owned(ManuallyDrop::new(self).0)
    }

    /// What it points to, for the tool that counts drops.
    #[cfg(any(dtact_asan, dtact_tsan, dtact_valgrind))]
    pub(crate) fn pointer(&self) -> NonNull<arch::Frame> {
        self.0
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.0).finish()
    }
}

/// What runs first in a fresh context, on its stack.
///
/// It never returns: its last act is a switch to another context. A panic that unwinds out of it
/// aborts the process, as from every `extern "C"` function, and never crosses the assembly. Catch
/// it inside, and hand the payload over as the message.
pub type Entry = unsafe extern "C" fn(Transfer) -> !;

/// What a context finds when it is entered: who was left for it, and what that one said.
#[derive(Debug)]
#[must_use = "`from` is the only way back to the context that was left"]
#[repr(C)]
pub struct Transfer {
    /// The context that was left. It is complete and its stack is not in use: whoever holds this
    /// may resume it.
    ///
    /// The exception is a context left by
    /// [`CrossThread::switch_publishing`](crate::CrossThread::switch_publishing): its owner is who
    /// takes it from the slot. Then this names it only; it may be running elsewhere and must not be
    /// resumed.
    pub from: Context,
    /// The message, as it was given. What it means is between the two contexts.
    pub message: *mut (),
}
