//! Owns the step from what a system says of each CPU to a topology: groups become nested and get
//! numbers.
//!
//! Systems disagree with themselves: a cache may reach across nodes, a core across caches. Nothing
//! is believed but equality: two CPUs are in one complex if they are in one node *and* have the
//! same cache, in one core if they are in one complex *and* have the same core. So the levels are
//! nested whatever the system says, and what does not fit makes groups smaller, never wrong.

use std::collections::BTreeMap;

use super::{Cpu, CpuLevel, Gap, Quota, Topology, cpu_list::CpuSet, error::TopologyError};

/// What a system says of one CPU that is online. Names of groups are any numbers, one a group.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) number: u32,
    /// `None`: unknown, so the CPU is a core of its own.
    pub(super) core: Option<u32>,
    /// Whose last-level cache it has. `None`: unknown, so that of its package.
    pub(super) cache: Option<u32>,
    /// `None`: unknown, so the machine has one.
    pub(super) package: Option<u32>,
    /// `None`: unknown, so the first node.
    pub(super) node: Option<u32>,
    /// How fast it is beside others of this machine, in any unit. `None`: as fast as the slowest.
    pub(super) speed: Option<u64>,
    /// Whether this process may run there.
    pub(super) usable: bool,
}

impl Fact {
    /// A CPU of which nothing is known.
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            core: None,
            cache: None,
            package: None,
            node: None,
            speed: None,
            usable: true,
        }
    }

    fn complex_key(&self, node: u32) -> (u32, Option<u32>, Option<u32>) {
        let package = if self.cache.is_none() {
            self.package
        } else {
            None
        };
        (node, self.cache, package)
    }
}

/// All that a system says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) online: Vec<Fact>,
    /// CPUs that are there and switched off.
    pub(super) offline: CpuSet,
    pub(super) quota: Option<Quota>,
    pub(super) gaps: Vec<Gap>,
}

impl Facts {
    pub(super) fn build(mut self) -> Result<Topology, TopologyError> {
        self.online.sort_by_key(|fact| fact.number);
        self.online.dedup_by_key(|fact| fact.number);
        if !self.online.iter().any(|fact| fact.usable) {
            return Err(TopologyError::NoCpus);
        }
        let first_node = self.online.iter().filter_map(|fact| fact.node).min();
        let classes = Classes::of(self.online.iter().filter_map(|fact| fact.speed));
        let mut complexes = Numbering::default();
        let mut cores = Numbering::default();
        let mut cpus = Vec::with_capacity(self.online.len());
        let mut threads = Vec::new();
        for fact in &self.online {
            let node = fact.node.or(first_node).unwrap_or(0);
            let complex = complexes.number(fact.complex_key(node));
            let single = if fact.core.is_none() {
                Some(fact.number)
            } else {
                None
            };
            let core = cores.number((complex, fact.core, single));
            let level = CpuLevel {
                cpu: fact.number,
                core,
                complex,
                node,
            };
            threads.resize(threads.len().max(core as usize + 1), 0);
            let thread = threads[core as usize];
            threads[core as usize] += 1;
            cpus.push(Cpu {
                thread,
                level,
                class: classes.class(fact.speed),
                usable: fact.usable,
            });
        }
        self.gaps.dedup();
        Ok(Topology::new(cpus, self.offline, self.quota, self.gaps))
    }
}

/// Numbers from 0 for keys in the order of their first use.
struct Numbering<K>(BTreeMap<K, u32>);

impl<K> Default for Numbering<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Numbering<K> {
    fn number(&mut self, key: K) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(key).or_insert(next)
    }
}

/// The least speed of each class but the slowest, ascending.
struct Classes(Vec<u64>);

impl Classes {
    /// Speeds that differ by less than a fifth are one class: among equal cores some are rated a
    /// few per cent faster than others, and that is no reason to treat them differently.
    fn of(speeds: impl Iterator<Item = u64>) -> Self {
        let mut speeds: Vec<_> = speeds.collect();
        speeds.sort_unstable();
        let mut starts = Vec::new();
        let mut start = speeds.first().copied().unwrap_or(0);
        for speed in speeds {
            if speed.saturating_sub(start) > start / 5 {
                starts.push(speed);
                start = speed;
            }
        }
        Self(starts)
    }

    fn class(&self, speed: Option<u64>) -> u8 {
        let below = |speed| self.0.partition_point(|&start| start <= speed);
        u8::try_from(speed.map_or(0, below)).unwrap_or(u8::MAX)
    }
}
