//! The state word of a timer: who may take its waker, and who frees it.
//!
//! Two sides have a timer: the owner of the wheel that it hangs in, and the handle, the `Sleep`
//! that armed it. They may be on different threads, since a `Sleep` moves with its fiber.
//!
//! ```text
//!                begin_fire            end_fire
//!   ARMED ───────────────▶ FIRING ───────────────▶ FIRED      the handle frees it
//!     │                      │
//!     │ cancel: Won          │ cancel: Left
//!     ▼                      ▼
//!   CANCELLED             ABANDONED               the owner frees it
//! ```
//!
//! # Invariants
//!
//! - [timer.I1] The waker of an ARMED timer is touched by nobody; of a FIRING one by the owner; of
//!   a CANCELLED one by the handle, until it has put the timer into the wheel's inbox.
//! - [timer.I2] A timer is freed once: FIRED by the handle; ABANDONED, or CANCELLED and come by the
//!   inbox, by the owner.
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `begin_fire`, `cancel` | AcqRel exchange | each other: one of them takes the waker |
//! | `end_fire` | release exchange | the acquire load in `look`: the owner is done with it |

use crate::sync::{AtomicU32, Ordering};

const ARMED: u32 = 0;
const FIRING: u32 = 1;
const FIRED: u32 = 2;
const CANCELLED: u32 = 3;
const ABANDONED: u32 = 4;

/// The word itself.
#[derive(Debug)]
pub(crate) struct Entry(AtomicU32);

/// What a handle finds.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Its time has not come.
    Armed,
    /// The owner is about to wake.
    Firing,
    /// It is over; the handle frees the timer.
    Fired,
}

/// What a cancellation leaves the handle to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// The waker is the handle's; it drops it, and sends the timer to the owner.
    Won,
    /// The timer is over; the handle frees it.
    Fired,
    /// The owner is at it, and frees it.
    Left,
}

impl Entry {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(FIRED))
    }

    /// Makes a free timer an armed one. For the handle, on the owner's thread.
    pub(crate) fn arm(&self) {
        // Relaxed: the handle goes to other threads by ways that order this.
        self.0.store(ARMED, Ordering::Relaxed);
    }

    /// For the handle.
    pub(crate) fn look(&self) -> Look {
        match self.0.load(Ordering::Acquire) {
            ARMED => Look::Armed,
            FIRED => Look::Fired,
            _ => Look::Firing,
        }
    }

    /// For the owner: whether it may take the waker. `false`: it was cancelled, and comes by the
    /// inbox.
    #[must_use]
    pub(crate) fn begin_fire(&self) -> bool {
        self.exchange(ARMED, FIRING)
    }

    /// For the owner, when it has taken the waker. `false`: the handle has gone, and the owner
    /// frees the timer.
    #[must_use]
    pub(crate) fn end_fire(&self) -> bool {
        self.exchange(FIRING, FIRED)
    }

    /// For the handle, which is not touched again.
    pub(crate) fn cancel(&self) -> Cancel {
        if self.exchange(ARMED, CANCELLED) {
            Cancel::Won
        } else if self.exchange(FIRING, ABANDONED) {
            Cancel::Left
        } else {
            Cancel::Fired
        }
    }

    fn exchange(&self, from: u32, to: u32) -> bool {
        let exchange = self
            .0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        exchange.is_ok()
    }
}
