//! The table of runtimes: how a name that outlived its runtime finds out.
//!
//! A waker carries the number of its runtime, not its address, and may be woken on any thread at
//! any time. The table turns the number into the runtime, and keeps it from being freed for as
//! long as the [`Pin`] lives.
//!
//! # The race
//!
//! A thread reads the runtime's address; the runtime is freed; the thread follows the address. So
//! a thread first counts itself in, then reads; and the end of a runtime first removes the
//! address, then waits until nobody is counted in. Both sides write one word and then read the
//! other's: without a sequentially consistent fence between the two, each could miss what the
//! other wrote.
//!
//! Workers do not count themselves in at their own runtime: it lives while they run.
//!
//! # Generations
//!
//! A number is used again when its runtime has gone. Fibers of the next one begin with
//! generations above all that the last one used, so that wakers of the last stay stale.

#![allow(
    unsafe_code,
    reason = "hands out references to runtimes it keeps alive"
)]

use core::ptr;

use crate::sync::{AtomicPtr, AtomicU32, Ordering, fence, yield_now};

/// How many runtimes can be alive at a time.
#[cfg(not(dtact_loom))]
pub(crate) const RUNTIMES_MAX: usize = 256;

/// One entry. `T` is the runtime; a parameter for the model's sake.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Slot<T> {
    runtime: AtomicPtr<T>,
    /// How many threads look at the runtime at this moment.
    pins: AtomicU32,
    /// The least generation that the next runtime here may use; 0 while the entry is in use.
    generation_min: AtomicU32,
}

/// Keeps a runtime from being freed.
#[derive(Debug)]
pub(crate) struct Pin<'slot, T> {
    slot: &'slot Slot<T>,
    runtime: &'slot T,
}

impl<T> Slot<T> {
    #[cfg(not(dtact_loom))]
    pub(crate) const fn new() -> Self {
        Self {
            runtime: AtomicPtr::new(ptr::null_mut()),
            pins: AtomicU32::new(0),
            generation_min: AtomicU32::new(1),
        }
    }

    #[cfg(dtact_loom)]
    pub(crate) fn new() -> Self {
        Self {
            runtime: AtomicPtr::new(ptr::null_mut()),
            pins: AtomicU32::new(0),
            generation_min: AtomicU32::new(1),
        }
    }

    /// Takes the entry for a new runtime, and returns the least generation it may use.
    pub(crate) fn claim(&self) -> Option<u32> {
        let generation = self.generation_min.load(Ordering::Relaxed);
        // An entry whose generations are half used up is retired: the rest is its runtime's.
        if generation == 0 || generation > u32::MAX / 2 {
            return None;
        }
        self.generation_min
            .compare_exchange(generation, 0, Ordering::Acquire, Ordering::Relaxed)
            .ok()
    }

    /// Makes the runtime known.
    pub(crate) fn publish(&self, runtime: *mut T) {
        self.runtime.store(runtime, Ordering::Release);
    }

    /// Counts the caller in, if there is a runtime.
    pub(crate) fn pin(&self) -> Option<Pin<'_, T>> {
        self.pins.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `withdraw`, see "The race".
        fence(Ordering::SeqCst);
        let runtime = self.runtime.load(Ordering::Acquire);
        if runtime.is_null() {
            self.unpin();
            return None;
        }
        // SAFETY: `withdraw` had not removed the address when it was read, so it waits for the
        // count made above before the runtime is freed.
        let runtime = unsafe { &*runtime };
        Some(Pin {
            slot: self,
            runtime,
        })
    }

    /// The runtime, for whoever keeps its memory by other means.
    ///
    /// # Safety
    ///
    /// - The caller has a handle of one of its fibers, and keeps it while the reference lives.
    #[cfg(not(dtact_loom))]
    pub(crate) unsafe fn kept(&self) -> &T {
        let runtime = self.runtime.load(Ordering::Acquire);
        debug_assert!(!runtime.is_null(), "a handle keeps its runtime");
        // SAFETY: as the caller promises: `withdraw` comes after the last handle.
        unsafe { &*runtime }
    }

    fn unpin(&self) {
        // Release: what was done to the runtime is over before it is freed.
        self.pins.fetch_sub(1, Ordering::Release);
    }

    /// Makes the runtime unknown, waits for those who look at it, and returns its address. The
    /// entry stays taken until `vacate`.
    pub(crate) fn withdraw(&self) -> *mut T {
        let runtime = self.runtime.swap(ptr::null_mut(), Ordering::AcqRel);
        // Pairs with the fence in `pin`, see "The race".
        fence(Ordering::SeqCst);
        // Acquire: pairs with `unpin`. Those counted in do a wake, or free a cell: nothing that
        // waits.
        while self.pins.load(Ordering::Acquire) != 0 {
            yield_now();
        }
        runtime
    }

    /// The least generation that the next runtime here may use; 0 while there is one, or its end
    /// goes on.
    #[cfg(not(dtact_loom))]
    pub(crate) fn generation_min(&self) -> u32 {
        self.generation_min.load(Ordering::Acquire)
    }

    /// Gives the entry to the next runtime.
    pub(crate) fn vacate(&self, generation_min: u32) {
        self.generation_min
            .store(generation_min.max(1), Ordering::Release);
    }
}

impl<T> core::ops::Deref for Pin<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.runtime
    }
}

impl<T> Drop for Pin<'_, T> {
    fn drop(&mut self) {
        self.slot.unpin();
    }
}

/// All runtimes of the process.
#[cfg(not(dtact_loom))]
pub(crate) static RUNTIMES: [Slot<crate::runtime::Shared>; RUNTIMES_MAX] =
    [const { Slot::new() }; RUNTIMES_MAX];
