//! The gate through which threads that are no workers spawn, and which a shutdown closes.
//!
//! # The race
//!
//! A thread finds the runtime open and goes on to spawn; the shutdown looks for fibers, finds none,
//! and ends; the fiber is begun, and nobody is left to run it. So a spawner first counts itself
//! in, then looks whether the gate is open, and the shutdown first closes the gate, then waits
//! until nobody is counted. Each side passes a sequentially consistent fence between the two, so
//! that at least one of them sees what the other did.

use crate::sync::{AtomicBool, AtomicU32, Ordering, fence, yield_now};

/// Open until it is closed, for good.
#[derive(Debug)]
pub(crate) struct Gate {
    is_closed: AtomicBool,
    /// How many are inside.
    inside: AtomicU32,
}

/// Keeps whoever closes the gate waiting.
#[must_use]
#[derive(Debug)]
pub(crate) struct Inside<'gate>(&'gate Gate);

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            is_closed: AtomicBool::new(false),
            inside: AtomicU32::new(0),
        }
    }

    /// Whether it was closed: a hint, unless the caller is inside.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Goes inside, unless the gate is closed.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        self.inside.fetch_add(1, Ordering::Relaxed);
        let inside = Inside(self);
        // Pairs with the fence in `close`, see "The race".
        fence(Ordering::SeqCst);
        (!self.is_closed()).then_some(inside)
    }

    /// Closes the gate, and waits until nobody is inside. Those who are move a future into its cell
    /// and queue it: nothing that waits.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        // Pairs with the fence in `enter`, see "The race".
        fence(Ordering::SeqCst);
        // Acquire: pairs with the end of `Inside`, whose spawns are visible from here on.
        while self.inside.load(Ordering::Acquire) != 0 {
            yield_now();
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // Release: pairs with the load in `close`.
        self.0.inside.fetch_sub(1, Ordering::Release);
    }
}
