//! How much idle memory a pool keeps: a watermark that follows demand up at once, and down by half
//! in each quarter of a period.
//!
//! ```text
//!   stacks │      ┌─┐
//!          │      │ │▔▔▁▁               ── demand: the most that were out in a quarter
//!          │      │ │    ▔▔▁▁           ▔▁ watermark: what keeps its memory
//!          │ ─────┘ └────────▔▔▁▁────
//!          └────────────────────────── quarters
//! ```
//!
//! So demand that comes back within a period finds an eighth of its memory still there, and two
//! periods after a burst less than a hundredth of it is left.

use core::time::Duration;
use std::time::Instant;

/// The steps of a period.
const STEPS: u32 = 4;

/// When the watermarks of a pool fall.
#[derive(Debug)]
pub(crate) struct Clock {
    step: Duration,
    /// When the last step was; `None` before the first look at the clock.
    last: Option<Instant>,
    has_stepped: bool,
}

impl Clock {
    pub(crate) fn new(period: Duration) -> Self {
        Self {
            step: period / STEPS,
            last: None,
            has_stepped: false,
        }
    }

    /// How many steps are due, after which none is.
    pub(crate) fn steps(&mut self, now: Instant) -> u32 {
        let steps = self.count(now);
        self.has_stepped |= steps > 0;
        steps
    }

    fn count(&mut self, now: Instant) -> u32 {
        let Some(last) = self.last else {
            self.last = Some(now);
            return if self.step.is_zero() { u32::MAX } else { 0 };
        };
        if self.step.is_zero() {
            return u32::MAX;
        }
        let steps = now.saturating_duration_since(last).as_nanos() / self.step.as_nanos();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let is_long = steps > u32::from(u16::MAX);
        // After a long sleep it does not matter where in a step it ended.
        self.last = Some(if is_long {
            now
        } else {
            last + self.step * steps
        });
        steps
    }

    /// Whether there has been a step, so that demand is known.
    pub(crate) fn is_running(&self) -> bool {
        self.has_stepped
    }

    /// How long after `now` the next step is.
    pub(crate) fn next_in(&self, now: Instant) -> Duration {
        match self.last {
            Some(last) => (last + self.step).saturating_duration_since(now),
            None => Duration::ZERO,
        }
    }
}

/// The stacks of one size class that may keep their memory.
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct Watermark(u32);

impl Watermark {
    /// Lets `steps` steps pass, of which the first may have had the `peak`; `out` are out now.
    pub(crate) fn pass(&mut self, steps: u32, peak: u32, out: u32) {
        let decayed = match steps {
            0 => return,
            1 => peak.max(self.0 / 2),
            _ => peak.max(self.0).checked_shr(steps - 1).unwrap_or(0),
        };
        self.0 = decayed.max(out);
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(4);
    const STEP: Duration = Duration::from_secs(1);

    #[test]
    fn two_periods_after_a_burst_a_hundredth_of_it_is_left() {
        let mut watermark = Watermark::default();
        watermark.pass(1, 100_000, 0);
        assert_eq!(watermark.get(), 100_000, "a burst in the quarter that ends");
        for _ in 0..7 {
            watermark.pass(1, 0, 0);
        }
        assert!(watermark.get() <= 1000, "{watermark:?}");
        for _ in 0..10 {
            watermark.pass(1, 0, 0);
        }
        assert_eq!(watermark.get(), 0);
    }

    #[test]
    fn steps_that_were_missed_count_all_the_same() {
        let mut watermark = Watermark::default();
        watermark.pass(8, 100_000, 3);
        assert_eq!(watermark.get(), 100_000 >> 7);
        watermark.pass(u32::MAX, 50, 3);
        assert_eq!(watermark.get(), 3, "what is out has its memory anyway");
    }

    #[test]
    fn steady_demand_keeps_its_memory() {
        let mut watermark = Watermark::default();
        for _ in 0..100 {
            watermark.pass(1, 10, 0);
        }
        assert_eq!(watermark.get(), 10);
    }

    #[test]
    fn the_clock_counts_each_step_once() {
        let start = Instant::now();
        let mut clock = Clock::new(PERIOD);
        assert_eq!(clock.steps(start), 0);
        assert_eq!(clock.next_in(start), STEP);
        assert_eq!(clock.steps(start + STEP / 2), 0);
        assert_eq!(clock.next_in(start + STEP / 2), STEP / 2);
        assert_eq!(clock.steps(start + STEP * 7 / 2), 3);
        assert_eq!(clock.steps(start + STEP * 7 / 2), 0);
        assert_eq!(clock.steps(start + STEP * 4), 1);
        assert_eq!(clock.steps(start), 0, "time that goes back is none");
        assert!(clock.steps(start + STEP * 1_000_000) > 900_000);
    }

    #[test]
    fn a_period_of_nothing_lets_everything_go_at_each_look() {
        let mut clock = Clock::new(Duration::ZERO);
        let now = Instant::now();
        let mut watermark = Watermark::default();
        watermark.pass(clock.steps(now), 100, 0);
        watermark.pass(clock.steps(now), 100, 1);
        assert_eq!(watermark.get(), 1);
        assert_eq!(clock.next_in(now), Duration::ZERO);
    }
}
