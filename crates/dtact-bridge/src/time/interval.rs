//! Something at regular times.

use core::{
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use std::time::{Duration, Instant};

use crate::time::{
    clock,
    sleep::{Sleep, sleep},
};

/// Ticks at once, and then each time `period` has passed.
///
/// The ticks are due at whole multiples of the period after the first, however late they are taken.
/// Those that were missed altogether are left out: the next is the next that is due.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use dtact_bridge::{Runtime, time::interval};
///
/// let runtime = Runtime::new()?;
/// let begin = Instant::now();
/// runtime.block_on(async {
///     let mut interval = interval(Duration::from_millis(1));
///     for _ in 0..4 {
///         interval.tick().await;
///     }
/// });
/// assert!(begin.elapsed() >= Duration::from_millis(3));
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "an interval of no time never ends: its period is at least 1 ns"
    );
    Interval {
        sleep: sleep(Duration::ZERO),
        period: clock::nanos_of(period),
    }
}

/// What [`interval`] returns.
#[derive(Debug)]
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    sleep: Sleep,
    /// In nanoseconds.
    period: u64,
}

impl Interval {
    /// The next tick: when it was due. Where the future is dropped, the tick is not lost.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Self::tick), for those who poll.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        match Pin::new(&mut self.sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let due = self.sleep.deadline_nanos();
                let late = self.sleep.now_nanos().saturating_sub(due);
                let periods = late / self.period + 1;
                self.sleep
                    .reset(due.saturating_add(periods.saturating_mul(self.period)));
                Poll::Ready(clock::instant(due))
            }
        }
    }
}
