//! The events of one thread: a ring that it alone writes, and that others read while it does.
//!
//! ```text
//!   slots   | 8 | 9 | 6 | 7 |      count = 10, four slots:
//!             ^ oldest whole: 7 (6 may be the one being overwritten by 10)
//! ```
//!
//! # The race
//!
//! A reader copies slots while the writer overwrites them, and may get words of two events. So the
//! writer counts an event only after it has written it, and begins the next one with a fence; and
//! the reader reads the count once more when it has copied all. If any word that it copied was
//! written for event `n`, it now finds a count of at least `n`, and event `n` takes the slot of
//! event `n - slots`: so it throws away all up to `count - slots`, and what is left is whole.
//!
//! | store | pairs with |
//! | --- | --- |
//! | `push`, release fence before the words | `read`, acquire fence after the words: it sees the count before |
//! | `push`, release store of the count | `read`, acquire load: the words of counted events are visible |

use crate::sync::{AtomicU64, Ordering, fence};

/// What an event is made of here.
pub(crate) const WORDS: usize = 3;

/// The ring. `push` has one caller at a time; where two should call it at once, events are lost or
/// mixed up, and nothing worse.
#[derive(Debug)]
pub(crate) struct Ring {
    /// How many events were ever written.
    count: AtomicU64,
    slots: Box<[[AtomicU64; WORDS]]>,
}

/// What a reader got.
#[derive(Debug)]
pub(crate) struct Copied {
    /// How many events came before these.
    pub(crate) lost: u64,
    /// The oldest first.
    pub(crate) events: Vec<[u64; WORDS]>,
}

impl Ring {
    /// Of at least two slots.
    pub(crate) fn new(slots: usize) -> Self {
        let slot = |_| core::array::from_fn(|_| AtomicU64::new(0));
        Self {
            count: AtomicU64::new(0),
            slots: (0..slots.max(2)).map(slot).collect(),
        }
    }

    fn slot(&self, number: u64) -> &[AtomicU64; WORDS] {
        let slot = number % self.slots.len() as u64;
        &self.slots[usize::try_from(slot).expect("less than a length")]
    }

    /// Writes an event over the oldest one.
    pub(crate) fn push(&self, event: [u64; WORDS]) {
        // Relaxed: the caller alone writes it.
        let number = self.count.load(Ordering::Relaxed);
        // Pairs with the fence in `read`, see "The race".
        fence(Ordering::Release);
        for (word, value) in self.slot(number).iter().zip(event) {
            word.store(value, Ordering::Relaxed);
        }
        self.count.store(number + 1, Ordering::Release);
    }

    /// Copies the events that are whole.
    pub(crate) fn read(&self) -> Copied {
        let slots = self.slots.len() as u64;
        let end = self.count.load(Ordering::Acquire);
        let first = end.saturating_sub(slots);
        let copy = |number| {
            let slot = self.slot(number);
            // Relaxed: whether they belong together is found out below.
            core::array::from_fn(|word| slot[word].load(Ordering::Relaxed))
        };
        let mut events: Vec<_> = (first..end).map(copy).collect();
        // Pairs with the fence in `push`, see "The race".
        fence(Ordering::Acquire);
        let now = self.count.load(Ordering::Relaxed);
        // The one before that may be in the course of being overwritten.
        let first_whole = (now + 1).saturating_sub(slots).min(end);
        let torn = first_whole.saturating_sub(first);
        events.drain(..usize::try_from(torn).expect("at most as many as were copied"));
        Copied {
            lost: first.max(first_whole),
            events,
        }
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::Ring;

    #[test]
    fn the_last_events_are_kept_and_the_lost_ones_counted() {
        let ring = Ring::new(4);
        assert!(ring.read().events.is_empty());
        for number in 0..3 {
            ring.push([number; 3]);
        }
        let copied = ring.read();
        assert_eq!((copied.lost, copied.events.len()), (0, 3));
        for number in 3..10 {
            ring.push([number; 3]);
        }
        let copied = ring.read();
        assert_eq!(copied.lost, 7, "the slot of the next event counts as torn");
        assert_eq!(copied.events, [[7; 3], [8; 3], [9; 3]]);
    }

    #[test]
    fn events_that_are_read_while_others_are_written_are_whole() {
        let ring = Ring::new(8);
        let events = if cfg!(miri) { 200 } else { 200_000 };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..events).for_each(|number| ring.push([number; 3])));
            while !writer.is_finished() {
                let copied = ring.read();
                for (number, event) in (copied.lost..).zip(copied.events) {
                    assert_eq!(event, [number; 3]);
                }
            }
        });
    }
}
