//! The timers of one thread: its wheel, and those that it has taken over from blocked threads.

use core::{
    cell::{Cell, RefCell},
    task::Waker,
};
use std::time::Instant;

use crate::{
    time::{
        clock,
        timer::{Kept, Timer},
        wheel::{Owned, Wheel},
    },
    waker,
};

/// See the module. Used by its thread alone.
#[derive(Debug)]
pub(crate) struct Timers {
    kept: Kept,
    /// The first is the thread's own, if there is any.
    wheels: RefCell<Vec<Owned>>,
    /// Whether a wheel may hold something: one load, for every dispatch.
    is_armed: Cell<bool>,
    /// How many more looks pass before the time is read.
    until_look: Cell<u32>,
}

/// A tick is 2^10 ns: about a microsecond, well below what a sleep in the kernel can tell apart.
/// Ticks are rounded up when a timer is armed, and down when the time is read: none fires early.
const TICK_SHIFT: u32 = 10;

/// Each so many dispatches of a busy worker that has timers, it reads the time.
const LOOK_EVERY: u32 = 8;

impl Timers {
    pub(crate) const fn new() -> Self {
        Self {
            kept: Kept::new(),
            wheels: RefCell::new(Vec::new()),
            is_armed: Cell::new(false),
            until_look: Cell::new(0),
        }
    }

    /// Whether there is anything to look for.
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.get()
    }

    /// Arms a timer.
    pub(crate) fn arm(&self, nanos: u64, waker: Waker) -> (&'static Timer, &'static Wheel) {
        let mut wheels = self.wheels.borrow_mut();
        if wheels.is_empty() {
            wheels.push(Owned::new());
        }
        self.is_armed.set(true);
        let wheel = &wheels[0];
        let tick = nanos.div_ceil(1 << TICK_SHIFT);
        (wheel.arm(&self.kept, tick, waker), wheel.wheel())
    }

    /// Cancels a timer of this wheel, if that is one of these. `false`: it is somebody else's.
    pub(crate) fn cancel(&self, timer: &'static Timer, wheel: &'static Wheel) -> bool {
        let wheels = self.wheels.borrow();
        let Some(owned) = wheels.iter().find(|owned| owned.is(wheel)) else {
            return false;
        };
        let waker = owned.cancel(&self.kept, timer);
        drop(wheels);
        drop(waker);
        true
    }

    /// Frees a timer that has fired, for its handle.
    pub(crate) fn free(&self, timer: &'static Timer) {
        self.kept.give_back(timer);
    }

    /// Whether the next [`look`](Self::look) reads the time: where not, this counts as one.
    pub(crate) fn is_look_due(&self) -> bool {
        let left = self.until_look.get().checked_sub(1);
        if let Some(count) = left {
            self.until_look.set(count);
        }
        left.is_none()
    }

    /// Wakes what is due, now and then: for every dispatch of a worker that has timers.
    #[cold]
    pub(crate) fn look(&self) {
        match self.until_look.get().checked_sub(1) {
            Some(count) => self.until_look.set(count),
            None => {
                self.until_look.set(LOOK_EVERY - 1);
                self.wake_due();
            }
        }
    }

    /// Wakes what is due. Wakers run with nothing borrowed: they may arm and cancel.
    #[cold]
    pub(crate) fn wake_due(&self) {
        let now = clock::now() >> TICK_SHIFT;
        let mut is_armed = false;
        let mut at = 0;
        loop {
            let wheels = self.wheels.borrow();
            let Some(wheel) = wheels.get(at) else { break };
            let waker = wheel.pop_due(&self.kept, now);
            let is_empty = wheel.is_empty();
            drop(wheels);
            match waker {
                Some(waker) => waker::wake_foreign(waker),
                None if is_empty && at > 0 => self.wheels.borrow_mut().swap_remove(at).put_back(),
                None => {
                    is_armed |= !is_empty;
                    at += 1;
                }
            }
        }
        // A waker may have armed one in a wheel that was looked at before.
        let again = self.wheels.borrow().iter().any(|wheel| !wheel.is_empty());
        self.is_armed.set(is_armed | again);
    }

    /// When the next is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if !self.is_armed() {
            return None;
        }
        let wheels = self.wheels.borrow();
        let due = wheels.iter().filter_map(|wheel| wheel.next_due(&self.kept));
        due.min().map(|tick| clock::instant(tick << TICK_SHIFT))
    }

    /// Gives all wheels that hold something away.
    pub(crate) fn take_armed(&self) -> Vec<Owned> {
        self.is_armed.set(false);
        let mut wheels = self.wheels.borrow_mut();
        let (empty, armed) = wheels.drain(..).partition(Owned::is_empty);
        *wheels = empty;
        drop(wheels);
        armed
    }

    /// Takes wheels over.
    pub(crate) fn adopt(&self, adopted: Vec<Owned>) {
        let mut wheels = self.wheels.borrow_mut();
        wheels.extend(adopted);
        self.is_armed.set(true);
    }

    /// Wakes all that is left, due or not, and gives the wheels back: whoever sleeps arms again
    /// elsewhere. For the end of a thread, or of a loop that served them.
    pub(crate) fn end(&self) {
        loop {
            let taken = self.wheels.borrow_mut().pop();
            let Some(wheel) = taken else { break };
            lose(&self.kept, wheel);
        }
        self.is_armed.set(false);
    }
}

/// Wakes all that is in a wheel, and gives it back.
fn lose(kept: &Kept, wheel: Owned) {
    while let Some(waker) = wheel.pop_any(kept) {
        waker::wake_foreign(waker);
    }
    wheel.put_back();
}

/// As [`Timers::end`], for wheels that nobody has taken over.
pub(crate) fn lose_all(wheels: Vec<Owned>) {
    let kept = Kept::new();
    for wheel in wheels {
        lose(&kept, wheel);
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.end();
    }
}
