//! A context switch: moves execution from one stack to another.
//!
//! This crate owns the machine-dependent core of a fiber, and knows no scheduler. Bring a stack,
//! build a [`Context`] on it, and enter it with one of four [`ContextSwitcher`]s: this core
//! allocates nothing and calls no operating system.
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
//! # Coroutines
//!
//! With the feature `std`, on Unix, there is `Coroutine<Input, Yield, Return>` on top: a function
//! on a stack of its own that passes values both ways, hands its panics to the resumer, and unwinds
//! when it is dropped. To make one takes a promise, `Stackful`, and a `Stack`; `GuardedStack` is
//! one with a guard.
//!
//! # Features
//!
//! `std`, on by default: coroutines and their stacks, by the standard library and rustix. Without
//! it the crate is `no_std`, needs no `alloc`, and has no dependencies.
//!
//! # Tools
//!
//! AddressSanitizer, ThreadSanitizer and Valgrind can be told of stacks and switches. Build the
//! whole program with one of `--cfg dtact_asan`, `--cfg dtact_tsan` and `--cfg dtact_valgrind` in
//! `RUSTFLAGS`, beside what the tool itself needs; `cargo xtask asan`, `tsan` and `valgrind` show
//! how. Without them there is no trace of it in the code.
//!
//! Make contexts by [`Context::new_within`], so that the tool knows where the stack ends. Under a
//! tool a context that is dropped is given up: what the tool keeps for its stack is freed.
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

// For the coroutines, for what tools are told, and for threads in place of stacks: the core needs
// neither `std` nor an allocator.
#[cfg(any(
    feature = "std",
    dtact_asan,
    dtact_tsan,
    dtact_valgrind,
    miri,
    dtact_loom
))]
extern crate std;

// Where assembly cannot run, a thread stands in for each stack.
#[cfg_attr(any(miri, dtact_loom), path = "stand_in/mod.rs")]
mod arch;
mod context;
#[cfg(all(feature = "std", unix))]
mod coroutine;
mod switcher;
mod sync;
mod tool;

pub use context::{Context, Entry, Transfer};
#[cfg(all(feature = "std", unix))]
pub use coroutine::{
    Coroutine, CoroutineResult, GuardedStack, Stack, StackError, Stackful, Yielder,
};
pub use switcher::{
    ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat,
    SameThreadNoFloat,
};

/// Runs the examples of the README as tests, where assembly can run.
#[cfg(all(doctest, not(miri), feature = "std", unix))]
#[doc = include_str!("../README.md")]
struct Readme;
