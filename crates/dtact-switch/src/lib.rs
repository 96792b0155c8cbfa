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
//! one with a guard. `Coroutine::scope` is for bodies that borrow; `on_stack` and
//! `Yielder::on_parent_stack` run what needs a larger stack elsewhere.
//!
//! # Features
//!
//! `std`, on by default: coroutines and their stacks, by the standard library and rustix. Without
//! it the crate is `no_std`, needs no `alloc`, and has no dependencies.
//!
//! # Supported targets
//!
//! | architecture | ABI              | systems | inline | naked | backtrace of a coroutine  |
//! |--------------|------------------|---------|--------|-------|---------------------------|
//! | x86-64       | System V, 64-bit | Linux   | yes    | yes   | goes on into its resumer  |
//! | AArch64      | AAPCS64          | Linux   | yes    | yes   | goes on into its resumer  |
//! | RISC-V 64    | LP64D            | Linux   | yes    | yes   | goes on into its resumer  |
//!
//! The backtrace of a bare context ends at its root: only those who switch know who goes back to
//! whom. That of a suspended one is to be had by [`Context::with_walk`]. A walk may begin at any
//! instruction of a switch, as that of a profiler's signal handler does.
//!
//! Branch targets carry landing pads: `endbr64` on x86-64 (indirect branch tracking), `bti` on
//! AArch64. Shadow stacks (CET SHSTK, GCS, Zicfiss, and the compiler's own in x18 or gp) are not
//! supported: the switch exchanges the stack, and not the shadow.
#![no_std]
#![deny(unsafe_code)]

// For the coroutines alone: the core needs neither `std` nor an allocator.
#[cfg(feature = "std")]
extern crate std;

mod arch;
mod context;
#[cfg(all(feature = "std", unix))]
mod coroutine;
mod switcher;

pub use context::{Context, Entry, Transfer};
#[cfg(all(feature = "std", unix))]
pub use coroutine::{
    Coroutine, CoroutineResult, GuardedStack, ScopedCoroutine, Stack, StackError, Stackful,
    Yielder, on_stack,
};
pub use switcher::{
    ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat,
    SameThreadNoFloat,
};

/// Runs the examples of the README as tests, where assembly can run.
#[cfg(all(doctest, not(miri), feature = "std", unix))]
#[doc = include_str!("../README.md")]
struct Readme;
