//! Stacks that always go back to whoever resumed them, as those of coroutines do: what a coroutine
//! needs to know of its stack, over the two ways to switch.
//!
//! | item             | is                                                             |
//! |------------------|----------------------------------------------------------------|
//! | `Link`           | the way from a stack to its resumer; lies at the stack's top   |
//! | `first_context`  | makes the first context of such a stack                        |
//! | `is_fresh`       | whether a context is that one                                  |
//! | `resume`         | the switch to such a stack                                     |
//! | `suspend`        | the switch back                                                |
//! | `call_on`        | calls a function on another stack                              |
//! | `call_on_parent` | calls one on the stack of the resumer                          |
//! | `call_above`     | calls one as if from a suspended context, if `CAN_WALK`        |
//!
//! | file           | is for                                                | backtraces        |
//! |----------------|-------------------------------------------------------|-------------------|
//! | `by_arch.rs`   | where the architecture has a switch of its own for it | go on             |
//! | `by_switch.rs` | everywhere else: Windows, under tools, Miri and loom  | end at the root   |
//!
//! By the general switch a round trip saves more than it has to, and unwind information cannot lead
//! to the resumer; but whatever that switch takes care of is taken care of: what Windows notes
//! about a thread's stack, and what a tool is told.
#![cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "links are for coroutines alone")
)]

#[cfg_attr(
    all(
        target_pointer_width = "64",
        any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv64"
        ),
        not(any(windows, miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind))
    ),
    path = "by_arch.rs"
)]
#[cfg_attr(
    not(all(
        target_pointer_width = "64",
        any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv64"
        ),
        not(any(windows, miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind))
    )),
    path = "by_switch.rs"
)]
mod chosen;

pub(crate) use chosen::{CAN_WALK, call_above};
#[cfg(feature = "std")]
pub(crate) use chosen::{Link, call_on, call_on_parent, first_context, is_fresh, resume, suspend};

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::arch::Frame;

/// What travels between a linked stack and its resumer: a small value, or the address of a large
/// one.
pub(crate) type Word = MaybeUninit<*mut ()>;

/// What runs first on a linked stack. When it returns, the stack is left for good.
pub(crate) type LinkedEntry<Link> = unsafe extern "C" fn(NonNull<Link>, Word) -> Ended;

/// What [`call_above`] and its like call. It does not unwind.
pub(crate) type Callee = unsafe extern "C" fn(*mut ());

/// How a linked stack ended.
#[repr(C)]
pub(crate) struct Ended {
    pub(crate) word: Word,
    /// One of the constants. It fills a register.
    pub(crate) how: usize,
}

impl Ended {
    /// By returning.
    pub(crate) const RETURNED: usize = 0;
    /// By a panic.
    pub(crate) const PANICKED: usize = 1;
    /// It never began.
    pub(crate) const DROPPED: usize = 2;
}

/// What whoever resumed a linked stack gets when it is left.
pub(crate) struct Resumed {
    /// The context left; none if it is left for good.
    pub(crate) left: Option<NonNull<Frame>>,
    pub(crate) word: Word,
    /// As in [`Ended`], if the stack is left for good; otherwise without meaning.
    pub(crate) how: usize,
}

/// Ends the process, and says why: where a linked stack was left while its resumer's stack was in
/// use by [`call_on_parent`].
pub(crate) extern "C" fn left_during_detour() -> ! {
    panic!("a coroutine was suspended by code that ran on the stack of its resumer")
}
