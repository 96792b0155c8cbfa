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
//! With the feature `std` there is `Coroutine<Input, Yield, Return>` on top: a function
//! on a stack of its own that passes values both ways, hands its panics to the resumer, and unwinds
//! when it is dropped. To make one takes a promise, `Stackful`, and a `Stack`; `GuardedStack` is
//! one with a guard. `Coroutine::scope` is for bodies that borrow; `on_stack` and
//! `Yielder::on_parent_stack` run what needs a larger stack elsewhere.
//!
//! # Features
//!
//! `std`, on by default: coroutines and their stacks, by the standard library and rustix or
//! windows-sys. Without it the crate is `no_std`, needs no `alloc`, and depends on bitflags alone.
//!
//! # Tools
//!
//! AddressSanitizer, ThreadSanitizer and Valgrind can be told of stacks and switches. Build the
//! whole program with one of `--cfg dtact_asan`, `--cfg dtact_tsan` and `--cfg dtact_valgrind` in
//! `RUSTFLAGS`, beside what the tool itself needs; `cargo xtask asan`, `tsan` and `valgrind` show
//! how. Without them there is no trace of it in the code.
//!
//! The tool is told of the [`StackBounds`] of a context. Under a tool a context that is dropped is
//! given up, what the tool keeps for its stack is freed, and backtraces end at the root.
//!
//! # Supported targets
//!
//! | architecture | ABI              | systems         | tested                   | backtrace |
//! |--------------|------------------|-----------------|--------------------------|-----------|
//! | x86-64       | System V, 64-bit | Linux           | yes                      | goes on   |
//! | x86-64       | System V, 64-bit | macOS, FreeBSD  | no: linted and assembled | goes on   |
//! | x86-64       | Windows x64      | Windows (gnu)   | yes, under Wine          | ends      |
//! | x86-64       | Windows x64      | Windows (msvc)  | no: linted and assembled | ends      |
//! | AArch64      | AAPCS64          | Linux           | yes, under qemu          | goes on   |
//! | AArch64      | AAPCS64, Apple's | macOS           | no: linted and assembled | goes on   |
//! | AArch64      | Windows ARM64    | Windows         | no: linted and assembled | ends      |
//! | RISC-V 64    | LP64D            | Linux           | yes, under qemu          | goes on   |
//!
//! All have both forms. The backtrace of a coroutine goes on into its resumer, or ends at its root;
//! what goes on where nothing is tested does so by design. The backtrace of a bare context ends at
//! its root: only those who switch know who goes back to whom. That of a suspended one is to be had
//! by [`Context::with_walk`], where backtraces go on. There a walk may begin at any instruction of
//! a switch, as that of a profiler's signal handler does. For other targets the crate does not
//! compile, and says so by one error.
//!
//! Branch targets carry landing pads: `endbr64` on x86-64 (indirect branch tracking), `bti` on
//! AArch64. Shadow stacks (CET SHSTK, GCS, Zicfiss, and the compiler's own in x18 or gp) are not
//! supported: the switch exchanges the stack, and not the shadow.
//! [`CpuFeatures::check_supported`] finds those of the hardware.
//!
//! # Windows
//!
//! Windows notes in a block of each thread where its stack lies, and believes it: when an exception
//! is raised, when a large frame is entered, when a stack overflows. So a context carries these
//! notes ([`StackBounds`]), and a switch exchanges them. What is left to the user:
//!
//! * A thread does not end while it runs in a context: the system would free the stack that it
//!   finds noted. Switch back first.
//! * A context is no fiber of the system. `GetFiberData` is the context's own word, null at first;
//!   `SwitchToFiber` must not be called in a context, nor `ConvertThreadToFiber`. Fiber-local
//!   storage is the thread's.
#![no_std]
#![deny(unsafe_code)]

// For the coroutines, for the tests, for what tools are told, and for threads in place of stacks:
// the core needs neither `std` nor an allocator.
#[cfg(any(
    feature = "std",
    test,
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
#[cfg(feature = "std")]
mod coroutine;
mod cpu_features;
#[cfg(feature = "hw-acceleration")]
pub mod hw;
mod linked;
mod stack_bounds;
mod switcher;
mod sync;
mod tool;

pub use context::{Context, Entry, Transfer};
#[cfg(feature = "std")]
pub use coroutine::{
    Coroutine, CoroutineResult, GuardedStack, ScopedCoroutine, Stack, StackError, Stackful,
    Yielder, on_stack,
};
pub use cpu_features::{CpuFeatures, Unsupported};
pub use stack_bounds::StackBounds;
pub use switcher::{
    ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat,
    SameThreadNoFloat,
};

/// Runs the examples of the README as tests, where assembly can run.
#[cfg(all(doctest, not(miri), feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
