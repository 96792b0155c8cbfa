//! The atomics of the lock-free code: `core`'s, or the model checker's under `cfg(dtact_loom)`.

#[cfg(not(dtact_loom))]
pub(crate) use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(not(dtact_loom))]
pub(crate) use std::sync::Mutex;

#[cfg(dtact_loom)]
pub(crate) use loom::sync::Mutex;
#[cfg(dtact_loom)]
pub(crate) use loom::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// Atomics that are never part of a model: process-wide counters and figures for people.
pub(crate) mod counter {
    pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
}

/// Puts a value on cache lines of its own.
///
/// 128 bytes: x86-64 prefetches lines in pairs, so two neighbouring lines are shared as one.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);
