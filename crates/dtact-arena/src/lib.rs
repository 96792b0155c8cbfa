//! Pools of guarded stacks and of dense cells, recycled without locks.
//!
//! The arena maps memory once, hands out pieces of it by number, and takes them back. There are two
//! kinds of piece:
//!
//! - a [`Stack`], to run on: 16 KiB to 8 MiB, with a guard below it, from a [`StackPool`];
//! - a cell, to keep something in: 128 bytes to 8 KiB, aligned to a cache line, from a
//!   [`CellPool`], named by a [`CellIndex`].
//!
//! ```text
//!   worker          StackCache   CellCache       plain, one thread; hot pieces first
//!                        │           │
//!   any thread      StackPool    CellPool        lock-free depots
//!                        │           │
//!   kernel          one reservation per class    memory is committed when it is touched
//! ```
//!
//! # Limits
//!
//! Every pool has a capacity, and running out is an [`ArenaError`]. Address space is reserved for
//! the full capacity; memory is not. Memory that was touched stays committed until the pool is
//! dropped. A process that locks its future memory (`mlockall(MCL_FUTURE)`) commits each
//! reservation at once: build small pools there.
//!
//! # Platforms
//!
//! Linux. Guards are made by `MADV_GUARD_INSTALL` where the kernel has it (6.13), and then cost no
//! mapping; else by `mprotect`, two mappings each, within 45 % of `vm.max_map_count`.
//!
//! # What is unsafe here
//!
//! The pools hand out addresses, and never look at what is behind them. Using an address is the
//! `unsafe` of whoever does. What such code may lean on is written at [`Stack`] and [`CellPool`];
//! what the arena itself leans on are the invariants `[arena.I1]` to `[arena.I6]`, each stated at
//! the type that keeps it.
#![deny(unsafe_code)]

mod canary;
mod cell;
mod cell_builder;
mod cell_cache;
mod cell_pool;
mod depot;
mod error;
mod free_list;
mod guard;
mod layout;
mod permit;
mod pool_id;
mod region;
mod safety;
mod size_class;
mod stack;
mod stack_builder;
mod stack_cache;
mod stack_pool;
mod stack_slots;
mod sync;
mod sys;
mod table;
mod watermark;

#[cfg(all(test, dtact_loom))]
mod loom_tests;

pub use cell::{CellClass, CellIndex};
pub use cell_builder::CellPoolBuilder;
pub use cell_cache::CellCache;
pub use cell_pool::CellPool;
pub use error::{ArenaError, Errno};
pub use safety::{SafetyLevel, Unguarded};
pub use size_class::SizeClass;
pub use stack::Stack;
pub use stack_builder::StackPoolBuilder;
pub use stack_cache::StackCache;
pub use stack_pool::{StackMetrics, StackPool};

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
