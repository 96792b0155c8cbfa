//! The body's way back to whoever resumed it.
#![allow(
    unsafe_code,
    reason = "switches stacks, and takes values from the other stack"
)]

use core::any::Any;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::boxed::Box;
use std::panic;

use super::root::Resumption;
use crate::{Context, ContextSwitcher, SameThreadNoFloat};

/// The payload by which a coroutine that is dropped unwinds its stack. It never leaves the crate,
/// except into the hands of a body that catches it.
struct ForcedUnwind;

/// Whether `payload` is that of a forced unwinding.
pub(super) fn is_forced_unwind(payload: &(dyn Any + Send)) -> bool {
    payload.is::<ForcedUnwind>()
}

/// What the body of a [`Coroutine`](crate::Coroutine) suspends itself with.
///
/// The body is handed a reference to it, and is the only one to have it.
pub struct Yielder<Input, Yield, W: ContextSwitcher = SameThreadNoFloat> {
    /// While the coroutine runs: who resumed it [coroutine.I3]. Otherwise without meaning.
    resumer: Cell<NonNull<()>>,
    /// Whether the coroutine was told to unwind. It is never suspended again.
    unwinding: Cell<bool>,
    values: PhantomData<fn(Yield) -> Input>,
    switcher: PhantomData<fn() -> W>,
}

impl<Input, Yield, W: ContextSwitcher> Yielder<Input, Yield, W> {
    /// A yielder of a coroutine that does not run yet.
    pub(super) fn new() -> Self {
        Self {
            resumer: Cell::new(NonNull::dangling()),
            unwinding: Cell::new(false),
            values: PhantomData,
            switcher: PhantomData,
        }
    }

    /// Notes who resumed the coroutine: from here on [coroutine.I3] holds.
    #[inline]
    pub(super) fn set_resumer(&self, resumer: Context) {
        self.resumer.set(resumer.into_raw());
    }

    /// Who resumed the coroutine.
    ///
    /// # Safety
    ///
    /// The coroutine runs, and the context returned is the one that it leaves for: it is taken once
    /// for each time that the coroutine was resumed.
    #[inline]
    pub(super) unsafe fn resumer(&self) -> Context {
        // SAFETY: from `into_raw` in `set_resumer` [coroutine.I3], and taken once (the caller).
        unsafe { Context::from_raw(self.resumer.get()) }
    }

    /// Suspends the coroutine: its resumer gets `value`. Returns the input of the next
    /// [`resume`](crate::Coroutine::resume).
    ///
    /// If the coroutine is dropped instead, this does not return: it unwinds with a private
    /// payload, so that the destructors on the stack run. A body that catches the payload and
    /// suspends again is unwound again, at once and without being left. Where that happens in a
    /// destructor which runs because of the unwinding, the process is aborted, as by any panic
    /// there.
    ///
    /// Suspending in a destructor that runs because of a panic is sound but rarely meant. Until the
    /// coroutine is resumed and that panic is caught, `std::thread::panicking` is true for all
    /// others on the thread; and to drop the coroutine meanwhile aborts the process.
    #[inline]
    pub fn suspend(&self, value: Yield) -> Input {
        if self.unwinding.get() {
            // A statement: it drops the value before unwinding.
            drop(value);
            resume_unwind();
        }
        let value = ManuallyDrop::new(value);
        // SAFETY: only the coroutine itself has the yielder, so it runs; it leaves for the context.
        let resumer = unsafe { self.resumer() };
        // SAFETY: the resumer waits in `Coroutine::resume` or `force_unwind`, which left it by `W`
        // on this thread, for neither type is `Send`. The stack that is left belongs to the
        // coroutine until it is finished [coroutine.I2].
        let transfer = unsafe { W::switch(resumer, (&raw const value).cast_mut().cast()) };
        self.set_resumer(transfer.from);
        let message = NonNull::new(transfer.message.cast::<Resumption<Input>>());
        let Some(resumption) = message else {
            self.unwinding.set(true);
            resume_unwind()
        };
        // SAFETY: the resumer waits with the resumption on its stack, and gives the input away
        // [coroutine.I4].
        unsafe { Resumption::take_input(resumption) }
    }
}

/// Begins or goes on with a forced unwinding. No panic hook runs, and nothing is printed.
#[cold]
fn resume_unwind() -> ! {
    panic::resume_unwind(Box::new(ForcedUnwind))
}

impl<Input, Yield, W: ContextSwitcher> fmt::Debug for Yielder<Input, Yield, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder")
            .field("unwinding", &self.unwinding.get())
            .finish_non_exhaustive()
    }
}
