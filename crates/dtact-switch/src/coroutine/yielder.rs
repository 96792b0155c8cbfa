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
use std::boxed::Box;
use std::panic;

use super::elsewhere::run_by;
use super::word::{pack, unpack};
use crate::linked::{self, Link};
use crate::{ContextSwitcher, SameThreadNoFloat};

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
#[repr(C)]
pub struct Yielder<Input, Yield, W: ContextSwitcher = SameThreadNoFloat> {
    /// While the coroutine runs it leads to who resumed it [coroutine.I3].
    link: Link,
    state: Cell<State>,
    is_on_parent_stack: Cell<bool>,
    values: PhantomData<fn(Yield) -> Input>,
    switcher: PhantomData<fn() -> W>,
}

/// What the coroutine finds when it is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// An input.
    Running,
    /// It is to unwind, and what it suspended itself with was taken.
    Unwinding,
    /// It is to unwind again: it caught the payload, and suspended itself with what nobody wants.
    UnwindingAgain,
    /// Its body was dropped before it began.
    NeverBegun,
}

impl<Input, Yield, W: ContextSwitcher> Yielder<Input, Yield, W> {
    /// The yielder of a coroutine that does not run yet.
    #[inline]
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            state: Cell::new(State::Running),
            is_on_parent_stack: Cell::new(false),
            values: PhantomData,
            switcher: PhantomData,
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Has the coroutine unwind when it is resumed the next time, and whenever it suspends itself
    /// from then on.
    pub(super) fn begin_unwinding(&self) {
        self.state.set(State::Unwinding);
    }

    /// Whether the coroutine is to unwind.
    #[inline]
    pub(super) fn is_unwinding(&self) -> bool {
        self.state.get() != State::Running
    }

    /// Whether the body was dropped before it began.
    pub(super) fn was_never_begun(&self) -> bool {
        self.state.get() == State::NeverBegun
    }

    /// Notes that the body was dropped instead of run.
    pub(super) fn note_never_begun(&self) {
        self.state.set(State::NeverBegun);
    }

    /// Suspends the coroutine: its resumer gets `value`. Returns the input of the next
    /// [`resume`](crate::Coroutine::resume).
    ///
    /// If the coroutine is dropped instead, this does not return: it unwinds with a private
    /// payload, so that the destructors on the stack run. A body that catches the payload and
    /// suspends again is unwound again, at once. Where that happens in a destructor which runs
    /// because of the unwinding, the process is aborted, as by any panic there.
    ///
    /// Suspending in a destructor that runs because of a panic is sound but rarely meant. Until the
    /// coroutine is resumed and that panic is caught, `std::thread::panicking` is true for all
    /// others on the thread; and to drop the coroutine meanwhile aborts the process.
    #[inline]
    pub fn suspend(&self, value: Yield) -> Input {
        let value = ManuallyDrop::new(value);
        let word = if W::SAVES_FLOAT {
            // SAFETY: only the coroutine itself has the yielder, so it runs, and on its own stack:
            // a detour bars the way while it does not. The resumer waits in `Coroutine::resume` or
            // `force_unwind`, with the same switcher, on this thread, for neither type is `Send`.
            // The stack that is left belongs to the coroutine until it is finished [coroutine.I2].
            unsafe { linked::suspend::<true>(&self.link, pack(&value)) }
        } else {
            // SAFETY: as above.
            unsafe { linked::suspend::<false>(&self.link, pack(&value)) }
        };
        if self.is_unwinding() {
            self.unwind(value);
        }
        // SAFETY: packed by the resumer, which waits [coroutine.I4]; it is taken once.
        unsafe { unpack(word) }
    }

    /// Unwinds instead of returning from [`suspend`](Self::suspend).
    #[cold]
    fn unwind(&self, value: ManuallyDrop<Yield>) -> ! {
        if self.state.replace(State::UnwindingAgain) == State::UnwindingAgain {
            // A statement: it drops the value before unwinding.
            drop(ManuallyDrop::into_inner(value));
        }
        resume_unwind()
    }

    /// Runs `work` on the stack of whoever resumed the coroutine, and returns what it returns.
    ///
    /// For what needs more stack than the coroutine has. `work` may do anything but suspend this
    /// coroutine, whose resumer goes on on the same stack: to try that ends the process. Nested
    /// calls run where they are.
    ///
    /// ```
    /// use dtact_switch::{Coroutine, GuardedStack, Stackful, Yielder};
    ///
    /// // SAFETY: the body below opens no thread-local, and the coroutine is not kept in one.
    /// let stackful = unsafe { Stackful::acknowledge() };
    /// let stack = GuardedStack::new(16 * 1024)?;
    /// let mut sum = Coroutine::with_stack(stackful, stack, |yielder: &Yielder<(), ()>, ()| {
    ///     yielder.on_parent_stack(|| {
    ///         let numbers = [1_u64; 8 * 1024]; // more than the coroutine has
    ///         std::hint::black_box(&numbers).iter().sum::<u64>()
    ///     })
    /// });
    /// assert_eq!(sum.resume(()).into_return(), Some(8 * 1024));
    /// # Ok::<(), dtact_switch::StackError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// A panic of `work` is passed on to the caller.
    pub fn on_parent_stack<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.is_on_parent_stack.get() {
            return work();
        }
        self.is_on_parent_stack.set(true);
        let result = run_by(work, |callee, data| {
            if W::SAVES_FLOAT {
                // SAFETY: the coroutine runs [coroutine.I3], and is of the kind of `W`; `callee`
                // is called once, with its data.
                unsafe { linked::call_on_parent::<true>(&self.link, callee, data) };
            } else {
                // SAFETY: as above.
                unsafe { linked::call_on_parent::<false>(&self.link, callee, data) };
            }
        });
        self.is_on_parent_stack.set(false);
        result.unwrap_or_else(|payload| panic::resume_unwind(payload))
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
            .field("state", &self.state.get())
            .finish_non_exhaustive()
    }
}
