//! How long woken fibers waited until they ran.

use core::time::Duration;
use std::collections::HashMap;

use crate::trace::{Effect, EventKind, Trace};

/// How many buckets there are: one for each power of two of nanoseconds.
const BUCKETS: usize = 64;

/// A histogram of times from a wake, which queued its fiber, to the run that followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Bucket `n` counts waits of 2^(n-1) up to 2^n - 1 nanoseconds.
    counts: [u64; BUCKETS],
}

impl Waits {
    /// How many waits were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The buckets that are not empty, shortest first: the longest wait each is for, and how many
    /// waits fell into it. Each is for waits twice as long as the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let numbered = (0..).zip(self.counts);
        numbered
            .filter(|(_, count)| *count != 0)
            .map(|(number, count)| (longest(number), count))
    }

    /// The longest wait of the bucket below which a share of all waits lies: 0.5 for the median.
    /// `None` where nothing was counted. A share below 0 means 0, one above 1 means 1.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "a share of it is wanted")]
        let wanted = share.clamp(0.0, 1.0) * self.total() as f64;
        let mut seen = 0;
        let mut last = None;
        for (wait, count) in self.buckets() {
            seen += count;
            last = Some(wait);
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            if seen as f64 >= wanted {
                break;
            }
        }
        last
    }
}

const fn longest(bucket: u32) -> Duration {
    Duration::from_nanos((1 << bucket) - 1)
}

impl Trace {
    /// How long woken fibers waited until they ran, of those whose wake and run are both here.
    #[must_use]
    pub fn wake_to_run(&self) -> Waits {
        let mut waits = Waits {
            counts: [0; BUCKETS],
        };
        let mut woken = HashMap::new();
        for event in self.events() {
            match event.kind {
                EventKind::Wake(Effect::Queued) => {
                    woken.insert(event.fiber, event.at);
                }
                EventKind::Poll | EventKind::Resume => {
                    if let Some(since) = woken.remove(&event.fiber) {
                        let nanos = event.at.saturating_sub(since).as_nanos();
                        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
                        waits.counts[bucket.min(BUCKETS - 1)] += 1;
                    }
                }
                _ => {}
            }
        }
        waits
    }
}
