//! How long fibers that are woken wait until they run, where a runtime measures that.
//!
//! ```text
//!   who wakes a fiber, and so holds it       the worker that runs it, and so holds it
//!   writes down the time beside its cell ──▶ takes that, and counts the difference
//! ```
//!
//! Each worker counts in histograms of its own, one for each priority. A bucket is a quarter of an
//! octave wide: what is read from it is at most a quarter too much.

use core::time::Duration;
use std::time::Instant;

use dtact_arena::CellIndex;
use dtact_mesh::{Priority, WorkerId};

use crate::{
    fiber::extras::{Extra, Extras},
    sync::{AtomicU64, OnceLock, Ordering},
};

/// Up to here each nanosecond has a bucket.
const EXACT: usize = 8;
/// Into how many parts each octave above is divided.
const PARTS: usize = 4;
/// The last octave: above it everything is in one bucket, of over an hour.
const OCTAVE_LAST: usize = 42;
const BUCKETS: usize = EXACT + (OCTAVE_LAST - 2) * PARTS;

/// How long fibers of a runtime waited from when they were woken until they ran: a snapshot, by
/// [`Runtime::wake_latencies`](crate::Runtime::wake_latencies).
#[derive(Clone, Debug)]
pub struct WakeLatencies {
    workers: Vec<(usize, [LatencyHistogram; 4])>,
}

/// How often it took how long. What is said of times is at most a quarter more than it was, up to
/// an hour; the clock is the system's monotonic one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: Box<[u64; BUCKETS]>,
}

impl WakeLatencies {
    /// Of all fibers.
    #[must_use]
    pub fn all(&self) -> LatencyHistogram {
        sum(self.workers.iter().flat_map(|(_, each)| each))
    }

    /// Of the fibers of one priority.
    #[must_use]
    pub fn of(&self, priority: Priority) -> LatencyHistogram {
        sum(self
            .workers
            .iter()
            .map(|(_, each)| &each[priority as usize]))
    }

    /// Of those that one worker ran, as [`WorkerMetrics::worker`](crate::WorkerMetrics::worker)
    /// numbers them; empty if it ran none.
    #[must_use]
    pub fn of_worker(&self, worker: usize) -> LatencyHistogram {
        let own = self.workers.iter().filter(|(number, _)| *number == worker);
        sum(own.flat_map(|(_, each)| each))
    }
}

fn sum<'all>(all: impl Iterator<Item = &'all LatencyHistogram>) -> LatencyHistogram {
    let mut sum = LatencyHistogram::new();
    for one in all {
        for (sum, count) in sum.counts.iter_mut().zip(one.counts.iter()) {
            *sum += count;
        }
    }
    sum
}

impl LatencyHistogram {
    fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
        }
    }

    /// How many times there are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What this part of the times did not exceed: 0.5 is the median, 1.0 the longest. `None`
    /// where there are none.
    ///
    /// # Panics
    ///
    /// If `part` is not within 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&part), "{part} is no part of a whole");
        let count = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bucket is coarser"
        )]
        let wanted = ((count as f64 * part).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        self.buckets().find_map(|(longest, count)| {
            seen += count;
            (seen >= wanted).then_some(longest)
        })
    }

    /// The buckets that are not empty, the shortest times first: what no time in it exceeds, and
    /// how many there are. The last of all has no such bound, and says [`Duration::MAX`].
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count != 0)
            .map(|(bucket, &count)| (longest_in(bucket), count))
    }
}

/// The bucket of a time.
fn bucket_of(nanos: u64) -> usize {
    if let Ok(exact @ 0..EXACT) = usize::try_from(nanos) {
        return exact;
    }
    let octave = nanos.ilog2() as usize;
    // The two bits after the first.
    let part = (0..PARTS).rfind(|&part| nanos >> (octave - 2) >= (PARTS + part) as u64);
    (EXACT + (octave - 3) * PARTS + part.unwrap_or(0)).min(BUCKETS - 1)
}

/// The longest time of a bucket.
const fn longest_in(bucket: usize) -> Duration {
    if bucket < EXACT {
        return Duration::from_nanos(bucket as u64);
    }
    if bucket + 1 == BUCKETS {
        return Duration::MAX;
    }
    let (octave, part) = ((bucket - EXACT) / PARTS + 3, (bucket - EXACT) % PARTS);
    let width = 1 << (octave - 2);
    Duration::from_nanos((PARTS + part + 1) as u64 * width - 1)
}

/// The histograms of one worker, written by it alone, by the number of the priority.
type Counted = Box<[[AtomicU64; BUCKETS]; 4]>;

/// What a runtime has that measures.
#[derive(Debug)]
pub(crate) struct WakeTimes {
    started: Instant,
    /// One for each worker there can be, made when it first counts.
    workers: Box<[OnceLock<Counted>]>,
}

impl WakeTimes {
    pub(crate) fn new(workers_max: usize) -> Self {
        Self {
            started: Instant::now(),
            workers: (0..workers_max).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The fiber of this cell was woken. By whoever holds it, before it is queued.
    pub(crate) fn woken(&self, extras: &Extras, cell: CellIndex) {
        extras.get_or_make(cell).set_woken(self.now());
    }

    /// It begins to run. By the worker that holds it now.
    pub(crate) fn runs(&self, extras: &Extras, cell: CellIndex, of: (WorkerId, Priority)) {
        let Some(woken) = extras.get(cell).and_then(Extra::take_woken) else {
            return;
        };
        let nanos = self.now().saturating_sub(woken).as_nanos();
        let bucket = bucket_of(u64::try_from(nanos).unwrap_or(u64::MAX));
        let counted = self.workers[of.0.index()].get_or_init(|| {
            Box::new(core::array::from_fn(|_| {
                core::array::from_fn(|_| AtomicU64::new(0))
            }))
        });
        let count = &counted[of.1 as usize][bucket];
        // Relaxed, both: this thread alone writes it.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn read(&self) -> WakeLatencies {
        let read = |counted: &[AtomicU64; BUCKETS]| LatencyHistogram {
            counts: Box::new(core::array::from_fn(|bucket| {
                counted[bucket].load(Ordering::Relaxed)
            })),
        };
        let workers = self.workers.iter().enumerate();
        let workers = workers.filter_map(|(number, own)| {
            let own = own.get()?;
            Some((number, core::array::from_fn(|place| read(&own[place]))))
        });
        WakeLatencies {
            workers: workers.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_its_longest_and_no_more_than_a_quarter_less() {
        for octave in 0..43 {
            for nanos in [1 << octave, (1 << octave) + 1, (2 << octave) - 1] {
                let longest = longest_in(bucket_of(nanos));
                if longest == Duration::MAX {
                    assert!(nanos > 3_600_000_000_000, "{nanos}");
                    continue;
                }
                let longest = u64::try_from(longest.as_nanos()).expect("less than an hour");
                assert!(longest >= nanos, "{nanos} {longest}");
                assert!(longest - nanos <= nanos / 4, "{nanos} {longest}");
            }
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_read_from_the_counts() {
        let mut histogram = LatencyHistogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        for nanos in 0..4 {
            histogram.counts[bucket_of(nanos)] += 1;
        }
        assert_eq!(histogram.count(), 4);
        for (part, nanos) in [(0.0, 0), (0.25, 0), (0.5, 1), (0.51, 2), (1.0, 3)] {
            assert_eq!(histogram.quantile(part), Some(Duration::from_nanos(nanos)));
        }
    }
}
