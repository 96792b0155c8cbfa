//! A wheel of timers: eleven rings of 64 lists, each ring 64 times as coarse as the one below.
//!
//! ```text
//!   ring 10  one list is 2^60 ticks ── …
//!   …
//!   ring 1   one list is 64 ticks    ── ▢ ▣ ▢ ▢ ▣ … 64    ▣: a bit says that it holds something
//!   ring 0   one list is one tick    ── ▢ ▢ ▣ ▢ ▢ … 64
//! ```
//!
//! A timer hangs in the ring of the highest digit (of base 64) in which its tick differs from the
//! tick that has been reached, in the list of that digit. So whatever hangs in a ring is due before
//! all that hangs in the rings above, and the first list of the lowest ring that holds anything has
//! the next that is due. When the time reaches a list of a higher ring, its timers move down. To
//! arm, to cancel and to find the next take a few steps, however many there are.
//!
//! What a tick is, the owner says. Each list knows the earliest tick
//! that was ever in it, so that the owner sleeps until that and not until a list has to move down.
//!
//! # Owners
//!
//! A wheel lives for ever and has one owner at a time, the [`Owned`]. Others only push timers which
//! they have cancelled into its inbox; the owner takes them out of their lists.
//!
//! # Invariants
//!
//! - [wheel.I1] All but `inbox` is touched through the one [`Owned`] of the wheel.
//! - [wheel.I2] `count` counts the timers in the lists, and those that have been cancelled
//!   and have not come by the inbox. A wheel with none is in nobody's hands but the owner's.

#![allow(unsafe_code, reason = "shares a wheel that has one owner at a time")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "digits, rings and places are small"
)]

use core::{cell::Cell, fmt, marker::PhantomData, task::Waker};

use crate::{
    sync::{Mutex, lock},
    time::{
        entry::Cancel,
        stack::Stack,
        timer::{Kept, Timer},
    },
};

const DIGIT_BITS: u32 = 6;
const LISTS: usize = 1 << DIGIT_BITS;
/// As many as 64 bits have digits.
const RINGS: usize = 11;
/// The list of those that are due.
const DUE: u16 = (RINGS * LISTS) as u16;
/// The place of a timer that hangs in no list.
const NOWHERE: u16 = u16::MAX;

/// A wheel, as those see it who cancel a timer in it.
pub(crate) struct Wheel {
    inbox: Stack<Timer>,
    reached: Cell<u64>,
    count: Cell<usize>,
    bits: [Cell<u64>; RINGS],
    heads: [Cell<Option<&'static Timer>>; RINGS * LISTS + 1],
    earliest: [Cell<u64>; RINGS * LISTS],
}

// SAFETY: all but the inbox is touched by the owner alone [wheel.I1], which is one value, and the
// timers in the lists live for ever.
unsafe impl Sync for Wheel {}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").finish_non_exhaustive()
    }
}

/// The right to use a wheel. It may move between threads, and is used by one.
#[derive(Debug)]
pub(crate) struct Owned {
    wheel: &'static Wheel,
    /// Used by one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

/// Wheels without an owner. One is taken when a thread begins to sleep, and put back when it ends.
static IDLE: Mutex<Vec<Owned>> = Mutex::new(Vec::new());

impl Owned {
    /// A wheel that nobody uses.
    pub(crate) fn new() -> Self {
        let idle = lock(&IDLE).pop();
        if let Some(idle) = idle {
            if idle.is_empty() {
                // It may have run by a clock that is ahead of its next owner's.
                idle.wheel.reached.set(0);
            }
            return idle;
        }
        let wheel = Wheel {
            inbox: Stack::new(),
            reached: Cell::new(0),
            count: Cell::new(0),
            bits: [const { Cell::new(0) }; RINGS],
            heads: [const { Cell::new(None) }; RINGS * LISTS + 1],
            earliest: [const { Cell::new(u64::MAX) }; RINGS * LISTS],
        };
        Self {
            wheel: Box::leak(Box::new(wheel)),
            not_sync: PhantomData,
        }
    }

    /// Lets others use it. Timers that have been cancelled may be on their way still; the next
    /// owner finds them.
    pub(crate) fn put_back(self) {
        lock(&IDLE).push(self);
    }

    /// Whether this is the wheel.
    pub(crate) fn is(&self, wheel: &'static Wheel) -> bool {
        core::ptr::eq(self.wheel, wheel)
    }

    pub(crate) const fn wheel(&self) -> &'static Wheel {
        self.wheel
    }

    /// How many are in it, but for those that have been cancelled and come by the inbox.
    pub(crate) fn count(&self) -> usize {
        self.wheel.count.get()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.count.get() == 0
    }

    /// Arms a timer that is due at `tick`, with `waker` to be woken then.
    pub(crate) fn arm(&self, kept: &Kept, tick: u64, waker: Waker) -> &'static Timer {
        let timer = kept.take();
        // SAFETY: a free timer is nobody else's [timer.I2].
        let old = unsafe { timer.set_waker(Some(waker)) };
        debug_assert!(old.is_none(), "a free timer has no waker");
        timer.entry.arm();
        timer.tick.set(tick);
        self.insert(timer);
        self.wheel.count.set(self.wheel.count.get() + 1);
        timer
    }

    /// Cancels a timer of this wheel, from its owner's thread. Returns its waker, to be dropped
    /// with nothing borrowed: that may run anyone's code.
    #[must_use]
    pub(crate) fn cancel(&self, kept: &Kept, timer: &'static Timer) -> Option<Waker> {
        match timer.entry.cancel() {
            Cancel::Won => {
                self.unlink(timer);
                // SAFETY: the cancellation has made it this side's [timer.I1].
                let waker = unsafe { timer.set_waker(None) };
                self.count_out();
                kept.give_back(timer);
                waker
            }
            Cancel::Fired => {
                kept.give_back(timer);
                None
            }
            Cancel::Left => None,
        }
    }

    /// The next waker that is due at `tick`, whose timer has fired. To be called until there is
    /// none.
    pub(crate) fn pop_due(&self, kept: &Kept, tick: u64) -> Option<Waker> {
        self.take_cancelled(kept);
        self.advance(tick);
        loop {
            let timer = self.head(DUE).get()?;
            self.unlink(timer);
            if let Some(waker) = self.fire(kept, timer) {
                return Some(waker);
            }
        }
    }

    /// Any waker that is left, whose timer has fired although it is not due: whoever is woken sees
    /// that, and arms another one elsewhere.
    pub(crate) fn pop_any(&self, kept: &Kept) -> Option<Waker> {
        self.take_cancelled(kept);
        for place in 0..=DUE {
            while let Some(timer) = self.head(place).get() {
                self.unlink(timer);
                if let Some(waker) = self.fire(kept, timer) {
                    return Some(waker);
                }
            }
        }
        None
    }

    /// The tick at which the next timer is due; it may be one that has been cancelled.
    pub(crate) fn next_due(&self, kept: &Kept) -> Option<u64> {
        self.take_cancelled(kept);
        if self.head(DUE).get().is_some() {
            return Some(0);
        }
        let (ring, list) = self.first_list()?;
        Some(self.wheel.earliest[ring * LISTS + list].get())
    }

    fn fire(&self, kept: &Kept, timer: &'static Timer) -> Option<Waker> {
        if !timer.entry.begin_fire() {
            // Cancelled: it comes by the inbox.
            return None;
        }
        // SAFETY: it is firing, and this is the owner [timer.I1].
        let waker = unsafe { timer.set_waker(None) };
        self.count_out();
        if !timer.entry.end_fire() {
            // The handle has gone meanwhile. To wake all the same does no harm.
            kept.give_back(timer);
        }
        waker
    }

    fn count_out(&self) {
        self.wheel.count.set(self.wheel.count.get() - 1);
    }

    fn take_cancelled(&self, kept: &Kept) {
        if self.wheel.inbox.is_empty() {
            return;
        }
        for timer in self.wheel.inbox.take_all() {
            self.unlink(timer);
            self.count_out();
            kept.give_back(timer);
        }
    }

    fn head(&self, place: u16) -> &'static Cell<Option<&'static Timer>> {
        &self.wheel.heads[usize::from(place)]
    }

    /// Hangs a timer where its tick belongs.
    fn insert(&self, timer: &'static Timer) {
        let (reached, tick) = (self.wheel.reached.get(), timer.tick.get());
        if tick <= reached {
            return self.link(timer, DUE);
        }
        let digit = (reached ^ tick).ilog2() / DIGIT_BITS;
        let list = (tick >> (digit * DIGIT_BITS)) as usize % LISTS;
        let ring = digit as usize;
        let place = ring * LISTS + list;
        let earliest = &self.wheel.earliest[place];
        earliest.set(earliest.get().min(tick));
        let bits = &self.wheel.bits[ring];
        bits.set(bits.get() | 1 << list);
        self.link(timer, place as u16);
    }

    fn link(&self, timer: &'static Timer, place: u16) {
        let head = self.head(place);
        let first = head.replace(Some(timer));
        timer.previous.set(None);
        timer.next.set(first);
        timer.place.set(place);
        if let Some(first) = first {
            first.previous.set(Some(timer));
        }
    }

    /// Takes a timer out of its list; one that hangs in none stays as it is.
    fn unlink(&self, timer: &'static Timer) {
        let place = timer.place.replace(NOWHERE);
        if place == NOWHERE {
            return;
        }
        let (previous, next) = (timer.previous.take(), timer.next.take());
        if let Some(next) = next {
            next.previous.set(previous);
        }
        match previous {
            Some(previous) => previous.next.set(next),
            None => self.head(place).set(next),
        }
        if previous.is_none() && next.is_none() && place != DUE {
            let place = usize::from(place);
            let bits = &self.wheel.bits[place / LISTS];
            bits.set(bits.get() & !(1 << (place % LISTS)));
            self.wheel.earliest[place].set(u64::MAX);
        }
    }

    /// The list that comes next: ring and number.
    fn first_list(&self) -> Option<(usize, usize)> {
        let rings = self.wheel.bits.iter().enumerate();
        // Lists of a ring are all ahead of the digit that was reached, so the first bit is next.
        let (ring, bits) = rings
            .map(|(ring, bits)| (ring, bits.get()))
            .find(|(_, bits)| *bits != 0)?;
        Some((ring, bits.trailing_zeros() as usize))
    }

    /// Moves on to `tick`: what is due by then hangs in the list of those that are due.
    fn advance(&self, tick: u64) {
        let reached = &self.wheel.reached;
        while let Some((ring, list)) = self.first_list() {
            let shift = ring as u32 * DIGIT_BITS;
            // The digits above are those that were reached, the ones below zero.
            let below = u64::MAX.checked_shl(shift + DIGIT_BITS).unwrap_or(0);
            let start = reached.get() & below | (list as u64) << shift;
            if start > tick {
                break;
            }
            reached.set(start);
            let place = ring * LISTS + list;
            while let Some(timer) = self.wheel.heads[place].get() {
                self.unlink(timer);
                self.insert(timer);
            }
        }
        reached.set(reached.get().max(tick));
    }
}

impl Wheel {
    /// Cancels a timer of this wheel, from any thread.
    pub(crate) fn cancel(&'static self, timer: &'static Timer) {
        match timer.entry.cancel() {
            Cancel::Won => {
                // SAFETY: the cancellation has made it this side's [timer.I1].
                let waker = unsafe { timer.set_waker(None) };
                self.inbox.push(timer);
                drop(waker);
            }
            Cancel::Fired => timer.free(),
            Cancel::Left => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        task::{Wake, Waker},
    };

    use super::{Kept, Owned};
    use crate::time::timer::Timer;

    /// Notes its number when it is woken.
    struct Note(u64, Arc<Mutex<Vec<u64>>>);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    struct Bench {
        wheel: Owned,
        kept: Kept,
        woken: Arc<Mutex<Vec<u64>>>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                wheel: Owned::new(),
                kept: Kept::new(),
                woken: Arc::default(),
            }
        }

        fn arm(&self, tick: u64) -> &'static Timer {
            let waker = Waker::from(Arc::new(Note(tick, self.woken.clone())));
            self.wheel.arm(&self.kept, tick, waker)
        }

        /// Nothing is left, and nothing leaks.
        fn end(self) {
            assert!(self.wheel.is_empty());
            self.wheel.put_back();
        }

        /// What is woken by then, in order.
        fn advance(&self, tick: u64) -> Vec<u64> {
            while let Some(waker) = self.wheel.pop_due(&self.kept, tick) {
                waker.wake();
            }
            core::mem::take(&mut self.woken.lock().unwrap())
        }
    }

    /// A generator that needs no crate: xorshift.
    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn timers_fire_at_their_tick_whatever_was_armed_and_cancelled_in_between() {
        let rounds = if cfg!(miri) { 300 } else { 60_000 };
        let bench = Bench::new();
        let mut state = 0x9E37_79B9_7F4A_7C15;
        let (mut now, mut armed) = (0_u64, Vec::<(u64, &'static Timer)>::new());
        for _ in 0..rounds {
            match random(&mut state) % 5 {
                0 | 1 => {
                    // Of all magnitudes.
                    let span = random(&mut state) >> (random(&mut state) % 64).max(12);
                    let tick = now + span;
                    armed.push((tick, bench.arm(tick)));
                }
                2 if !armed.is_empty() => {
                    let at = random(&mut state) as usize % armed.len();
                    let (_, timer) = armed.swap_remove(at);
                    if random(&mut state).is_multiple_of(2) {
                        drop(bench.wheel.cancel(&bench.kept, timer));
                    } else {
                        // As from another thread.
                        bench.wheel.wheel().cancel(timer);
                    }
                }
                3 => {
                    let next = armed.iter().map(|(tick, _)| *tick).min();
                    let due = bench.wheel.next_due(&bench.kept);
                    // Never later than it is: an earlier one may have been cancelled.
                    assert!(due.unwrap_or(u64::MAX) <= next.unwrap_or(u64::MAX));
                    assert_eq!(due.is_none(), bench.wheel.is_empty());
                }
                _ => {
                    now += random(&mut state) >> (random(&mut state) % 64).max(16);
                    let mut due: Vec<_> = armed.extract_if(.., |(tick, _)| *tick <= now).collect();
                    due.sort_by_key(|(tick, _)| *tick);
                    let mut woken = bench.advance(now);
                    woken.sort_unstable();
                    assert!(
                        woken.iter().eq(due.iter().map(|(tick, _)| tick)),
                        "at {now}"
                    );
                    for (_, timer) in due {
                        bench.kept.give_back(timer);
                    }
                }
            }
        }
        let last = armed.iter().map(|(tick, _)| *tick).max().unwrap_or(0);
        assert_eq!(bench.advance(last).len(), armed.len());
        for (_, timer) in armed {
            bench.kept.give_back(timer);
        }
        bench.end();
    }

    #[test]
    fn the_next_one_is_known_exactly_in_every_ring() {
        for shift in 0..63 {
            let bench = Bench::new();
            let tick = (1 << shift) + 5;
            let timer = bench.arm(tick);
            assert_eq!(bench.wheel.next_due(&bench.kept), Some(tick));
            assert!(bench.advance(tick - 1).is_empty());
            assert_eq!(bench.wheel.next_due(&bench.kept), Some(tick));
            assert_eq!(bench.advance(tick), [tick]);
            bench.kept.give_back(timer);
            bench.end();
        }
    }

    #[test]
    fn what_is_past_is_due_at_once_and_what_is_left_can_be_taken_early() {
        let bench = Bench::new();
        assert!(bench.advance(1_000).is_empty());
        let first = bench.arm(7);
        assert_eq!(bench.wheel.next_due(&bench.kept), Some(0));
        assert_eq!(bench.advance(1_000), [7]);
        bench.kept.give_back(first);
        let timers: Vec<_> = [1_001, 5_000, 1 << 40].map(|tick| bench.arm(tick)).into();
        bench.wheel.wheel().cancel(timers[1]);
        let mut count = 0;
        while let Some(waker) = bench.wheel.pop_any(&bench.kept) {
            drop(waker);
            count += 1;
        }
        assert_eq!(count, 2);
        for timer in [timers[0], timers[2]] {
            bench.kept.give_back(timer);
        }
        bench.end();
    }
}
