//! A context switch: moves execution from one stack to another.
//!
//! This crate owns the machine-dependent core of a fiber and nothing else: it allocates nothing,
//! calls no operating system and knows no scheduler. Bring a stack, build a [`Context`] on it, and
//! enter it with one of four [`ContextSwitcher`]s.
//!
//! ```text
//!   resumer's stack            fiber's stack
//!   ───────────────            ─────────────
//!   S::switch(fiber, m1) ────► entry(Transfer { from: resumer, message: m1 })
//!                                │
//!   Transfer { from: fiber, ◄──  S::switch(resumer, m2)
//!              message: m2 }
//!   S::switch(fiber, m3) ────► Transfer { from: resumer, message: m3 }
//! ```
//!
//! # Which switcher
//!
//! | type                   | FP control state | the context left may go to another thread |
//! |------------------------|------------------|-------------------------------------------|
//! | [`CrossThreadFloat`]   | the context's    | yes, by [`CrossThread`]                   |
//! | [`CrossThreadNoFloat`] | the thread's     | yes, by [`CrossThread`]                   |
//! | [`SameThreadFloat`]    | the context's    | no                                        |
//! | [`SameThreadNoFloat`]  | the thread's     | no                                        |
//!
//! Each has two forms with one frame layout between them, so that what one form suspends the other
//! resumes: [`ContextSwitcher::switch`] is inlined into its caller, where the compiler spills only
//! the registers that are live; [`ContextSwitcher::SWITCH_NAKED`] is a C function behind a pointer.
//!
//! # Supported targets
//!
//! | architecture | ABI              | systems | inline | naked | backtrace                 |
//! |--------------|------------------|---------|--------|-------|---------------------------|
//! | x86-64       | System V, 64-bit | Linux   | yes    | yes   | ends at the fiber's root  |
//! | AArch64      | AAPCS64          | Linux   | yes    | yes   | ends at the fiber's root  |
//! | RISC-V 64    | LP64D            | Linux   | yes    | yes   | ends at the fiber's root  |
//!
//! Branch targets carry landing pads: `endbr64` on x86-64 (indirect branch tracking), `bti` on
//! AArch64. Shadow stacks (CET SHSTK, GCS, Zicfiss, and the compiler's own in x18 or gp) are not
//! supported: the switch exchanges the stack, and not the shadow.
#![no_std]
#![deny(unsafe_code)]

mod arch;
mod context;
mod switcher;

pub use context::{Context, Entry, Transfer};
pub use switcher::{
    ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat,
    SameThreadNoFloat,
};

/// Runs the example of the README as a test, where assembly can run.
#[cfg(all(doctest, not(miri)))]
#[doc = include_str!("../README.md")]
struct Readme;
