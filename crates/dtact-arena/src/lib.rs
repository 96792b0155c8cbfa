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
//! # Memory that goes back
//!
//! Memory of an idle stack stays with it, so that the next user finds it warm, until demand has
//! fallen: [`StackPool::decay`], called now and then by whoever has nothing better to do, gives it
//! back to the system. Memory of cells stays.
//!
//! # What is caught
//!
//! A stack is a value that cannot be copied, so safe code gives it back once, and a pool knows its
//! own. A [`CellIndex`] is a number. What can go wrong all the same:
//!
//! | mistake | found |
//! | --- | --- |
//! | a stack or a cell of another pool is given back | always for stacks; for cells where the index is beyond the capacity |
//! | unsafe code gives one stack back twice | where the second time reaches the pool, also when the slot has been taken again |
//! | a cell is given back twice | where the second time reaches the depot while the cell is free there |
//! | either, into a cache that has it | in builds with debug assertions |
//!
//! Each is a panic that says which slot it was. Two threads that give one slot back at the very
//! same time may go unnoticed, but for stacks of [`SafetyLevel::Safety2`].
//!
//! # Limits
//!
//! Every pool has a capacity, and running out is an [`ArenaError`]. Address space is reserved for
//! the full capacity; memory is not. A process that locks its future memory
//! (`mlockall(MCL_FUTURE)`) commits each reservation at once, and gets none back before its pool is
//! dropped: build small pools there.
//!
//! # Platforms
//!
//! Linux: guards are made by `MADV_GUARD_INSTALL` where the kernel has it (6.13), and then cost no
//! mapping; else by `mprotect`, two mappings each, within 45 % of `vm.max_map_count`. Many in one
//! call by `process_madvise` where it takes the calling process (6.14).
//!
//! Windows, macOS and FreeBSD: guards are made by protection; huge pages and NUMA nodes on request
//! are errors. Windows counts memory when it is committed: a stack when it is first taken, cells
//! with their pool.
//!
//! What happens when a stack overflows, and what is said then, is at [`overflow`].
//!
//! # Features
//!
//! `switch`, off by default: [`PooledStack`] is a stack of dtact-switch.
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
pub mod overflow;
mod permit;
mod pool_id;
mod pooled_stack;
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
pub use pooled_stack::PooledStack;
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
