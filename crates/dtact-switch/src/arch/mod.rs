//! The machine-dependent part: one file per architecture and ABI, all with the same items.
//!
//! | item                                             | is                                      |
//! |--------------------------------------------------|-----------------------------------------|
//! | `Frame`                                          | what every form leaves at a stack's end |
//! | `STACK_ALIGN`                                    | what a stack's top is a multiple of     |
//! | `write_fresh_frame`                              | makes the frame of a fresh stack        |
//! | `switch_inline`, `switch_inline_publishing`      | the inline forms                        |
//! | `switch_naked_float`, `switch_naked_no_float`    | the naked forms                         |
//! | `call_above`                                     | calls as if from a suspended context    |
//!
//! For coroutines, whose stack always goes back to whoever resumed it:
//!
//! | item                                             | is                                      |
//! |--------------------------------------------------|-----------------------------------------|
//! | `Link`                                           | the way from a stack to its resumer     |
//! | `write_linked_frame`, `linked_frame`             | makes the first frame, and finds it     |
//! | `resume_inline`, `suspend_inline`                | the switch to such a stack, and back    |
//! | `call_on`                                        | calls a function on another stack       |
//! | `Detour`                                         | bars the way back meanwhile             |
//!
//! # Invariants
//!
//! * `[frame.I1]` The frame is reserved before it is written, and read before it is taken off:
//!   nothing live lies below the stack pointer, where a signal handler may write, at any
//!   instruction.
//! * `[frame.I2]` The stack pointer is a multiple of `STACK_ALIGN` when the entry is called.
//! * `[frame.I3]` All that is saved is saved before the stack pointer moves, and nothing of the old
//!   stack is touched after; a publishing switch stores the context in between.
//! * `[frame.I4]` `asm!` blocks here lack the option `nostack`, so that the compiler keeps nothing
//!   in a red zone around them.
#![cfg_attr(
    not(all(feature = "std", unix)),
    allow(dead_code, reason = "links are for coroutines alone")
)]

// The one platform choice of this crate: everything else names `arch` and no target.
#[cfg(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    target_os = "linux"
))]
#[path = "x86_64_sysv.rs"]
mod chosen;

#[cfg(all(
    target_arch = "aarch64",
    target_pointer_width = "64",
    target_os = "linux"
))]
#[path = "aarch64_aapcs64.rs"]
mod chosen;

// All of the Linux targets that Rust has for it are LP64D.
#[cfg(all(target_arch = "riscv64", target_os = "linux"))]
#[path = "riscv64_lp64d.rs"]
mod chosen;

#[cfg(not(any(
    all(
        target_arch = "x86_64",
        target_pointer_width = "64",
        target_os = "linux"
    ),
    all(
        target_arch = "aarch64",
        target_pointer_width = "64",
        target_os = "linux"
    ),
    all(target_arch = "riscv64", target_os = "linux")
)))]
compile_error!(
    "dtact-switch supports Linux on x86-64 (System V), AArch64 (AAPCS64) and RISC-V 64 (LP64D); \
     docs/porting.md says what a port needs"
);

#[cfg(all(feature = "std", unix))]
pub(crate) use chosen::{
    Detour, Link, call_on, linked_frame, resume_inline, suspend_inline, write_linked_frame,
};
pub(crate) use chosen::{
    Frame, STACK_ALIGN, call_above, switch_inline, switch_inline_publishing, switch_naked_float,
    switch_naked_no_float, write_fresh_frame,
};

use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// What travels in a register between a linked stack and its resumer: a small value, or the address
/// of a large one.
pub(crate) type Word = MaybeUninit<*mut ()>;

/// What runs first on a linked stack. When it returns, the stack is left for good.
pub(crate) type LinkedEntry = unsafe extern "C" fn(NonNull<chosen::Link>, Word) -> Ended;

/// What [`call_above`] and `call_on` call.
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
/// use by [`call_on`].
pub(crate) extern "C" fn left_during_detour() -> ! {
    panic!("a coroutine was suspended by code that ran on the stack of its resumer")
}
