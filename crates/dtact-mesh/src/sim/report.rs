//! Owns what a simulation tells.

use core::fmt;

/// How long tasks waited from when they were ready until they ran, in ns.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Default)]
pub struct Waits {
    /// The mean.
    pub mean: u64,
    /// Half waited no longer.
    pub median: u64,
    /// 99 of 100 waited no longer.
    pub p99: u64,
    /// Nobody waited longer.
    pub max: u64,
}

impl Waits {
    pub(super) fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let at = |percent: usize| {
            let rank = (waits.len() * percent).div_ceil(100).max(1) - 1;
            waits.get(rank).copied().unwrap_or(0)
        };
        let sum: u128 = waits.iter().map(|&wait| u128::from(wait)).sum();
        let mean = sum / waits.len().max(1) as u128;
        Self {
            mean: u64::try_from(mean).unwrap_or(u64::MAX),
            median: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

/// What workers did to others' memory in order to find or pass on work.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Default)]
pub struct Messages {
    /// Queues of other workers that were looked at.
    pub probes: u64,
    /// Tasks that were passed on unasked, each counted at each hop.
    pub deflected: u64,
    /// Sleeping workers that were woken.
    pub wakes: u64,
}

impl Messages {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.probes + self.deflected + self.wakes
    }
}

/// What a simulation tells. Times are virtual, in ns.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// How many tasks ran, each once.
    pub tasks: usize,
    /// When the last one ended.
    pub makespan: u64,
    /// No schedule ends earlier.
    pub makespan_bound: u64,
    /// How long tasks waited.
    pub waits: Waits,
    /// How many tasks waited at a time, on average.
    pub waiting_mean: f64,
    /// How many waited at the worst time.
    pub waiting_max: u64,
    /// Which share of the workers' time went into tasks.
    pub utilisation: f64,
    /// Jain's index of how evenly tasks' time was spread over the workers: 1 is evenly, 1 / n is
    /// all on one.
    pub fairness: f64,
    /// How far tasks came from the worker that queued them, nearest first: not at all, to a thread
    /// of the same core, within the complex, within the node, farther.
    pub moves: [u64; 5],
    /// What was sent for it.
    pub messages: Messages,
}

impl Report {
    /// Messages for each task.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn messages_per_task(&self) -> f64 {
        self.messages.total() as f64 / self.tasks.max(1) as f64
    }

    /// The makespan as a multiple of the bound.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn stretch(&self) -> f64 {
        self.makespan as f64 / self.makespan_bound.max(1) as f64
    }

    /// The heading of the lines that [`Display`](fmt::Display) gives.
    pub const HEADING: &'static str = "\
| makespan, of the bound | mean wait, us | p99, us | max, us | waiting, mean | max | moved | \
probes a task | deflected | wakes | fairness |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";
}

impl fmt::Display for Report {
    /// A line of a table.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |ns: u64| ns as f64 / 1000.0;
        let per_task = |count: u64| count as f64 / self.tasks.max(1) as f64;
        let moved: u64 = self.moves[1..].iter().sum();
        write!(
            f,
            "| {:.3} | {:.2} | {:.1} | {:.0} | {:.1} | {} \
             | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} |",
            self.stretch(),
            us(self.waits.mean),
            us(self.waits.p99),
            us(self.waits.max),
            self.waiting_mean,
            self.waiting_max,
            per_task(moved),
            per_task(self.messages.probes),
            per_task(self.messages.deflected),
            per_task(self.messages.wakes),
            self.fairness,
        )
    }
}
