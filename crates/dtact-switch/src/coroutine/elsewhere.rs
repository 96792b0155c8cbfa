//! Running a function to its end on another stack.
#![allow(unsafe_code, reason = "runs code on another stack")]

use core::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use super::root::Payload;
use super::stack::Stack;
use crate::linked::{self, Callee};

/// Runs `work` on `stack`, and returns what it returns.
///
/// For what needs more stack than there is. Nothing is suspended: it is a call, and a walk along
/// the stack goes on into the caller.
///
/// ```
/// use dtact_switch::{GuardedStack, on_stack};
///
/// fn depth(levels: u64) -> u64 {
///     if levels == 0 { 0 } else { 1 + std::hint::black_box(depth(levels - 1)) }
/// }
///
/// let mut stack = GuardedStack::new(64 * 1024 * 1024)?;
/// assert_eq!(on_stack(&mut stack, || depth(100_000)), 100_000);
/// # Ok::<(), dtact_switch::StackError>(())
/// ```
///
/// # Panics
///
/// A panic of `work` is passed on to the caller.
pub fn on_stack<T>(stack: impl Stack, work: impl FnOnce() -> T) -> T {
    let bounds = stack.bounds();
    let result = run_by(work, |callee, data| {
        // SAFETY: by the contract of `Stack` it may be used as one, from its top down to its guard.
        // Nothing else uses it: the value is owned or borrowed alone, and kept until the end.
        unsafe { linked::call_on(&bounds, callee, data) };
    });
    drop(stack);
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// What goes over, and what comes back in its place.
#[repr(C)]
union Cargo<F, T> {
    work: ManuallyDrop<F>,
    result: ManuallyDrop<thread::Result<T>>,
}

/// Runs `work` to its end, as what `call` calls: once, with the data that it is handed.
///
/// # Errors
///
/// The payload, if it panics.
pub(super) fn run_by<T, F: FnOnce() -> T>(
    work: F,
    call: impl FnOnce(Callee, *mut ()),
) -> Result<T, Payload> {
    let mut cargo = Cargo {
        work: ManuallyDrop::new(work),
    };
    call(do_work::<T, F>, (&raw mut cargo).cast());
    // SAFETY: `do_work` has put it there.
    let result = unsafe { cargo.result };
    ManuallyDrop::into_inner(result)
}

/// Takes the work, does it, and leaves the result.
///
/// # Safety
///
/// `data` is the address of a [`Cargo`] of these types that holds the work.
unsafe extern "C" fn do_work<T, F: FnOnce() -> T>(data: *mut ()) {
    // SAFETY: the work is there (the caller), and taken once.
    let work = unsafe { data.cast::<F>().read() };
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    // SAFETY: the place is free now, and large enough for both.
    unsafe { data.cast::<thread::Result<T>>().write(result) };
}
