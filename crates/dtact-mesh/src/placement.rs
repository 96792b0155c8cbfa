//! Owns which CPUs the workers of a mesh are bound to, if any.
//!
//! ```text
//!   two complexes of two cores with two threads:   0 1 | 2 3      4 5 | 6 7
//!
//!   Compact, 3 workers:     0 1 2    ->  CPUs 0, 2, 1     one complex, whole cores first
//!   Spread, 3 workers:      0 1 2    ->  CPUs 0, 4, 2     as far apart as can be
//!   PerComplex, 3 workers:  0 1 2    ->  {0 1 2 3}, {4 5 6 7}, {0 1 2 3}
//! ```

use core::{cmp::Reverse, error, fmt};
use std::io;

use crate::{
    domains::Domains,
    task::WorkerId,
    topology::{Cpu, CpuLevel, Topology, os},
};

/// Which CPUs the workers are bound to. Of the CPUs that the process may use, those that come first
/// are used first.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub enum Placement {
    /// None: the system places the threads.
    #[default]
    Free,
    /// One CPU each, near each other: as few nodes and complexes as possible; within a complex a
    /// thread of each core first, fast cores before slow ones.
    Compact,
    /// One CPU each, far apart: nodes in turns, complexes within a node in turns, and cores before
    /// second threads. The most cache and memory for each worker.
    Spread,
    /// All CPUs of a complex each: workers stay where their L3 cache is, and the system moves them
    /// about inside. Complexes get workers in turns, as [`Spread`](Self::Spread) does.
    PerComplex,
    /// The CPU at the same place of this list each: worker 0 the first.
    Explicit(Vec<u32>),
}

/// Why workers cannot be placed as asked.
#[non_exhaustive]
#[derive(Debug)]
pub enum PlacementError {
    /// There are more workers than CPUs for them.
    TooFewCpus {
        /// How many workers there are.
        workers: usize,
        /// How many CPUs the process may use, or the list names.
        cpus: usize,
    },
    /// The list names a CPU that the machine does not have.
    NoSuchCpu {
        /// The CPU.
        cpu: u32,
    },
    /// The list names a CPU that is switched off.
    Offline {
        /// The CPU.
        cpu: u32,
    },
    /// The list names a CPU that the process may not use: its cpuset or affinity mask forbids it.
    NotAllowed {
        /// The CPU.
        cpu: u32,
    },
    /// The list names a CPU twice.
    Twice {
        /// The CPU.
        cpu: u32,
    },
    /// The system binds no threads to CPUs.
    Unsupported,
    /// The system refused to bind a thread: the CPU went offline, or the cpuset changed.
    Refused {
        /// Which worker's thread.
        worker: WorkerId,
        /// What the system said.
        error: io::Error,
    },
}

impl Placement {
    /// Works out which worker goes where, before any thread is started.
    ///
    /// ```
    /// use dtact_mesh::{Placement, Topology, WorkerId};
    ///
    /// let machine = Topology::from_recording("/sys/devices/system/cpu/online: 0-3")?;
    /// let plan = Placement::Compact.plan(&machine, 2)?;
    /// assert_eq!(plan.cpus(WorkerId::from_raw(1)), [1]);
    /// assert!(Placement::Compact.plan(&machine, 5).is_err());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there are fewer CPUs than workers, or the list names one that cannot be used.
    pub fn plan(&self, topology: &Topology, workers: usize) -> Result<Plan, PlacementError> {
        let usable: Vec<_> = topology.usable().collect();
        let cpus = match self {
            Self::Free => {
                return Ok(Plan {
                    workers: Vec::new(),
                });
            }
            Self::Explicit(list) => list.len(),
            Self::Compact | Self::Spread | Self::PerComplex => usable.len(),
        };
        if cpus < workers {
            return Err(PlacementError::TooFewCpus { workers, cpus });
        }
        let ordered = match self {
            Self::Free => Vec::new(),
            Self::Compact => compact(usable),
            Self::Spread | Self::PerComplex => spread(usable),
            Self::Explicit(list) => explicit(topology, list)?,
        };
        let one = |cpu: &Cpu| Seating {
            level: cpu.level,
            cpus: vec![cpu.level.cpu],
        };
        let whole = |cpu: &Cpu| Seating {
            level: cpu.level,
            cpus: topology
                .usable()
                .filter(|other| other.level.complex == cpu.level.complex)
                .map(|other| other.level.cpu)
                .collect(),
        };
        let first = ordered.into_iter().take(workers);
        Ok(Plan {
            workers: match self {
                Self::PerComplex => first.map(whole).collect(),
                _ => first.map(one).collect(),
            },
        })
    }

    /// Whether the system can bind threads to CPUs: on Linux and Windows. [`Free`](Self::Free)
    /// needs nothing.
    #[must_use]
    pub const fn is_supported(&self) -> bool {
        os::PINS || matches!(self, Self::Free)
    }
}

/// Node by node, complex by complex, threads of different cores first.
fn compact(mut cpus: Vec<&Cpu>) -> Vec<&Cpu> {
    cpus.sort_by_key(|cpu| {
        let CpuLevel {
            cpu: number,
            complex,
            node,
            ..
        } = cpu.level;
        (node, complex, cpu.thread, Reverse(cpu.class), number)
    });
    cpus
}

/// What was taken least often so far comes first, by the largest level that differs.
fn spread(cpus: Vec<&Cpu>) -> Vec<&Cpu> {
    let cpus = compact(cpus);
    let rank = |cpu: &&Cpu, within: fn(CpuLevel) -> u32, of: fn(CpuLevel) -> u32| {
        let mut names: Vec<_> = Vec::new();
        for other in cpus
            .iter()
            .filter(|other| within(other.level) == within(cpu.level))
        {
            if !names.contains(&of(other.level)) {
                names.push(of(other.level));
            }
        }
        names.iter().position(|&name| name == of(cpu.level))
    };
    let mut ranked: Vec<_> = cpus
        .iter()
        .map(|cpu| {
            let core = rank(cpu, |level| level.complex, |level| level.core);
            let complex = rank(cpu, |level| level.node, |level| level.complex);
            ((cpu.thread, core, complex, cpu.level.node), *cpu)
        })
        .collect();
    ranked.sort_by_key(|&(key, _)| key);
    ranked.into_iter().map(|(_, cpu)| cpu).collect()
}

fn explicit<'t>(topology: &'t Topology, list: &[u32]) -> Result<Vec<&'t Cpu>, PlacementError> {
    for (at, &cpu) in list.iter().enumerate() {
        if list[..at].contains(&cpu) {
            return Err(PlacementError::Twice { cpu });
        }
    }
    list.iter()
        .map(|&cpu| match topology.cpu(cpu) {
            Some(found) if found.usable => Ok(found),
            Some(_) => Err(PlacementError::NotAllowed { cpu }),
            None if topology.is_offline(cpu) => Err(PlacementError::Offline { cpu }),
            None => Err(PlacementError::NoSuchCpu { cpu }),
        })
        .collect()
}

#[derive(Clone, Eq, PartialEq, Debug)]
struct Seating {
    level: CpuLevel,
    cpus: Vec<u32>,
}

/// Which worker goes where: what [`Placement::plan`] worked out.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Plan {
    /// Empty if nobody is bound.
    workers: Vec<Seating>,
}

impl Plan {
    /// The CPUs that `worker` is bound to; none if it is not bound, as spares never are.
    #[must_use]
    pub fn cpus(&self, worker: WorkerId) -> &[u32] {
        let seating = self.workers.get(worker.index());
        seating.map_or(&[], |seating| &seating.cpus)
    }

    /// Where `worker` is, if it is bound. Bound to a whole complex, it counts as being on one of
    /// the complex's CPUs, no two workers on the same.
    #[must_use]
    pub fn level(&self, worker: WorkerId) -> Option<CpuLevel> {
        Some(self.workers.get(worker.index())?.level)
    }

    /// Which of so many workers are near to each other: those of the plan where it puts them. If it
    /// binds nobody, all are equally near.
    #[must_use]
    pub fn domains(&self, workers: usize) -> Domains {
        if self.workers.is_empty() {
            return Domains::flat(workers);
        }
        Domains::new(self.workers.iter().map(|seating| seating.level.place()))
    }

    /// Binds the calling thread, that of `worker`, to its CPUs. Does nothing for a worker that is
    /// not bound.
    ///
    /// # Errors
    /// [`Unsupported`](PlacementError::Unsupported) where the system cannot do it at all, and
    /// [`Refused`](PlacementError::Refused) where the system would not.
    pub fn pin_current_thread(&self, worker: WorkerId) -> Result<(), PlacementError> {
        let cpus = self.cpus(worker);
        if cpus.is_empty() {
            return Ok(());
        }
        os::pin(cpus).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => PlacementError::Unsupported,
            _ => PlacementError::Refused { worker, error },
        })
    }
}

impl fmt::Display for PlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewCpus { workers, cpus } => write!(
                f,
                "{workers} workers cannot have a CPU each of {cpus}; ask for fewer workers, or \
                 leave them unbound"
            ),
            Self::NoSuchCpu { cpu } => {
                write!(f, "the machine has no CPU {cpu}; take it off the list")
            }
            Self::Offline { cpu } => write!(
                f,
                "CPU {cpu} is offline; take it off the list, or switch it on"
            ),
            Self::NotAllowed { cpu } => write!(
                f,
                "this process may not use CPU {cpu}; take it off the list, or widen the cpuset or \
                 affinity mask of the process"
            ),
            Self::Twice { cpu } => write!(f, "the list names CPU {cpu} twice; name each CPU once"),
            Self::Unsupported => f.write_str(
                "this system does not bind threads to these CPUs; leave the workers unbound",
            ),
            Self::Refused { worker, error } => write!(
                f,
                "the system did not bind worker {worker} to its CPUs: {error}; has a CPU gone \
                 offline, or the cpuset changed?"
            ),
        }
    }
}

impl error::Error for PlacementError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}
