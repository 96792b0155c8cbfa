//! Owns the choice of atomics, locks and thread calls: the only file that names them.
//!
//! Ordinarily these are `core`'s and `std`'s. Under `cfg(dtact_loom)` and `cfg(dtact_shuttle)` they
//! are the model checker's, so that the models in this crate run the very code that ships.

#[cfg(dtact_loom)]
use loom as base;
#[cfg(dtact_shuttle)]
use shuttle as base;
#[cfg(not(any(dtact_loom, dtact_shuttle)))]
use std as base;

pub use base::sync::atomic::AtomicU32;
pub(crate) use base::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

// Ownership, not synchronisation: the models share these as the shipped code does.
pub(crate) use std::sync::{Arc, OnceLock};

/// Lets the thread run that is between two steps which this one waits for.
pub(crate) use base::thread::yield_now;

/// How many threads the machine runs at a time, 1 if it does not say; the models must not ask.
pub(crate) fn machine_threads() -> usize {
    if cfg!(any(dtact_loom, dtact_shuttle)) {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, core::num::NonZero::get)
}

/// Counters for people: no protocol depends on them, and loom would only be slowed down. And the
/// compiler's fence, which costs nothing and is nothing where models run.
pub(crate) mod counter {
    #[cfg(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle))))]
    pub(crate) use core::sync::atomic::compiler_fence;
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
}

use base::sync as imp;
pub(crate) use imp::MutexGuard;

/// A mutex whose holder cannot panic half-way: poison says nothing here and is passed over.
#[derive(Debug)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A condition variable for [`Mutex`].
#[cfg(any(not(target_os = "linux"), miri, dtact_loom, dtact_shuttle))]
#[derive(Debug)]
pub(crate) struct Condvar(imp::Condvar);

#[cfg(any(not(target_os = "linux"), miri, dtact_loom, dtact_shuttle))]
impl Condvar {
    pub(crate) fn new() -> Self {
        Self(imp::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0
            .wait(guard)
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(not(any(dtact_loom, dtact_shuttle)))]
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: core::time::Duration,
    ) -> MutexGuard<'a, T> {
        self.0
            .wait_timeout(guard, timeout)
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .0
    }
}
