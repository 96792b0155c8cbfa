//! The one place that names atomics, locks and threads: the standard library's, or loom's
//! while the models of this crate run (`--cfg dtact_loom`).

#[cfg(dtact_loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread::yield_now,
};

#[cfg(not(dtact_loom))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{
            AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
            AtomicUsize, Ordering, fence,
        },
        mpsc,
    },
    thread::{
        Builder as Thread, JoinHandle as ThreadHandle, available_parallelism,
        current as current_thread, panicking, sleep, yield_now,
    },
};

/// Locks. A panic of another thread under the lock is no reason to stop: nothing under the locks of
/// this crate is left half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
