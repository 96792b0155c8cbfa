//! Owns what is known of the machine: which CPUs there are, which of them share what, and how many
//! of them this process may use.
//!
//! ```text
//!   files of Linux ----- sysfs, cgroup --+
//!   a recording of them -+               +--> facts: one a CPU --> nested levels --> Topology
//!   calls of Windows, macOS -- os -------+
//! ```
//!
//! # Levels
//! | level | is | unknown: |
//! | --- | --- | --- |
//! | node | memory that is equally near (NUMA) | the machine |
//! | complex | a shared L3 (or L2, where that is the last) | the package, else the node |
//! | core | hardware threads of one core | one CPU |
//!
//! Each level lies within the one above. Nothing is assumed about numbers: they may have holes.
//!
//! The tests stay out of the Miri interpreter: this is safe code of one thread, and thousands of
//! CPUs take it minutes. So do those of the simulator.

mod cgroup;
mod cpu_list;
mod error;
mod facts;
mod files;
pub(crate) mod os;
mod sysfs;

pub use cpu_list::CpuListError;
pub use error::TopologyError;

use core::num::NonZeroU64;

use crate::domains::{Distance, Place};
use cpu_list::CpuSet;

/// Where a CPU is: what the levels of a machine are called that it belongs to.
///
/// Cores and complexes are numbered from 0 through the whole machine, CPUs and nodes as the system
/// numbers them. On Windows a CPU's number is 64 times its processor group plus its number there.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct CpuLevel {
    /// The logical CPU: a hardware thread.
    pub cpu: u32,
    /// The core.
    pub core: u32,
    /// The core complex: CPUs that share an L3 cache.
    pub complex: u32,
    /// The NUMA node.
    pub node: u32,
}

impl CpuLevel {
    /// How far `other` is: [`Same`](Distance::Same) is the same CPU.
    #[must_use]
    pub fn distance(self, other: Self) -> Distance {
        if self.cpu == other.cpu {
            Distance::Same
        } else if self.core == other.core {
            Distance::Core
        } else if self.complex == other.complex {
            Distance::Complex
        } else if self.node == other.node {
            Distance::Node
        } else {
            Distance::Machine
        }
    }

    /// The place of a worker that is bound to this CPU.
    #[must_use]
    pub const fn place(self) -> Place {
        Place {
            core: self.core,
            complex: self.complex,
            node: self.node,
        }
    }
}

/// A CPU that is online.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Cpu {
    /// Where it is.
    pub level: CpuLevel,
    /// Which of its core's hardware threads it is, from 0.
    pub thread: u32,
    /// How fast it is beside others of this machine: 0 for the slowest. Machines with big and
    /// little cores have at least two classes, others one.
    pub class: u8,
    /// Whether this process may run there.
    pub usable: bool,
}

/// How much CPU time a process may take, from its control groups: `quota` of each `period`.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Quota {
    /// CPU time in microseconds.
    pub quota: NonZeroU64,
    /// Wall time in microseconds.
    pub period: NonZeroU64,
}

impl Quota {
    fn new(quota: u64, period: u64) -> Option<Self> {
        Some(Self {
            quota: NonZeroU64::new(quota)?,
            period: NonZeroU64::new(period)?,
        })
    }

    /// How many CPUs keep it busy, a started one counting whole.
    #[must_use]
    pub fn cpus(self) -> u64 {
        self.quota.get().div_ceil(self.period.get())
    }

    fn smaller(self, other: Self) -> Self {
        let share = |one: Self, by: Self| u128::from(one.quota.get()) * u128::from(by.period.get());
        if share(other, self) < share(self, other) {
            other
        } else {
            self
        }
    }
}

/// What could not be found out, and what is assumed in its place.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Gap {
    /// Which CPUs are online: those that the process may use.
    Online,
    /// Which CPUs the process may use: all.
    Allowed,
    /// Which CPUs are threads of one core, for some CPUs: each of these is a core.
    Cores,
    /// Which CPUs share a cache, for some CPUs: these share theirs with those of their package.
    Caches,
    /// Which node some CPUs are in: these are in the first.
    Nodes,
}

/// What is known of a machine.
///
/// ```
/// use dtact_mesh::Topology;
///
/// let machine = Topology::detect()?;
/// assert!(machine.recommended_workers() <= machine.usable().count());
///
/// // The four CPUs of another machine, two to a core.
/// let other = Topology::from_recording(
///     "/sys/devices/system/cpu/online: 0-3
///      /sys/devices/system/cpu/cpu[0-1]/topology/core_cpus_list: 0-1
///      /sys/devices/system/cpu/cpu[2-3]/topology/core_cpus_list: 2-3",
/// )?;
/// assert_eq!(other.cpus().len(), 4);
/// assert_eq!(other.cores(), 2);
/// # Ok::<(), dtact_mesh::TopologyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    /// Ascending by number.
    cpus: Box<[Cpu]>,
    /// By CPU number: one more than the place in `cpus`, 0 for none.
    places: Box<[u16]>,
    offline: CpuSet,
    quota: Option<Quota>,
    gaps: Vec<Gap>,
}

impl Topology {
    /// Asks the system about this machine, and what the calling thread may use of it.
    ///
    /// What the system does not tell is a [gap](Self::gaps), and the topology is coarser for it.
    ///
    /// # Errors
    /// [`TopologyError::NoCpus`], if the system names no CPU at all.
    pub fn detect() -> Result<Self, TopologyError> {
        os::detect()?.build()
    }

    /// Reads the description of a Linux machine: lines of `path: text`, each a file of `/sys` or
    /// `/proc` with its content. In a path, `[0-3,8]` stands for one file for each number; in a
    /// text, `\n` for the end of a line. Empty lines and those that begin with `#` say nothing.
    ///
    /// The kernel's files are listed in `docs/scheduling.md`; all but those that name a CPU may be
    /// left out. The CPUs that the process may use are the line `Cpus_allowed_list:` in
    /// `/proc/thread-self/status`.
    ///
    /// # Errors
    /// If a line is none of these, or no CPU is both online and allowed.
    pub fn from_recording(text: &str) -> Result<Self, TopologyError> {
        sysfs::read(&files::Recording::parse(text)?, None).build()
    }

    fn new(cpus: Vec<Cpu>, offline: CpuSet, quota: Option<Quota>, gaps: Vec<Gap>) -> Self {
        let end = cpus.last().map_or(0, |cpu| cpu.level.cpu as usize + 1);
        let mut places = vec![0; end].into_boxed_slice();
        for (place, cpu) in (1..).zip(&cpus) {
            places[cpu.level.cpu as usize] = place;
        }
        Self {
            cpus: cpus.into(),
            places,
            offline,
            quota,
            gaps,
        }
    }

    /// The CPUs that are online, ascending by number.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// Those of them that this process may use: at least one.
    pub fn usable(&self) -> impl Iterator<Item = &Cpu> {
        self.cpus.iter().filter(|cpu| cpu.usable)
    }

    /// The CPU with this number, if it is online.
    #[must_use]
    pub fn cpu(&self, number: u32) -> Option<&Cpu> {
        let place = usize::from(*self.places.get(number as usize)?);
        self.cpus.get(place.checked_sub(1)?)
    }

    /// Whether the machine has a CPU with this number that is switched off.
    #[must_use]
    pub fn is_offline(&self, number: u32) -> bool {
        self.offline.contains(number)
    }

    /// How many cores are online.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.count(|level| level.core)
    }

    /// How many core complexes there are: groups of CPUs that share an L3 cache.
    #[must_use]
    pub fn complexes(&self) -> usize {
        self.count(|level| level.complex)
    }

    /// How many NUMA nodes have CPUs.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.count(|level| level.node)
    }

    fn count(&self, name: fn(CpuLevel) -> u32) -> usize {
        let mut names: Vec<_> = self.cpus.iter().map(|cpu| name(cpu.level)).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// How much CPU time the process may take, if its control groups say so.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// What could not be found out.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many workers keep busy what this process may use: one for each usable CPU, but no more
    /// than its quota pays for, a started CPU counting whole.
    ///
    /// More would only wait for each other; with a quota, they would use it up early in a period
    /// and stand still for the rest.
    #[must_use]
    pub fn recommended_workers(&self) -> usize {
        let quota = self.quota.map_or(u64::MAX, Quota::cpus);
        self.usable()
            .count()
            .min(usize::try_from(quota).unwrap_or(usize::MAX))
    }

    /// Where the calling thread runs at this moment. `None` where the system does not say, or says
    /// a CPU that was offline when the topology was made.
    ///
    /// No system call on Linux where the vDSO has `getcpu`; a thread that is not pinned may be
    /// elsewhere by the time it looks at the answer.
    #[must_use]
    pub fn current(&self) -> Option<CpuLevel> {
        Some(self.cpu(os::current_cpu()?)?.level)
    }
}
