//! A timer: what hangs in a wheel while somebody sleeps. Timers are made once and used again, so
//! that sleeping takes no memory once there are enough.
//!
//! # Who touches what
//!
//! | field | by |
//! | --- | --- |
//! | `entry`, `waker` | as `entry` says |
//! | `link` | whoever pushes it onto a stack, then whoever takes it off |
//! | `tick`, `next`, `previous`, `place` | the owner of the wheel |

#![allow(
    unsafe_code,
    reason = "shares what one side touches at a time, as the state word says"
)]

use core::{
    cell::{Cell, UnsafeCell},
    fmt,
    task::Waker,
};

use crate::{
    sync::AtomicPtr,
    time::{
        entry::Entry,
        stack::{Chain, Linked, Stack},
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) entry: Entry,
    waker: UnsafeCell<Option<Waker>>,
    link: AtomicPtr<Self>,
    /// When it is due, in the wheel's ticks.
    pub(crate) tick: Cell<u64>,
    pub(crate) next: Cell<Option<&'static Self>>,
    pub(crate) previous: Cell<Option<&'static Self>>,
    /// Which list it hangs in.
    pub(crate) place: Cell<u16>,
}

// SAFETY: each field is touched by one side at a time, see the table above; a `Waker` is `Send`.
unsafe impl Sync for Timer {}

impl Linked for Timer {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

/// Free timers that no thread has kept for itself.
static FREE: Stack<Timer> = Stack::new();

/// How many free timers a thread keeps for itself.
const KEPT_MAX: usize = 256;

impl Timer {
    fn new() -> Self {
        Self {
            entry: Entry::new(),
            waker: UnsafeCell::new(None),
            link: AtomicPtr::new(core::ptr::null_mut()),
            tick: Cell::new(0),
            next: Cell::new(None),
            previous: Cell::new(None),
            place: Cell::new(u16::MAX),
        }
    }

    /// # Safety
    ///
    /// - The waker is the caller's [timer.I1].
    pub(crate) unsafe fn set_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        // SAFETY: as the caller promises.
        unsafe { core::mem::replace(&mut *self.waker.get(), waker) }
    }

    /// Gives a timer that is over, and the caller's to free [timer.I2], to all threads.
    pub(crate) fn free(&'static self) {
        FREE.push(self);
    }
}

/// A thread's own free timers.
pub(crate) struct Kept {
    timers: Cell<Chain<Timer>>,
    count: Cell<usize>,
}

impl Kept {
    pub(crate) const fn new() -> Self {
        Self {
            timers: Cell::new(Chain::empty()),
            count: Cell::new(0),
        }
    }

    /// A free timer; a new one if there is none.
    pub(crate) fn take(&self) -> &'static Timer {
        let mut chain = self.timers.replace(Chain::empty());
        let mut first = chain.next();
        if first.is_none() && !FREE.is_empty() {
            chain = FREE.take_all();
            first = chain.next();
        }
        self.timers.set(chain);
        self.count.set(self.count.get().saturating_sub(1));
        first.unwrap_or_else(|| Box::leak(Box::new(Timer::new())))
    }

    /// Keeps a timer that is over, and the caller's to free [timer.I2].
    pub(crate) fn give_back(&self, timer: &'static Timer) {
        if self.count.get() >= KEPT_MAX {
            return timer.free();
        }
        let mut chain = self.timers.replace(Chain::empty());
        chain.push(timer);
        self.timers.set(chain);
        self.count.set(self.count.get() + 1);
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.timers.replace(Chain::empty()).for_each(Timer::free);
    }
}
