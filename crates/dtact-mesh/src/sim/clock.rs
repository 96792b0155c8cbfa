//! Owns virtual time: what a mesh under simulation reads as its clock.
//!
//! A clock is a plain function, so the time is a thread's own: one thread plays one simulation at a
//! time.

use core::cell::Cell;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn set(now: u64) {
    NOW.set(now);
}

/// Nanoseconds since the simulation began.
pub(super) fn now() -> u64 {
    NOW.get()
}
