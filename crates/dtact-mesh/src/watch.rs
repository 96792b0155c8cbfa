//! Owns how long workers stand still: who looks, how often, and what is reported.
//!
//! Nobody notes when a poll begins: that would cost each of them a look at the clock. Each worker
//! counts the tasks that it was given, and who looks at that count notes, beside it, when it saw
//! it first. A worker *stands still* for as long as its count is known to have been the same.
//!
//! # Who looks
//! - A worker that searches and finds nothing, and one that is busy, each few hundred tasks.
//! - With a watchdog also the *sentinel*, one of the workers that sleep: it sleeps with a timeout.
//!   When all sleep and nothing was run since its last look, there is no sentinel any more. The
//!   next worker that wakes up rouses a sleeper to be one. So an idle mesh has no timeouts, and
//!   a busy one pays for at most one extra wake-up in each span of the limit.
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | `since` store | before `taken` store, Release | `taken` load, Acquire: never too early a `since` |
//! | `sentinel` store of false | before a SeqCst fence | then the loads of all `asleep` |
//! | `sentinel` load, who wakes | after a SeqCst fence | which comes after its store of `asleep` |

use core::time::Duration;

use crate::{
    config::{Clock, LongPoll, Watchdog},
    seat::Seat,
    sync::{AtomicBool, Ordering, counter},
    task::{TaskIndex, WorkerId},
};

/// When a worker's count was first seen to be what it is. `core`'s atomics even in the models.
#[derive(Debug)]
pub(crate) struct Stamp {
    taken: counter::AtomicU64,
    since: counter::AtomicU64,
    /// The count at the last report, plus one.
    reported: counter::AtomicU64,
}

impl Stamp {
    pub(crate) const fn new() -> Self {
        Self {
            taken: counter::AtomicU64::new(0),
            since: counter::AtomicU64::new(0),
            reported: counter::AtomicU64::new(0),
        }
    }
}

/// What a worker that stands still runs, which of its tasks that is, and for how many ns.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Standing {
    task: TaskIndex,
    number: u64,
    pub(crate) nanos: u64,
}

/// Since when `seat` runs what it runs, as far as is known; notes it.
pub(crate) fn standing(seat: &Seat, clock: Clock) -> Option<Standing> {
    let (task, number) = seat.counts.running()?;
    let stamp = &seat.stamp;
    if stamp.taken.load(Ordering::Acquire) != number {
        stamp.since.store(clock.0(), Ordering::Relaxed);
        stamp.taken.store(number, Ordering::Release);
        return None;
    }
    let nanos = clock.0().saturating_sub(stamp.since.load(Ordering::Relaxed));
    Some(Standing {
        task,
        number,
        nanos,
    })
}

/// The mesh's part of it.
#[derive(Debug)]
pub(crate) struct Watch {
    watchdog: Option<Watchdog>,
    pub(crate) deadline: u64,
    pub(crate) clock: Clock,
    /// Whether one of the sleeping workers sleeps with a timeout.
    sentinel: AtomicBool,
    /// How many tasks had been given out at the sentinel's last look.
    seen: counter::AtomicU64,
    /// When a search last looked for workers that stand still.
    looked: counter::AtomicU64,
}

/// In each deadline the workers of a mesh look for somebody to raid so many times at most: who
/// stands still is then found an eighth of the deadline late, and busy workers are left alone.
const LOOKS_A_DEADLINE: u64 = 8;

impl Watch {
    pub(crate) fn new(watchdog: Option<Watchdog>, deadline: Duration, clock: Clock) -> Self {
        Self {
            watchdog,
            deadline: nanos(deadline),
            clock,
            sentinel: AtomicBool::new(false),
            seen: counter::AtomicU64::new(0),
            looked: counter::AtomicU64::new(0),
        }
    }

    /// Whether it is time for a search to look for workers that stand still; notes that it does.
    pub(crate) fn may_look(&self) -> bool {
        let now = self.clock.0();
        let looked = self.looked.load(Ordering::Relaxed);
        let is_time = now.saturating_sub(looked) >= self.deadline / LOOKS_A_DEADLINE;
        if is_time {
            // Two at once may both look: that costs a little, and nothing else.
            self.looked.store(now, Ordering::Relaxed);
        }
        is_time
    }

    /// Whether there is a watchdog at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.watchdog.is_some()
    }

    /// How long a sentinel sleeps: two looks in each span of the limit.
    pub(crate) fn period(&self) -> Duration {
        self.watchdog
            .as_ref()
            .map_or(Duration::MAX, |dog| dog.limit / 2)
    }

    /// True for one worker at a time.
    pub(crate) fn volunteer(&self) -> bool {
        !self.sentinel.load(Ordering::Relaxed) && !self.sentinel.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn resign(&self) {
        self.sentinel.store(false, Ordering::Relaxed);
    }

    /// After a fence.
    pub(crate) fn has_sentinel(&self) -> bool {
        self.sentinel.load(Ordering::Relaxed)
    }

    /// Whether anything was run since this was asked last.
    pub(crate) fn was_busy<'seats>(&self, seats: impl Iterator<Item = &'seats Seat>) -> bool {
        let taken = seats.fold(0_u64, |sum, seat| sum.wrapping_add(seat.counts.taken()));
        self.seen.swap(taken, Ordering::Relaxed) != taken
    }

    /// Reports a poll that takes too long, once.
    pub(crate) fn report(&self, worker: WorkerId, seat: &Seat, standing: Standing) {
        let Some(watchdog) = &self.watchdog else {
            return;
        };
        if standing.nanos < nanos(watchdog.limit) {
            return;
        }
        let reported = standing.number.wrapping_add(1);
        if seat.stamp.reported.swap(reported, Ordering::Relaxed) != reported {
            (watchdog.report)(LongPoll {
                worker,
                task: standing.task,
                duration: Duration::from_nanos(standing.nanos),
            });
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
