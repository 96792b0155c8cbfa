//! Every form of the switch as a function with a name, to read its machine code, and to assemble it
//! for targets that cannot be run.
//!
//! ```text
//! cargo build --release -p dtact-switch --example forms --target …
//! llvm-objdump -d target/…/release/examples/libforms.rlib
//! ```
#![allow(
    unsafe_code,
    missing_docs,
    unused,
    reason = "functions to look at, which nobody calls"
)]

use std::sync::atomic::AtomicPtr;

use dtact_switch::{
    Context, ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, Entry,
    SameThreadFloat, SameThreadNoFloat, StackBounds, Transfer,
};

macro_rules! forms {
    ($($switcher:ident: $inline:ident, $naked:ident;)*) => {$(
        /// # Safety
        ///
        /// Those of the switch.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $inline(to: Context, message: *mut ()) -> Transfer {
            // SAFETY: the caller's.
            unsafe { $switcher::switch(to, message) }
        }

        /// # Safety
        ///
        /// Those of the switch.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $naked(to: Context, message: *mut ()) -> Transfer {
            // SAFETY: the caller's.
            unsafe { ($switcher::SWITCH_NAKED)(to, message) }
        }
    )*};
}

macro_rules! publishing {
    ($($switcher:ident: $name:ident;)*) => {$(
        /// # Safety
        ///
        /// Those of the switch.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            to: Context,
            message: *mut (),
            slot: &AtomicPtr<()>,
        ) -> Transfer {
            // SAFETY: the caller's.
            unsafe { $switcher::switch_publishing(to, message, slot) }
        }
    )*};
}

forms! {
    SameThreadFloat: inline_float, naked_float;
    SameThreadNoFloat: inline_no_float, naked_no_float;
}

publishing! {
    CrossThreadFloat: publishing_float;
    CrossThreadNoFloat: publishing_no_float;
}

/// # Safety
///
/// Those of [`Context::new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fresh(stack: &StackBounds, entry: Entry) -> Context {
    // SAFETY: the caller's.
    unsafe { Context::new(*stack, entry) }
}

/// The forms of coroutines.
#[cfg(feature = "std")]
pub mod coroutines {
    use dtact_switch::{Coroutine, CoroutineResult, GuardedStack, SameThreadFloat, Yielder};

    #[inline(never)]
    pub fn resume_no_float(
        coroutine: &mut Coroutine<u64, u64, ()>,
        input: u64,
    ) -> CoroutineResult<u64, ()> {
        coroutine.resume(input)
    }

    #[inline(never)]
    pub fn resume_float(
        coroutine: &mut Coroutine<u64, u64, (), GuardedStack, SameThreadFloat>,
        input: u64,
    ) -> CoroutineResult<u64, ()> {
        coroutine.resume(input)
    }

    #[inline(never)]
    pub fn suspend_no_float(yielder: &Yielder<u64, u64>, value: u64) -> u64 {
        yielder.suspend(value)
    }

    #[inline(never)]
    pub fn suspend_float(yielder: &Yielder<u64, u64, SameThreadFloat>, value: u64) -> u64 {
        yielder.suspend(value)
    }
}
