//! Sleeping.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::time::{Duration, Instant};

use crate::{
    budget,
    join::JoinHandle,
    spawn,
    time::{
        clock::{self, NEVER, VirtualClock},
        entry::Look,
        home,
        timer::Timer,
        wheel::Wheel,
    },
};

/// Sleeps for at least so long.
///
/// The future is ready when the time has passed, never before. It is late by what the system takes
/// to wake a thread, and by what runs on the worker at that moment: a worker looks at its timers
/// between two fibers.
///
/// Await it, or, in code that is not `async`, [`wait`](crate::wait()) for it: that suspends the
/// fiber, or parks the thread. It works in any other runtime too.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use dtact_bridge::{Runtime, WaitExt as _, time::sleep};
///
/// let begin = Instant::now();
/// sleep(Duration::from_millis(2)).wait();
/// let runtime = Runtime::new()?;
/// runtime.block_on(async {
///     sleep(Duration::from_millis(2)).await;
/// });
/// assert!(begin.elapsed() >= Duration::from_millis(4));
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
pub fn sleep(span: Duration) -> Sleep {
    let clock = clock::at_hand();
    let now = now_by(clock.as_ref());
    Sleep::new(now.saturating_add(clock::nanos_of(span)), clock)
}

/// Sleeps until an instant: see [`sleep`]. One that has passed is now.
///
/// By a [`VirtualClock`], instants are those of [`now`].
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(clock::nanos(deadline), clock::at_hand())
}

/// What time it is by the clock that the calling code lives by: the system's, or the
/// [`VirtualClock`] of its runtime.
#[must_use]
pub fn now() -> Instant {
    match clock::at_hand() {
        Some(clock) => clock.now(),
        None => Instant::now(),
    }
}

fn now_by(clock: Option<&VirtualClock>) -> u64 {
    clock.map_or_else(clock::now, VirtualClock::nanos)
}

/// The future of [`sleep`].
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct Sleep {
    /// In nanoseconds; `NEVER` and above is never.
    deadline: u64,
    clock: Option<VirtualClock>,
    armed: Armed,
}

enum Armed {
    /// It was not polled yet, or is over.
    No,
    /// By a timer in a wheel, which wakes this waker.
    Timer(&'static Timer, &'static Wheel, Waker),
    /// By a fiber that sleeps instead: it was polled where nobody serves timers.
    Fiber(JoinHandle<()>),
}

impl Sleep {
    pub(crate) const fn new(deadline: u64, clock: Option<VirtualClock>) -> Self {
        Self {
            deadline,
            clock,
            armed: Armed::No,
        }
    }

    /// For so long by the system's clock, whatever the clock of the runtime.
    pub(crate) fn by_the_system(span: Duration) -> Self {
        Self::new(clock::now().saturating_add(clock::nanos_of(span)), None)
    }

    /// When it is over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        clock::instant(self.deadline.min(NEVER))
    }

    pub(crate) const fn deadline_nanos(&self) -> u64 {
        self.deadline
    }

    pub(crate) fn now_nanos(&self) -> u64 {
        now_by(self.clock.as_ref())
    }

    /// Sleeps until another time instead.
    pub(crate) fn reset(&mut self, deadline: u64) {
        self.disarm();
        self.deadline = deadline;
    }

    /// Whether its time has passed.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.now_nanos() >= self.deadline
    }

    fn disarm(&mut self) {
        match core::mem::replace(&mut self.armed, Armed::No) {
            Armed::No => {}
            Armed::Timer(timer, wheel, _) => home::cancel(timer, wheel),
            Armed::Fiber(fiber) => fiber.abort(),
        }
    }

    fn arm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline >= NEVER {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let armed = match &self.clock {
            Some(clock) => Some(clock.arm(self.deadline, waker.clone())),
            None => home::arm(self.deadline, waker.clone()),
        };
        if let Some((timer, wheel)) = armed {
            self.armed = Armed::Timer(timer, wheel, waker);
            // A virtual clock may have been moved past it meanwhile, and wakes for it no more.
            if self.clock.is_some() && self.is_elapsed() {
                self.disarm();
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
        self.armed = Armed::Fiber(spawn::spawn(Self::new(self.deadline, None)));
        self.poll_fiber(cx)
    }

    /// Polls the fiber that sleeps instead.
    fn poll_fiber(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Armed::Fiber(fiber) = &mut self.armed else {
            return Poll::Pending;
        };
        match Pin::new(fiber).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                self.armed = Armed::No;
                assert!(
                    outcome.is_ok() || self.is_elapsed(),
                    "a sleep outside of any runtime needs the global one: {outcome:?}"
                );
                Poll::Ready(())
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    /// # Panics
    ///
    /// If it is polled by another runtime's thread, and the global runtime, which it needs there,
    /// cannot be started or has been shut down.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.armed {
            Armed::No => {}
            Armed::Fiber(_) => return self.poll_fiber(cx),
            Armed::Timer(timer, _, waker) => match timer.entry.look() {
                Look::Armed if waker.will_wake(cx.waker()) => return Poll::Pending,
                Look::Armed | Look::Firing => self.disarm(),
                Look::Fired => {
                    home::free(timer);
                    self.armed = Armed::No;
                }
            },
        }
        if self.is_elapsed() {
            return if budget::take_here(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        self.arm(cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}
