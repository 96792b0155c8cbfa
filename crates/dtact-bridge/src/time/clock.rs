//! What time it is: the system's monotonic clock, or one that a test moves.

use core::task::Waker;
use std::time::{Duration, Instant};

use crate::{
    spawn,
    sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, lock},
    time::{
        timer::{Kept, Timer},
        timers,
        wheel::{Owned, Wheel},
    },
    waker,
};

/// From this time on (in nanoseconds, 292 years) nothing is ever due.
pub(crate) const NEVER: u64 = u64::MAX / 2;

/// The instant from which nanoseconds are counted.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// The time, in nanoseconds, by the system's clock.
pub(crate) fn now() -> u64 {
    nanos(Instant::now())
}

/// An instant as nanoseconds; the past before the first use of this is 0.
pub(crate) fn nanos(instant: Instant) -> u64 {
    nanos_of(instant.saturating_duration_since(origin()))
}

/// A span as nanoseconds; one that is too long is as long as can be.
pub(crate) fn nanos_of(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).map_or(NEVER, |nanos| nanos.min(NEVER))
}

/// Nanoseconds as an instant.
pub(crate) fn instant(nanos: u64) -> Instant {
    origin() + Duration::from_nanos(nanos)
}

/// The clock that the code which calls this lives by.
pub(crate) fn at_hand() -> Option<VirtualClock> {
    spawn::at_hand().and_then(|shared| shared.clock.clone())
}

/// A clock that stands still until it is moved, for tests: what sleeps for an hour does so in no
/// time.
///
/// Given to [`Builder::clock`](crate::Builder::clock), it is the clock of all sleeps and timeouts
/// that are made by fibers of that runtime, or within its
/// [`block_on`](crate::Runtime::block_on). Clones are the same clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use dtact_bridge::{
///     Builder,
///     time::{VirtualClock, now, sleep},
/// };
///
/// let clock = VirtualClock::new();
/// let runtime = Builder::new().workers(1).clock(&clock).build()?;
/// let slept = runtime.spawn(async {
///     let begin = now();
///     sleep(Duration::from_secs(3_600)).await;
///     now() - begin
/// });
/// // The fiber arms its timer when it begins; until then there is nothing to move to.
/// while clock.sleeping() == 0 {
///     std::thread::yield_now();
/// }
/// clock.advance(Duration::from_secs(3_600));
/// assert_eq!(slept.wait()?, Duration::from_secs(3_600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    nanos: AtomicU64,
    wheel: Mutex<Hung>,
}

/// A tick of its wheel is a nanosecond.
#[derive(Debug)]
struct Hung {
    /// There until the clock is dropped.
    wheel: Option<Owned>,
    kept: Kept,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            nanos: AtomicU64::new(now()),
            wheel: Mutex::new(Hung {
                wheel: Some(Owned::new()),
                kept: Kept::new(),
            }),
        }
    }
}

impl Hung {
    fn with<R>(&self, body: impl FnOnce(&Owned, &Kept) -> R) -> R {
        body(self.wheel.as_ref().expect("the clock is there"), &self.kept)
    }
}

impl VirtualClock {
    /// A clock that stands at the present time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What time it is by this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        instant(self.nanos())
    }

    pub(crate) fn nanos(&self) -> u64 {
        // Acquire: pairs with the store in `advance`.
        self.0.nanos.load(Ordering::Acquire)
    }

    /// How many sleep by this clock now.
    #[must_use]
    pub fn sleeping(&self) -> usize {
        lock(&self.0.wheel).with(|wheel, kept| {
            // What was cancelled does not count.
            let _: Option<u64> = wheel.next_due(kept);
            wheel.count()
        })
    }

    /// Moves the clock on, and wakes what is due by then, in the order in which it is due. While
    /// each is woken, the clock shows its time.
    ///
    /// What is woken runs on the workers meanwhile: to have it sleep again in between, move the
    /// clock by smaller steps.
    pub fn advance(&self, span: Duration) {
        let until = self.nanos().saturating_add(nanos_of(span)).min(NEVER - 1);
        loop {
            let waker = {
                let hung = lock(&self.0.wheel);
                let due = hung.with(Owned::next_due);
                let Some(due) = due.filter(|due| *due <= until) else {
                    break;
                };
                self.set(due);
                hung.with(|wheel, kept| wheel.pop_due(kept, due))
            };
            // With nothing locked: it may be anyone's.
            if let Some(waker) = waker {
                waker::wake_foreign(waker);
            }
        }
        self.set(until);
        // What was armed before that, and after the last look.
        while let Some(waker) = self.pop_due(until) {
            waker::wake_foreign(waker);
        }
    }

    fn pop_due(&self, nanos: u64) -> Option<Waker> {
        lock(&self.0.wheel).with(|wheel, kept| wheel.pop_due(kept, nanos))
    }

    fn set(&self, nanos: u64) {
        // Release: pairs with the load in `nanos`. It never goes back, whoever else moves it.
        self.0.nanos.fetch_max(nanos, Ordering::AcqRel);
    }

    pub(crate) fn arm(&self, nanos: u64, waker: Waker) -> (&'static Timer, &'static Wheel) {
        lock(&self.0.wheel).with(|wheel, kept| (wheel.arm(kept, nanos, waker), wheel.wheel()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let wheel = lock(&self.wheel).wheel.take();
        if let Some(wheel) = wheel {
            timers::lose_all(vec![wheel]);
        }
    }
}
