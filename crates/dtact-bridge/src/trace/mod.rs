//! What the workers of a runtime did last: a flight recorder, and what can be made of it.
//!
//! A runtime with [`Builder::flight_recorder`](crate::Builder::flight_recorder) notes what happens
//! to its fibers in a ring for each worker, which keeps the last so many events.
//! [`Runtime::trace`] copies them, at any time. A trace can be printed, checked against what
//! Dtact [guarantees](check), or [shown](Trace::to_chrome_json) by Perfetto.
//!
//! | module | owns |
//! | --- | --- |
//! | `ring` | the events of one thread, read by others while it writes |
//! | `event` | what an event is |
//! | `recorder` | who writes what, and when |
//! | `check` | replaying a trace against the guarantees |
//! | `chrome` | the form that trace viewers read |
//! | `waits` | how long woken fibers waited |

mod check;
mod chrome;
mod event;
pub(crate) mod recorder;
mod ring;
mod waits;

use core::{fmt, time::Duration};

pub use check::{Report, Rule, Violation, check};
pub use event::{Effect, End, Event, EventKind};
pub use waits::Waits;

use crate::{Runtime, trace::ring::Copied};

/// The least and the most events that a ring can be asked to hold.
pub(crate) const EVENTS_MIN: usize = 16;
pub(crate) const EVENTS_MAX: usize = 1 << 24;

/// The last events of each worker, and of all other threads together, put in order of time.
///
/// # Order
///
/// What happens to one fiber is in the order in which it happened, even from worker to worker,
/// except for wakes that were [noted](Effect::Noted): of them one knows that they happened
/// within a time. Events of different fibers are in order as far as one led to the other.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use dtact_bridge::{Builder, trace};
///
/// let runtime = Builder::new().workers(2).flight_recorder(1024).build()?;
/// runtime.spawn(async { 1 + 1 }).wait()?;
/// runtime.shutdown(Duration::from_secs(10))?;
/// let trace = runtime.trace().expect("it has a recorder");
/// assert!(trace.is_complete());
/// let report = trace::check(&trace);
/// assert!(report.violations.is_empty(), "{report}\n{trace}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trace {
    events: Vec<Event>,
    lost: u64,
    from: Duration,
    until: Duration,
    is_complete: bool,
}

impl Trace {
    /// A trace of events that come from elsewhere, such as a test of [`check`]. Nothing is missing
    /// before `from` and after `until`, and with `is_complete` nothing comes after it.
    #[must_use]
    pub fn from_events(events: Vec<Event>, from: Duration, is_complete: bool) -> Self {
        let until = events.iter().map(|event| event.at).max();
        let mut trace = Self {
            events,
            lost: u64::from(from != Duration::ZERO),
            from,
            until: until.unwrap_or_default(),
            is_complete,
        };
        trace.sort();
        trace
    }

    /// At `now`, before any ring is read.
    const fn new(now: u64, is_complete: bool) -> Self {
        Self {
            events: Vec::new(),
            lost: 0,
            from: Duration::ZERO,
            until: Duration::from_nanos(now),
            is_complete,
        }
    }

    fn add_lane(&mut self, lane: u16, copied: Copied) {
        let decoded = copied.events.into_iter();
        let events: Vec<_> = decoded
            .filter_map(|words| event::decode(lane, words))
            .collect();
        self.lost += copied.lost;
        if copied.lost != 0 {
            let first = events.first().map_or(Duration::MAX, |event| event.at);
            self.from = self.from.max(first);
        }
        // A worker that is awake may have taken a stamp and not written its event yet, but none
        // older than its last. One that sleeps writes that it rises first.
        if let Some(last) = events.last()
            && last.kind != EventKind::Sleep
            && lane != event::OUTSIDE
            && !self.is_complete
        {
            self.until = self.until.min(last.at);
        }
        self.events.extend(events);
    }

    fn sort(&mut self) {
        // Stable: those of one ring stay in their order.
        self.events.sort_by_key(|event| event.at);
    }

    /// The events, the oldest first.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many older events have been overwritten, of all rings.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// After which time nothing is missing.
    #[must_use]
    pub const fn from(&self) -> Duration {
        self.from
    }

    /// Before which time nothing is missing: a worker may have been about to write down the rest.
    #[must_use]
    pub const fn until(&self) -> Duration {
        self.until
    }

    /// Whether it was taken after [`shutdown`](crate::Runtime::shutdown) had ended all there was:
    /// then nothing comes after it.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events, {} older ones lost",
            self.events.len(),
            self.lost
        )?;
        self.events
            .iter()
            .try_for_each(|event| writeln!(f, "{event}"))
    }
}

impl Runtime {
    /// What the workers did last, if the runtime was built with a
    /// [recorder](crate::Builder::flight_recorder). The workers go on meanwhile. It allocates.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        recorder::trace_of(self.shared())
    }
}
