//! Owns who sleeps and who is woken: the event count that producers read and idle workers change.
//!
//! The protocol, with its race and the argument that it is closed, is in `README.md` beside this
//! file; the names in parentheses below are its steps. Invariants:
//!
//! - `[park.I1]` Bits set in the parked set are never fewer than `parked` plus the claims that have
//!   not cleared a bit yet. So whoever has claimed finds a bit.
//! - `[park.I2]` A claimed worker is counted as searching from the claim on.
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | word, all RMWs | AcqRel | each other: bits set before *list* are seen by the claimer |
//! | word, load in `wants_waking` | Relaxed | the fence in *announce* precedes it |
//! | bits, all RMWs | AcqRel | the sleeper's look at its own bit |
//! | fence in *announce* | SeqCst | fence in *list*, fence in *stop* |

mod parker;

pub use parker::Parker;

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, fence, yield_now},
    task::WorkerId,
};

/// One searching worker in the word's low bits.
const SEARCHING: u32 = 1;
const SEARCHING_MASK: u32 = 0xFFF;
/// One unit of credit, above them.
const CREDIT: u32 = 0x1000;
const CREDIT_MASK: u32 = 0xF_F000;
/// One parked worker in the word's high bits.
const PARKED: u32 = 0x10_0000;
/// By how many bits the word is shifted so that the credit is the exponent of how many searchers
/// are enough: eight units double them.
const ENOUGH_SHIFT: u32 = CREDIT.trailing_zeros() + 3;
/// What a wake-up that paid adds to the credit; one that did not takes [`CREDIT`] away. So three
/// useless ones for each useful one are borne.
const CREDIT_PAID: u32 = 3 * CREDIT;

/// Mistakes that the models and the stress must find: what they leave out of the protocol.
#[cfg(test)]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Planted {
    Nothing,
    #[cfg(dtact_loom)]
    NoFence,
    NoRecheck,
    /// A worker does not say that it holds something.
    #[cfg(dtact_loom)]
    NoMark,
}

#[derive(Debug)]
pub(crate) struct EventCount {
    /// Parked workers, credit, searching workers: see `README.md`.
    word: CachePadded<AtomicU32>,
    /// With this credit, as many searchers are enough as there may be workers.
    credit_max: u32,
    /// One bit for each worker that sleeps, or is about to, and may be claimed.
    listed: Box<[AtomicU64]>,
    #[cfg(test)]
    planted: Planted,
}

/// What came of waking a worker for a task.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Wake {
    /// It found something to do.
    Found,
    /// It found nothing.
    Vain,
    /// What it found, counted as `Found` before, took less time than to wake it.
    Hollow,
}

/// How a worker came off the list.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Unlisted {
    /// By itself.
    Cancelled,
    /// A producer claimed it: it counts as searching.
    Claimed,
}

impl EventCount {
    pub(crate) fn new(workers_max: usize) -> Self {
        Self {
            word: CachePadded::new(AtomicU32::new(0)),
            credit_max: workers_max.next_power_of_two().ilog2() << ENOUGH_SHIFT,
            listed: (0..workers_max.div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
            #[cfg(test)]
            planted: Planted::Nothing,
        }
    }

    #[cfg(test)]
    pub(crate) fn plant(&mut self, mistake: Planted) {
        self.planted = mistake;
    }

    /// Whether a sleeper looks again once it is listed: always, but for the planted mistake.
    #[inline]
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "models use it"))]
    pub(crate) fn rechecks(&self) -> bool {
        #[cfg(test)]
        if self.planted == Planted::NoRecheck {
            return false;
        }
        true
    }

    /// Whether a worker that holds something says so: always, but for the planted mistake.
    #[inline]
    #[cfg_attr(
        not(all(test, dtact_loom)),
        expect(clippy::unused_self, reason = "models use it")
    )]
    pub(crate) fn marks(&self) -> bool {
        #[cfg(all(test, dtact_loom))]
        if self.planted == Planted::NoMark {
            return false;
        }
        true
    }

    /// Orders what this thread published or listed before what it looks at next (*announce*,
    /// *list*, *stop*).
    #[inline]
    #[cfg_attr(
        not(all(test, dtact_loom)),
        expect(clippy::unused_self, reason = "models use it")
    )]
    pub(crate) fn fence(&self) {
        #[cfg(all(test, dtact_loom))]
        if self.planted == Planted::NoFence {
            return;
        }
        // SeqCst: a producer and a sleeper that both pass a fence cannot both miss the other.
        fence(Ordering::SeqCst);
    }

    /// Whether somebody sleeps and too few search. One relaxed load.
    #[inline]
    pub(crate) fn wants_waking(&self) -> bool {
        wants_waking(self.word.load(Ordering::Relaxed))
    }

    /// How many are parked. A hint.
    #[inline]
    pub(crate) fn parked(&self) -> usize {
        parked(self.word.load(Ordering::Relaxed))
    }

    /// *claim*: picks one sleeper, if somebody sleeps and too few search. The caller must unpark
    /// the worker that it gets, which counts as searching from here on.
    #[cold]
    pub(crate) fn claim(&self) -> Option<WorkerId> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if !wants_waking(word) {
                return None;
            }
            // AcqRel: reads from the RMW that counted a sleeper, so its bit is visible.
            let swap = self.word.compare_exchange(
                word,
                word - PARKED + SEARCHING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Some(self.take_any_bit()),
                Err(newer) => word = newer,
            }
        }
    }

    /// Clears one bit of the parked set. By `[park.I1]` there is one for whoever has claimed; it
    /// may move while we look, so we look until we have it.
    fn take_any_bit(&self) -> WorkerId {
        loop {
            for (index, bits) in self.listed.iter().enumerate() {
                let seen = bits.load(Ordering::Acquire);
                if seen == 0 {
                    continue;
                }
                let bit = seen.trailing_zeros();
                if bits.fetch_and(!(1 << bit), Ordering::AcqRel) & (1 << bit) != 0 {
                    #[expect(clippy::cast_possible_truncation, reason = "ids are below 1024")]
                    return WorkerId::from_raw((index * 64) as u16 + bit as u16);
                }
            }
            yield_now();
        }
    }

    /// *list*: `worker` may be claimed from here on. It must look at all sources afterwards.
    pub(crate) fn list(&self, worker: WorkerId) {
        #[cfg(all(test, not(any(dtact_loom, dtact_shuttle))))]
        if self.planted == Planted::NoRecheck {
            // As if it were preempted between its last search and this: so that the stress need
            // not wait for that to happen.
            yield_now();
        }
        let (bits, mask) = self.bit(worker);
        bits.fetch_or(mask, Ordering::AcqRel);
        self.word.fetch_add(PARKED, Ordering::AcqRel);
        self.fence();
    }

    /// Whether `worker` may still be claimed. False: it was, and counts as searching.
    pub(crate) fn is_listed(&self, worker: WorkerId) -> bool {
        let (bits, mask) = self.bit(worker);
        bits.load(Ordering::Acquire) & mask != 0
    }

    /// *cancel*: takes `worker` off the list; it will count as searching if `searches`.
    pub(crate) fn cancel(&self, worker: WorkerId, searches: bool) -> Unlisted {
        let (bits, mask) = self.bit(worker);
        let search = if searches { SEARCHING } else { 0 };
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if parked(word) == 0 {
                // All counts are claimed, by some who have not cleared a bit yet ([park.I1]). They
                // are about to: ours, or another's, who then gives a count back. No token tells
                // us of the latter, so this must not be a sleep.
                if bits.load(Ordering::Acquire) & mask == 0 {
                    return Unlisted::Claimed;
                }
                yield_now();
                word = self.word.load(Ordering::Relaxed);
                continue;
            }
            let swap = self.word.compare_exchange(
                word,
                word - PARKED + search,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => break,
                Err(newer) => word = newer,
            }
        }
        if bits.fetch_and(!mask, Ordering::AcqRel) & mask != 0 {
            return Unlisted::Cancelled;
        }
        // A producer cleared our bit: the count that we took belongs to another sleeper. We are
        // searching by the producer's claim ([park.I2]), so nobody misses that sleeper meanwhile.
        self.word
            .fetch_add(PARKED.wrapping_sub(search), Ordering::AcqRel);
        Unlisted::Claimed
    }

    /// Starts a search, if fewer than half of the `running` workers search.
    pub(crate) fn start_searching(&self, running: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if 2 * (word & SEARCHING_MASK) as usize >= running {
                return false;
            }
            let swap = self.word.compare_exchange(
                word,
                word + SEARCHING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return true,
                Err(newer) => word = newer,
            }
        }
    }

    /// *stop*: one search is over. True if it was the last while somebody sleeps: then whoever
    /// published in the meantime relied on it, and the caller must look at all sources.
    pub(crate) fn stop_searching(&self) -> bool {
        let before = self.word.fetch_sub(SEARCHING, Ordering::AcqRel);
        self.fence();
        before & SEARCHING_MASK == 1 && parked(before) > 0
    }

    /// *judge*: a woken worker has found something, or has not, or it was `Wake::Hollow` after all.
    pub(crate) fn judge(&self, wake: Wake) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let credit = word & CREDIT_MASK;
            let judged = match wake {
                Wake::Found => (credit + CREDIT_PAID).min(self.credit_max),
                Wake::Vain => credit.saturating_sub(CREDIT),
                Wake::Hollow => credit.saturating_sub(CREDIT_PAID + CREDIT),
            };
            if judged == credit {
                return;
            }
            let swap = self.word.compare_exchange(
                word,
                word - credit + judged,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return,
                Err(newer) => word = newer,
            }
        }
    }

    fn bit(&self, worker: WorkerId) -> (&AtomicU64, u64) {
        (
            &self.listed[worker.index() / 64],
            1 << (worker.index() % 64),
        )
    }
}

const fn parked(word: u32) -> usize {
    (word / PARKED) as usize
}

const fn wants_waking(word: u32) -> bool {
    word >= PARKED && (word & SEARCHING_MASK) >> ((word & CREDIT_MASK) >> ENOUGH_SHIFT) == 0
}
