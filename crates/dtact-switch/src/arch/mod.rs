//! The machine-dependent part: one file per architecture and ABI, all with the same items.
//!
//! | item                                             | is                                      |
//! |--------------------------------------------------|-----------------------------------------|
//! | `Frame`                                          | what both forms leave at a stack's end  |
//! | `STACK_ALIGN`                                    | what a stack's top is a multiple of     |
//! | `write_fresh_frame`                              | makes the frame of a fresh stack        |
//! | `switch_inline`, `switch_inline_publishing`      | the inline forms                        |
//! | `switch_naked_float`, `switch_naked_no_float`    | the naked forms                         |
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

pub(crate) use chosen::{
    Frame, STACK_ALIGN, switch_inline, switch_inline_publishing, switch_naked_float,
    switch_naked_no_float, write_fresh_frame,
};
