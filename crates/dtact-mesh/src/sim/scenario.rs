//! Owns the loads by name.

use core::fmt;

use super::{
    load::{Load, Machine, Ready},
    random::Random,
};

/// A kind of load.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Scenario {
    /// One task spawns all others, 1 us each, one every 50 ns.
    HotCore,
    /// Now and then a worker gets 200 tasks of 5 us at once.
    Bursts,
    /// Arrivals at random times on random workers; nine of ten take 10 us, the others 100 us.
    Bimodal,
    /// As [`Bimodal`](Self::Bimodal), and a task that keeps worker 0 for 10 ms.
    Stalled,
    /// As [`Bimodal`](Self::Bimodal). Meant for a machine with a slow worker.
    Slow,
    /// Layers of tasks of 5 to 50 us; each waits for up to three of the layer before.
    Dag,
    /// As [`Bimodal`](Self::Bimodal), and each task belongs to one random worker.
    Pinned,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::HotCore,
        Self::Bursts,
        Self::Bimodal,
        Self::Stalled,
        Self::Slow,
        Self::Dag,
        Self::Pinned,
    ];

    /// A name for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HotCore => "hot core",
            Self::Bursts => "bursts",
            Self::Bimodal => "bimodal",
            Self::Stalled => "stalled worker",
            Self::Slow => "slow worker",
            Self::Dag => "DAG",
            Self::Pinned => "all pinned",
        }
    }

    /// The machine that a comparison uses: worker 0 is four times slower in [`Slow`](Self::Slow).
    #[must_use]
    pub fn machine(self, machine: Machine) -> Machine {
        match self {
            Self::Slow => machine.with_slow(0, 400),
            _ => machine,
        }
    }

    /// About so many tasks, at a utilisation of `load` (1 is all that the workers can do) where
    /// tasks arrive over time.
    #[must_use]
    pub fn load(self, machine: &Machine, tasks: u32, load: f64, seed: u64) -> Load {
        let mut random = Random::new(seed);
        let mut all = Load::default();
        match self {
            Self::HotCore => {
                let root = all.add(Ready::At(0, None), 50 * u64::from(tasks));
                for child in 0..tasks {
                    all.add(Ready::Spawned(root, 50 * u64::from(child)), 1_000);
                }
            }
            Self::Bursts => {
                let mut at = Arrivals::new(machine, 200.0 * 5_000.0, load);
                for _ in 0..tasks / 200 {
                    let (now, worker) = at.next(&mut random);
                    for _ in 0..200 {
                        all.add(Ready::At(now, Some(worker)), 5_000);
                    }
                }
            }
            Self::Bimodal | Self::Slow => bimodal(&mut all, machine, tasks, load, &mut random),
            Self::Stalled => {
                all.add_pinned(Ready::At(0, None), 10_000_000, 0);
                bimodal(&mut all, machine, tasks, load, &mut random);
            }
            Self::Dag => dag(&mut all, machine, tasks, &mut random),
            Self::Pinned => {
                bimodal(&mut all, machine, tasks, load, &mut random);
                for task in &mut all.tasks {
                    if let Ready::At(_, worker) = task.ready {
                        task.pinned = worker;
                    }
                }
            }
        }
        all
    }
}

/// Arrivals that know nothing of each other, so far apart that the workers are loaded as asked.
struct Arrivals {
    now: u64,
    mean_gap: f64,
    workers: u64,
}

impl Arrivals {
    fn new(machine: &Machine, mean_service: f64, load: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let speed: f64 = machine
            .slowness
            .iter()
            .map(|&percent| 100.0 / percent as f64)
            .sum();
        Self {
            now: 0,
            mean_gap: mean_service / (speed * load),
            workers: machine.workers() as u64,
        }
    }

    fn next(&mut self, random: &mut Random) -> (u64, u16) {
        self.now += random.exponential(self.mean_gap);
        let worker = random.below(self.workers);
        (self.now, u16::try_from(worker).unwrap_or(u16::MAX))
    }
}

fn bimodal(all: &mut Load, machine: &Machine, tasks: u32, load: f64, random: &mut Random) {
    let mut at = Arrivals::new(machine, 19_000.0, load);
    for _ in 0..tasks {
        let (now, worker) = at.next(random);
        let service = if random.below(10) == 0 {
            100_000
        } else {
            10_000
        };
        all.add(Ready::At(now, Some(worker)), service);
    }
}

fn dag(all: &mut Load, machine: &Machine, tasks: u32, random: &mut Random) {
    let width = u32::try_from(4 * machine.workers()).unwrap_or(u32::MAX);
    for task in 0..tasks {
        let layer = task / width;
        let before = layer.saturating_sub(1) * width..layer * width;
        let service = 5_000 + random.below(45_001);
        let ready = if before.is_empty() {
            Ready::At(0, None)
        } else {
            let layer: Vec<u32> = before.collect();
            let mut after: Vec<_> = (0..=random.below(3))
                .map(|_| layer[random.place(layer.len())])
                .collect();
            after.sort_unstable();
            after.dedup();
            Ready::After(after)
        };
        all.add(ready, service);
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
