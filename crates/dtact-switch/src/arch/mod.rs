//! The machine-dependent part: one file per architecture and ABI, all with the same items.
//!
//! | item                                             | is                                      |
//! |--------------------------------------------------|-----------------------------------------|
//! | `Frame`                                          | what every form leaves at a stack's end |
//! | `STACK_ALIGN`                                    | what a stack's top is a multiple of     |
//! | `write_fresh_frame`                              | makes the frame of a fresh stack        |
//! | `switch_inline`, `switch_inline_publishing`      | the inline forms                        |
//! | `switch_naked_float`, `switch_naked_no_float`    | the naked forms                         |
//!
//! For coroutines, whose stack always goes back to whoever resumed it, but not on Windows, where
//! `linked/by_switch.rs` does without:
//!
//! | item                                             | is                                      |
//! |--------------------------------------------------|-----------------------------------------|
//! | `Link`                                           | the way from a stack to its resumer     |
//! | `write_linked_frame`, `linked_frame`             | makes the first frame, and finds it     |
//! | `resume_inline`, `suspend_inline`                | the switch to such a stack, and back    |
//! | `call_on`                                        | calls a function on another stack       |
//! | `Detour`                                         | bars the way back meanwhile             |
//! | `call_above`                                     | calls as if from a suspended context    |
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
#![allow(unsafe_code, reason = "passes on what the architectures ask")]
#![cfg_attr(
    any(not(feature = "std"), dtact_asan, dtact_tsan, dtact_valgrind),
    allow(
        dead_code,
        unused_imports,
        reason = "links are for coroutines alone, and not under tools"
    )
)]

/// The directive that begins a part of the code out of line. Its end is `.popsection`.
#[cfg(not(any(target_os = "macos", windows)))]
macro_rules! out_of_line {
    () => {
        ".pushsection .text.dtact_switch, \"ax\", %progbits"
    };
}
/// The same for Mach-O.
#[cfg(target_os = "macos")]
macro_rules! out_of_line {
    () => {
        ".pushsection __TEXT,__dtact_switch,regular,pure_instructions"
    };
}

// The one platform choice of this crate: everything else names `arch` and no target.
#[cfg_attr(
    all(
        target_arch = "x86_64",
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "macos", target_os = "freebsd")
    ),
    path = "x86_64_sysv.rs"
)]
#[cfg_attr(
    all(target_arch = "x86_64", target_os = "windows"),
    path = "x86_64_windows.rs"
)]
#[cfg_attr(
    all(
        target_arch = "aarch64",
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "macos")
    ),
    path = "aarch64_aapcs64.rs"
)]
#[cfg_attr(
    all(target_arch = "aarch64", target_os = "windows"),
    path = "aarch64_windows.rs"
)]
// All of the Linux targets that Rust has for it are LP64D.
#[cfg_attr(
    all(target_arch = "riscv64", target_os = "linux"),
    path = "riscv64_lp64d.rs"
)]
mod chosen; // Where none applies, `chosen.rs` refuses to compile.

#[cfg(target_os = "windows")]
mod windows_teb;

use core::ptr::NonNull;

use crate::{Entry, StackBounds};

#[cfg(not(windows))]
pub(crate) use chosen::{
    Detour, Link, call_above, call_on, linked_frame, resume_inline, suspend_inline,
    write_linked_frame,
};
pub(crate) use chosen::{
    Frame, STACK_ALIGN, switch_inline, switch_inline_publishing, switch_naked_float,
    switch_naked_no_float,
};

/// Writes the frame of a fresh stack; returns where it lies.
///
/// # Safety
///
/// The top of `stack` is aligned to [`STACK_ALIGN`] and one past a block, with room for what is
/// written, that may be written through it; the bounds are those of the stack.
#[inline]
pub(crate) unsafe fn write_fresh_frame(stack: &StackBounds, entry: Entry) -> NonNull<Frame> {
    // Windows alone notes where a stack lies; elsewhere the top is all.
    #[cfg(not(target_os = "windows"))]
    let stack = stack.top();
    // SAFETY: the caller's.
    unsafe { chosen::write_fresh_frame(stack, entry) }
}
