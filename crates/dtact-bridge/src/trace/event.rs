//! What can be seen of a fiber's life, in three words.

use core::{fmt, time::Duration};

use crate::{FiberId, fiber::Outcome, fiber::state::Wake, fiber_ref::FiberRef, trace::ring::WORDS};

/// The lane of the threads that are no workers.
pub(super) const OUTSIDE: u16 = u16::MAX;

/// Something that happened to a fiber, or to a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When, since the runtime was started. See [`Trace`](super::Trace) for what can be told from
    /// two of them.
    pub at: Duration,
    /// For wakes and cancellations: how long it took, ending at `at`. The change of the fiber's
    /// state lies within. `None`: more than can be noted, four seconds.
    pub took: Option<Duration>,
    /// The worker on whose thread it happened; `None` for threads that are none.
    pub worker: Option<u16>,
    /// Whom it happened to; `None` for what happens to workers.
    pub fiber: Option<FiberId>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The fiber was spawned, and put into a queue.
    Spawn,
    /// A waker of the fiber was woken.
    Wake(Effect),
    /// The fiber was asked to end.
    Cancel(Effect),
    /// A worker took it from a queue, and polls it from the start.
    Poll,
    /// A worker took it from a queue, and goes on with it where it is suspended.
    Resume,
    /// The worker that runs it goes on with it at once: it was woken, or had yielded and there was
    /// nothing else to run.
    Again,
    /// It gave its worker up, and was put into a queue: it had yielded, or was woken meanwhile.
    Requeue,
    /// It was parked at an `.await`, until it is woken.
    Park,
    /// It was suspended in `wait`, with its stack, until it is woken.
    Suspend,
    /// It was suspended with its stack, and put into its worker's queue.
    SuspendQueued,
    /// It ended.
    Finish(End),
    /// The worker went to sleep.
    Sleep,
    /// The worker began, or no longer sleeps.
    Rise,
}

/// What a wake or a cancellation led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The fiber was parked, and was put into a queue.
    Queued,
    /// It ran or was queued already; it is polled once more.
    Noted,
    /// It had ended: nothing was done.
    Stale,
}

/// How a fiber ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It returned a value.
    Value,
    /// It panicked.
    Panic,
    /// It was cancelled.
    Cancelled,
}

impl From<Wake> for Effect {
    fn from(wake: Wake) -> Self {
        match wake {
            Wake::Schedule => Self::Queued,
            Wake::Nothing => Self::Noted,
            Wake::Gone => Self::Stale,
        }
    }
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Value => Self::Value,
            Outcome::Panic => Self::Panic,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

/// All kinds, at the places that number them.
const KINDS: [EventKind; 19] = {
    use EventKind as K;
    [
        K::Spawn,
        K::Wake(Effect::Queued),
        K::Wake(Effect::Noted),
        K::Wake(Effect::Stale),
        K::Cancel(Effect::Queued),
        K::Cancel(Effect::Noted),
        K::Cancel(Effect::Stale),
        K::Poll,
        K::Resume,
        K::Again,
        K::Requeue,
        K::Park,
        K::Suspend,
        K::SuspendQueued,
        K::Finish(End::Value),
        K::Finish(End::Panic),
        K::Finish(End::Cancelled),
        K::Sleep,
        K::Rise,
    ]
};

const _: () = assert!(KINDS.len() < 256);

impl EventKind {
    fn number(self) -> u64 {
        let place = KINDS.iter().position(|kind| *kind == self);
        place.expect("all kinds are in the table") as u64
    }
}

/// No fiber: no runtime has a cell of this number.
const NOBODY: u64 = u64::MAX;

/// An event as a ring holds it: the time in nanoseconds, the fiber, and
/// `took in nanoseconds << 32 | kind`.
pub(super) fn encode(at: u64, took: u64, fiber: Option<FiberRef>, kind: EventKind) -> [u64; WORDS] {
    let took = took.min(u64::from(u32::MAX));
    let fiber = fiber.map_or(NOBODY, FiberRef::word);
    [at, fiber, took << 32 | kind.number()]
}

pub(super) fn decode(lane: u16, [at, fiber, detail]: [u64; WORDS]) -> Option<Event> {
    let kind = usize::try_from(detail & 0xff).ok()?;
    let took = detail >> 32;
    Some(Event {
        at: Duration::from_nanos(at),
        took: (took != u64::from(u32::MAX)).then(|| Duration::from_nanos(took)),
        worker: (lane != OUTSIDE).then_some(lane),
        fiber: (fiber != NOBODY).then(|| FiberId::new(FiberRef::from_word(fiber))),
        kind: *KINDS.get(kind)?,
    })
}

impl Event {
    /// When a wake or a cancellation began: it saw the fiber's state after that. Zero if unknown.
    #[must_use]
    pub fn began_at(&self) -> Duration {
        self.took
            .map_or(Duration::ZERO, |took| self.at.saturating_sub(took))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_nanos();
        write!(f, "{:>8}.{:03} us  ", at / 1000, at % 1000)?;
        match self.worker {
            Some(worker) => write!(f, "worker {worker:<4}")?,
            None => f.write_str("elsewhere  ")?,
        }
        if let Some(fiber) = self.fiber {
            write!(f, " fiber {fiber}")?;
        }
        write!(f, " {:?}", self.kind)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, OUTSIDE, decode, encode};
    use crate::fiber_ref::FiberRef;

    #[test]
    fn every_kind_comes_back_from_its_words() {
        for (lane, kind) in (0..).zip(KINDS) {
            let fiber = FiberRef::from_raw(3, 7, 11);
            let event = decode(lane, encode(5, 2, Some(fiber), kind)).expect("it is whole");
            assert_eq!(event.kind, kind);
            assert_eq!(event.worker, Some(lane));
            assert_eq!(event.began_at().as_nanos(), 3);
            let event = decode(OUTSIDE, encode(5, u64::MAX, None, kind)).expect("it is whole");
            assert_eq!((event.worker, event.fiber, event.took), (None, None, None));
            assert_eq!(event.began_at().as_nanos(), 0);
        }
    }
}
