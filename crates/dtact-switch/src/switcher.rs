//! The four switchers: which state travels with a context, and whether it may change threads.
//!
//! The thread variants do not differ in the registers they save. They differ in publication:
//! another thread must not resume a context before its frame is complete and its stack left.
//!
//! * Within a thread the receiver publishes. It gets the context as [`Transfer::from`], which
//!   exists only after the switch is over.
//! * [`CrossThread::switch_publishing`] publishes inside the switch, after the stack pointer has
//!   moved.
//!
//! # Ordering
//!
//! | store                                      | pairs with                                |
//! |--------------------------------------------|-------------------------------------------|
//! | slot, release: the switch, off the stack   | slot, acquire: who resumes from the slot  |
//!
//! The pair makes the frame, and all that the context wrote before it left, visible to the resumer.
#![allow(
    unsafe_code,
    reason = "leaving a stack for another is beyond what the compiler can check"
)]

use crate::sync::{self, AtomicPtr};
use crate::tool;
use crate::{Context, Transfer};

mod sealed {
    /// Closes the traits of this module: a switcher is chosen, not written, outside this crate.
    #[expect(
        unnameable_types,
        reason = "that nobody outside can name it is what seals"
    )]
    pub trait Sealed {}
}

/// A way to leave the running context for another one.
///
/// Sealed: the four types of this crate are all there are. Contexts left by a switcher that [saves
/// float state](Self::SAVES_FLOAT) must be resumed by one that does, and the other way round; fresh
/// contexts may be entered by any.
pub trait ContextSwitcher: sealed::Sealed + 'static {
    /// Whether the FP control state belongs to the context: it is saved when the context is left
    /// and restored when it is resumed. Otherwise it belongs to the thread, and a change made in
    /// one context is seen by the next.
    ///
    /// It is MXCSR and the x87 control word on x86-64, FPCR on AArch64, and fcsr on RISC-V: the
    /// status flags in MXCSR and fcsr come along, those in FPSR do not.
    const SAVES_FLOAT: bool;

    /// Whether a context left may be resumed by another thread, and the type is a [`CrossThread`].
    const CROSS_THREAD: bool;

    /// The same switch as a C function, to be called through a pointer.
    ///
    /// What one form suspends, the other resumes. The contract is that of [`switch`](Self::switch).
    /// It saves every callee-saved register, where the inline form spills only those the caller
    /// uses.
    const SWITCH_NAKED: unsafe extern "C" fn(to: Context, message: *mut ()) -> Transfer;

    /// Leaves the running context and enters `to`, handing it `message`.
    ///
    /// Returns when somebody resumes the context left, with the context *that* one left and its
    /// message. If nobody does, it never returns, and no destructor on this stack runs.
    ///
    /// # Safety
    ///
    /// * `to` is fresh, or was left by a switcher of the same [`SAVES_FLOAT`](Self::SAVES_FLOAT),
    ///   and its stack is still valid.
    /// * The stack that runs now stays valid, and unused by others, until the context left is
    ///   resumed or given up for good.
    /// * Where [`CROSS_THREAD`](Self::CROSS_THREAD) is false, or `to` was not left by a
    ///   cross-thread switcher, `to` runs on the thread that left it (a fresh context: on any
    ///   thread that `entry` allows).
    /// * Where the context left may be resumed by another thread, nothing that is bound to a thread
    ///   lives across the call: no reference to a thread-local, no lock guard, nothing else that is
    ///   not `Send`. The compiler may keep the *address* of a thread-local over the call too: reach
    ///   thread-locals through functions that are never inlined.
    /// * A context that is given up for good keeps its stack for as long as anything relies on a
    ///   destructor that lies there: pinned values, scoped borrows.
    unsafe fn switch(to: Context, message: *mut ()) -> Transfer;
}

/// A switcher whose contexts may be left on one thread and resumed on another.
pub trait CrossThread: ContextSwitcher {
    /// Leaves the running context and enters `to`, as [`ContextSwitcher::switch`] does, and stores
    /// the context left into `slot` as soon as its frame is complete and its stack no longer in
    /// use.
    ///
    /// From that store on (release) another thread may take the pointer out of `slot` (acquire),
    /// make a [`Context`] of it and resume it, while this thread is still on its way into `to`.
    /// Nothing of the context left, `slot` included, is touched after the store.
    ///
    /// `to` still finds the context left in [`Transfer::from`], but only by name: its owner is who
    /// takes it from the slot.
    ///
    /// # Safety
    ///
    /// All that [`ContextSwitcher::switch`] asks, and:
    ///
    /// * Whoever `to` turns into does not resume the [`Transfer::from`] of this switch.
    /// * The pointer stored is turned into a [`Context`] at most once.
    unsafe fn switch_publishing(to: Context, message: *mut (), slot: &AtomicPtr<()>) -> Transfer;
}

macro_rules! switcher {
    (
        $(#[$doc:meta])*
        $name:ident: float $float:literal, cross thread $cross:literal, $naked:path
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl ContextSwitcher for $name {
            const SAVES_FLOAT: bool = $float;
            const CROSS_THREAD: bool = $cross;
            const SWITCH_NAKED: unsafe extern "C" fn(Context, *mut ()) -> Transfer = $naked;

            #[inline(always)]
            unsafe fn switch(to: Context, message: *mut ()) -> Transfer {
                // SAFETY: the caller keeps the contract of the trait; `$float` names the kind of
                // `to`.
                unsafe { tool::switch_inline::<$float>(to, message) }
            }
        }
    };
}

macro_rules! cross_thread {
    ($name:ident: float $float:literal) => {
        impl CrossThread for $name {
            #[inline(always)]
            unsafe fn switch_publishing(
                to: Context,
                message: *mut (),
                slot: &AtomicPtr<()>,
            ) -> Transfer {
                // SAFETY: the caller keeps the contract of the trait; a reference to an atomic is
                // valid for the store, and `$float` names the kind of `to`.
                unsafe {
                    tool::switch_inline_publishing::<$float>(to, message, sync::address(slot))
                }
            }
        }
    };
}

switcher! {
    /// Contexts move between threads, each with its own FP control state.
    CrossThreadFloat: float true, cross thread true, tool::switch_naked_float
}
switcher! {
    /// Contexts move between threads and use the FP control state of the thread they run on.
    CrossThreadNoFloat: float false, cross thread true, tool::switch_naked_no_float
}
switcher! {
    /// Contexts stay on their thread, each with its own FP control state.
    SameThreadFloat: float true, cross thread false, tool::switch_naked_float
}
switcher! {
    /// Contexts stay on their thread and share its FP control state.
    SameThreadNoFloat: float false, cross thread false, tool::switch_naked_no_float
}
cross_thread!(CrossThreadFloat: float true);
cross_thread!(CrossThreadNoFloat: float false);
