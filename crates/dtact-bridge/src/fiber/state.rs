//! The state word of a fiber: who may touch its cell, and who owes it what.
//!
//! ```text
//!  63                    32 31  12 1110 9 8 7 6 5 4 3 2 1 0
//! ┌────────────────────────┬───────┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┐
//! │       generation       │unused │J│B│K│O│L│T│W│H│C│D│N│o│
//! └────────────────────────┴───────┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┘
//!   o OWNED       in one queue, or in the hands of one worker
//!   N NOTIFIED    woken while OWNED: it must be polled once more
//!   D DONE        ended; the outcome lies in the cell until the handle takes it
//!   C CANCEL      shall end at its next dispatch or suspension
//!   H HANDLE      somebody has the right to the outcome: a `JoinHandle`, or, with BY_NAME, a name
//!   W JOIN_WAKER  the join slot holds a waker, which now belongs to the fiber
//!   T TAKING      the fiber has ended and is moving the waker out of the join slot
//!   L LIVE        the cell holds a fiber; clear in a free cell
//!   O ORPHAN      the runtime has ended; the handle frees what is left
//!   K KNOWN       somebody may know it by its id, and wait for its end
//!   B BY_NAME     its name, a number, is all that anybody has of it: `Owner`
//!   J JOINING     one of those who have the name has the right to the outcome at this moment
//! ```
//!
//! # States
//!
//! ```text
//!            spawn                       wake: Schedule
//!   free ───────────▶ OWNED ◀───────────────────────────────┐
//!    ▲                  │  ▲ park: Notified (poll again)    │
//!    │                  ├──┘                                │
//!    │                  └────────▶ parked (LIVE, not OWNED) ┘
//!    │                  park: Parked
//!    │  finish: Detached│ finish: Joinable / WakeJoiner
//!    ├──────────────────┤
//!    │  release         ▼
//!    └───────────────  DONE (LIVE, HANDLE)
//! ```
//!
//! # Invariants
//!
//! - [bridge.S1] Exactly one place holds an OWNED fiber: one queue entry or one worker. Only that
//!   holder polls it, touches its future, its suspension record and its scheduling fields.
//!   Established by `spawn`, by the one successful `wake`, and by `borrow`; given up by `park`,
//!   `put_back` and `finish`.
//! - [bridge.S2] The outcome in the cell belongs to the fiber until DONE, then to the handle
//!   while HANDLE is set. Without a handle it never outlives `finish`. With BY_NAME "the handle" is
//!   whoever has set JOINING by a successful `claim`, and while nobody has, the outcome stays.
//! - [bridge.S3] The join slot belongs to the handle while neither JOIN_WAKER nor TAKING is set,
//!   and to the fiber otherwise.
//! - [bridge.S4] The generation rises by one each time the cell is freed. Whoever is neither the
//!   holder nor the handle changes the word only by a compare-exchange of all 64 bits, so that a
//!   stale waker can never change the word of a later fiber.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `begin` | release store | the acquire load of a scan at shutdown |
//! | `wake`, also if nothing changes | AcqRel exchange | `begin_poll`, `park`: the poll that follows sees what the waker wrote |
//! | `park` | release exchange | the acquire of the `wake` that schedules it again |
//! | `borrow` | AcqRel exchange | `park`: who borrows a parked fiber sees what it wrote; `put_back` is a park |
//! | `finish` | release exchange | the acquire load in `is_done`: the handle sees the outcome |
//! | `set_join_waker` | AcqRel exchange, acquire load | `finish`: the fiber sees the waker, or the handle the outcome |
//! | `claim` | AcqRel exchange | `finish`, and the release in `give_up_claim` of the claimant before |
//! | `release` | release store | the acquire of stale wakers, which read nothing but the word |
//!
//! # The race
//!
//! A wake must lead to a poll that sees what the waker wrote before it. A waker that finds the
//! fiber OWNED and NOTIFIED already could simply go; but then nothing orders its writes before
//! the poll. So it exchanges the word for itself: either the holder clears NOTIFIED after that,
//! and acquires the waker's writes, or the exchange fails and the waker looks again.

use crate::sync::{AtomicU64, Ordering};

const OWNED: u64 = 1 << 0;
const NOTIFIED: u64 = 1 << 1;
const DONE: u64 = 1 << 2;
const CANCEL: u64 = 1 << 3;
const HANDLE: u64 = 1 << 4;
const JOIN_WAKER: u64 = 1 << 5;
const TAKING: u64 = 1 << 6;
const LIVE: u64 = 1 << 7;
const ORPHAN: u64 = 1 << 8;
const KNOWN: u64 = 1 << 9;
const BY_NAME: u64 = 1 << 10;
const JOINING: u64 = 1 << 11;

const GENERATION_SHIFT: u32 = 32;

/// The word itself. All zeros is a free cell that was never used.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct State(AtomicU64);

/// Whose the outcome of a fiber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The `JoinHandle`'s.
    Handle,
    /// Whoever has the fiber's name may claim it.
    Name,
    /// Nobody's; but whoever has the fiber's name may wait for its end.
    Nobody,
}

impl Owner {
    const fn bits(self) -> u64 {
        match self {
            Self::Handle => HANDLE,
            Self::Name => HANDLE | BY_NAME,
            Self::Nobody => BY_NAME,
        }
    }
}

/// What a name led to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The caller is the handle now, until it releases the cell, or gives the claim up.
    Claimed,
    /// Somebody else is.
    Busy,
    /// There is no such fiber, or it is not to be had by its name.
    Stale,
}

/// What a wake or a cancellation leaves the caller to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The caller now holds the fiber [bridge.S1] and must put it into a queue.
    Schedule,
    /// Somebody holds the fiber and will see to it.
    Nothing,
    /// The fiber has ended.
    Gone,
}

/// What giving a fiber up led to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// The fiber is parked; the caller holds it no longer and touches nothing of it.
    Parked,
    /// It was woken meanwhile; the caller still holds it and polls it again.
    Notified,
    /// It was cancelled meanwhile; the caller still holds it and ends it.
    Cancelled,
}

/// What the end of a fiber leaves the caller to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Nobody wants the outcome: the caller drops it and frees the cell.
    Detached,
    /// The outcome waits for the handle; the caller touches the cell no longer.
    Joinable,
    /// The caller takes the waker from the join slot, then calls `finish_taking`.
    TakeWaker,
}

/// How a fiber ended, as far as its state knows.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) finish: Finish,
    /// The word as it was.
    word: u64,
}

impl Ended {
    #[inline]
    const fn new(finish: Finish, word: u64) -> Self {
        Self { finish, word }
    }

    /// Others may know it by its id: those who wait for its end have to be woken.
    #[inline]
    pub(crate) const fn is_known(self) -> bool {
        self.word & KNOWN != 0
    }

    /// Its generation; the cell may be another's by now.
    pub(crate) const fn generation(self) -> u32 {
        generation_of(self.word)
    }
}

/// What dropping a handle leaves the caller to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    /// The fiber goes on without a handle.
    Detached,
    /// The fiber has ended: the caller drops the outcome and releases the cell.
    Drop,
}

/// What a handle may do with its join slot.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinSlot {
    /// The slot is the handle's: empty, and free to be written.
    Mine,
    /// The fiber is ending at this moment: look again soon.
    Busy,
    /// The fiber is done.
    Done,
}

/// What a fiber is doing, for people to look at.
#[cfg(not(dtact_loom))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is none in the cell.
    Free,
    /// In a queue, or in the hands of a worker.
    Owned,
    /// Waiting to be woken.
    Parked,
    /// Ended.
    Done,
}

/// What freeing a cell found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// The runtime has ended and counted this fiber.
    pub(crate) was_orphan: bool,
    /// The cell may be used again.
    pub(crate) is_usable: bool,
}

impl State {
    /// A free cell's word.
    #[cfg(dtact_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Begins a fiber in a free cell and returns its generation, which is at least
    /// `generation_min`. The caller holds the cell, and the fiber from now on.
    #[inline]
    pub(crate) fn begin(&self, generation_min: u32, owner: Owner) -> u32 {
        // Relaxed: the cell was handed over by the pool of cells.
        let generation = generation_of(self.0.load(Ordering::Relaxed)).max(generation_min);
        self.set((u64::from(generation) << GENERATION_SHIFT) | LIVE | OWNED | owner.bits());
        generation
    }

    /// Begins a dispatch: the holder takes note of all wakes so far. Returns the generation, or
    /// `None` where the fiber was cancelled.
    #[inline]
    pub(crate) fn begin_poll(&self) -> Option<u32> {
        let mut word = self.0.load(Ordering::Acquire);
        if word & (NOTIFIED | CANCEL) != 0 {
            word = self.0.fetch_and(!NOTIFIED, Ordering::AcqRel);
        }
        (word & CANCEL == 0).then(|| generation_of(word))
    }

    /// Whether the fiber shall end. For its holder.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCEL != 0
    }

    /// Gives the fiber up, unless it was woken or cancelled since its poll began.
    #[inline]
    pub(crate) fn park(&self) -> Park {
        self.park_unless(CANCEL)
    }

    /// As `park`, for code that has to wait although the fiber is cancelled: only a wake that
    /// came meanwhile keeps it from parking.
    pub(crate) fn park_regardless(&self) -> Park {
        self.park_unless(0)
    }

    #[inline]
    fn park_unless(&self, bits: u64) -> Park {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & bits != 0 {
                return Park::Cancelled;
            }
            if word & NOTIFIED != 0 {
                self.0.fetch_and(!NOTIFIED, Ordering::AcqRel);
                return Park::Notified;
            }
            match self.0.compare_exchange_weak(
                word,
                word & !OWNED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Park::Parked,
                Err(now) => word = now,
            }
        }
    }

    /// Takes hold of the fiber of this generation if it is parked, as a wake does, to look at it.
    /// The caller then gives it back by `put_back`. Wakes that come meanwhile are noted.
    pub(crate) fn borrow(&self, generation: u32) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let is_parked = word & (LIVE | DONE | OWNED) == LIVE;
            if generation_of(word) != generation || !is_parked {
                return false;
            }
            match self.0.compare_exchange_weak(
                word,
                word | OWNED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Parks the fiber again after `borrow`. [`Wake::Schedule`]: it was woken or cancelled
    /// meanwhile, and the caller holds it still and puts it into a queue.
    pub(crate) fn put_back(&self) -> Wake {
        // That it had been cancelled before is nothing new to it.
        match self.park_regardless() {
            Park::Parked => Wake::Nothing,
            Park::Notified | Park::Cancelled => Wake::Schedule,
        }
    }

    /// Wakes the fiber of this generation.
    #[inline]
    pub(crate) fn wake(&self, generation: u32) -> Wake {
        self.raise(generation, NOTIFIED)
    }

    /// Asks the fiber of this generation to end.
    pub(crate) fn cancel(&self, generation: u32) -> Wake {
        self.raise(generation, CANCEL | NOTIFIED)
    }

    /// Sets `bits` where the fiber is held, and takes hold of it where it is parked. NOTIFIED is
    /// left out there: the dispatch that follows is the poll it asks for.
    #[inline]
    fn raise(&self, generation: u32, bits: u64) -> Wake {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if generation_of(word) != generation || word & LIVE == 0 || word & DONE != 0 {
                return Wake::Gone;
            }
            let (next, outcome) = if word & OWNED == 0 {
                (word | OWNED | (bits & !NOTIFIED), Wake::Schedule)
            } else {
                (word | bits, Wake::Nothing)
            };
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// Ends the fiber: its outcome has been written. For its holder.
    #[inline]
    pub(crate) fn finish(&self) -> Ended {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let (next, outcome) = if word & (HANDLE | BY_NAME) == 0 {
                // KNOWN was set through the handle, before that went, or by the fiber itself.
                return Ended::new(Finish::Detached, word);
            } else if word & HANDLE == 0 {
                // From here on nobody comes to know it: `make_known_by_name` looks for DONE.
                (word | DONE, Finish::Detached)
            } else if word & JOIN_WAKER != 0 {
                ((word & !JOIN_WAKER) | TAKING, Finish::TakeWaker)
            } else {
                ((word & !OWNED) | DONE, Finish::Joinable)
            };
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ended::new(outcome, word),
                Err(now) => word = now,
            }
        }
    }

    /// The second step of `finish` after [`Finish::TakeWaker`].
    pub(crate) fn finish_taking(&self) -> Ended {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & HANDLE == 0 {
                return Ended::new(Finish::Detached, word);
            }
            let next = (word & !(OWNED | TAKING)) | DONE;
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ended::new(Finish::Joinable, word),
                Err(now) => word = now,
            }
        }
    }

    /// Notes that the fiber is known by its id from now on. For its handle and for its own code:
    /// while either is there, the fiber of this generation is.
    pub(crate) fn make_known(&self) {
        // Relaxed: whoever waits for the end looks again under a lock that the end takes too.
        self.0.fetch_or(KNOWN, Ordering::Relaxed);
    }

    /// The same for whoever has its name. Returns whether the fiber is there and has not ended.
    pub(crate) fn make_known_by_name(&self, generation: u32) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if !is_named(word, generation) || word & DONE != 0 {
                return false;
            }
            // Relaxed: as in `make_known`.
            match self.0.compare_exchange_weak(
                word,
                word | KNOWN,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Whether the fiber of this generation is there and to be had by its name, and if so, whether
    /// it has ended.
    #[inline]
    pub(crate) fn look_by_name(&self, generation: u32) -> Option<bool> {
        let word = self.0.load(Ordering::Acquire);
        is_named(word, generation).then_some(word & DONE != 0)
    }

    /// Makes the fiber one that is had by its name. For its handle, which is given up by this.
    pub(crate) fn make_named(&self) {
        // Release: pairs with the acquire in `claim`; the join slot goes from the one to the other.
        self.0.fetch_or(BY_NAME, Ordering::Release);
    }

    /// Makes the caller the handle of the fiber of this generation.
    #[inline]
    pub(crate) fn claim(&self, generation: u32) -> Claim {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if !is_named(word, generation) || word & HANDLE == 0 {
                return Claim::Stale;
            }
            if word & JOINING != 0 {
                return Claim::Busy;
            }
            match self.0.compare_exchange_weak(
                word,
                word | JOINING,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Claim::Claimed,
                Err(now) => word = now,
            }
        }
    }

    /// Lets others claim the fiber. For its claimant.
    pub(crate) fn give_up_claim(&self) {
        // Release: pairs with the acquire in `claim`, as above.
        self.0.fetch_and(!JOINING, Ordering::Release);
    }

    /// Whether the fiber has ended; if so, the outcome is visible to the caller.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Takes the join slot back from the fiber. For the handle. After [`JoinSlot::Mine`] the slot
    /// still holds the waker that was in it, if any: `had_waker` says so.
    pub(crate) fn take_join_slot(&self) -> (JoinSlot, bool) {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & DONE != 0 {
                return (JoinSlot::Done, false);
            }
            if word & TAKING != 0 {
                return (JoinSlot::Busy, false);
            }
            if word & JOIN_WAKER == 0 {
                return (JoinSlot::Mine, false);
            }
            match self.0.compare_exchange_weak(
                word,
                word & !JOIN_WAKER,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return (JoinSlot::Mine, true),
                Err(now) => word = now,
            }
        }
    }

    /// Hands the join slot, with a waker in it, to the fiber. Returns `false` if the fiber has
    /// ended meanwhile; the slot is then the handle's still.
    pub(crate) fn set_join_waker(&self) -> bool {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & DONE != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(
                word,
                word | JOIN_WAKER,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Drops the handle's claim. The handle has emptied its join slot before.
    pub(crate) fn detach(&self) -> Detach {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & DONE != 0 {
                return Detach::Drop;
            }
            match self.0.compare_exchange_weak(
                word,
                word & !(HANDLE | BY_NAME | JOINING),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Detach::Detached,
                Err(now) => word = now,
            }
        }
    }

    /// Frees the cell: from now on every waker and handle of this fiber is stale. Returns whether
    /// the cell may be used again; one whose generations are used up may not.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Relaxed: the caller is the only one who may change the word [bridge.S2], [bridge.S4].
        let generation = generation_of(self.0.load(Ordering::Relaxed));
        let next = generation.saturating_add(1);
        self.set(u64::from(next) << GENERATION_SHIFT);
        next != u32::MAX
    }

    /// Writes the word where only stale wakers may exchange it at the same time. In the one order
    /// that all changes of a word have, such an exchange comes before this store, and is
    /// overwritten, or after it, and fails on the generation.
    #[inline]
    fn set(&self, word: u64) {
        // Loom orders a plain store only after what happens before it, and would let this thread
        // read the waker's word after its own. An exchange it puts into the one order.
        #[cfg(dtact_loom)]
        self.0.swap(word, Ordering::AcqRel);
        #[cfg(not(dtact_loom))]
        self.0.store(word, Ordering::Release);
    }

    /// As `release`, where the runtime may be counting its orphans at the same time.
    pub(crate) fn release_outside(&self) -> Released {
        let generation = generation_of(self.0.load(Ordering::Relaxed));
        let next = generation.saturating_add(1);
        let word = self
            .0
            .swap(u64::from(next) << GENERATION_SHIFT, Ordering::AcqRel);
        Released {
            was_orphan: word & ORPHAN != 0,
            is_usable: next != u32::MAX,
        }
    }

    /// Marks an ended fiber whose handle is still there as an orphan of its runtime. Returns
    /// `false` where there is no such fiber.
    pub(crate) fn orphan(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & DONE == 0 || word & ORPHAN != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(
                word,
                word | ORPHAN,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// The generation of the fiber in the cell, if there is one that has not ended.
    pub(crate) fn running_generation(&self) -> Option<u32> {
        let word = self.0.load(Ordering::Acquire);
        (word & LIVE != 0 && word & DONE == 0).then(|| generation_of(word))
    }

    /// The generation of the fiber in the cell, if there is one, ended or not.
    #[cfg(not(dtact_loom))]
    pub(crate) fn live_generation(&self) -> Option<u32> {
        let word = self.0.load(Ordering::Acquire);
        (word & LIVE != 0).then(|| generation_of(word))
    }

    /// What the fiber is doing at this moment.
    #[cfg(not(dtact_loom))]
    pub(crate) fn phase(&self) -> Phase {
        let word = self.0.load(Ordering::Relaxed);
        if word & LIVE == 0 {
            Phase::Free
        } else if word & DONE != 0 {
            Phase::Done
        } else if word & OWNED != 0 {
            Phase::Owned
        } else {
            Phase::Parked
        }
    }

    /// The generation of the cell, used or not.
    pub(crate) fn generation(&self) -> u32 {
        generation_of(self.0.load(Ordering::Relaxed))
    }
}

/// Whether the word is that of the fiber of this generation, to be had by its name.
#[inline]
const fn is_named(word: u64, generation: u32) -> bool {
    generation_of(word) == generation && word & (LIVE | BY_NAME) == LIVE | BY_NAME
}

#[inline]
const fn generation_of(word: u64) -> u32 {
    (word >> GENERATION_SHIFT) as u32
}
