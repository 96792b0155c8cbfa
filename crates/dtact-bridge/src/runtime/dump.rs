//! What all fibers are doing, for people who look for one that does not end.

use core::{fmt, panic::Location};

use dtact_arena::CellIndex;
use dtact_mesh::{Affinity, Attributes, Kind as WorkloadKind, Priority};

use crate::{
    fiber::{state::Phase, traits},
    registry::RUNTIMES,
    runtime::{Runtime, Shared, shutdown::touched},
    sync::Ordering,
};

/// The fibers of a runtime that have not gone, each as it was when it was looked at: the workers
/// go on meanwhile. It prints as one line for each.
///
/// # Examples
///
/// ```
/// use dtact_bridge::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(std::future::pending::<()>());
/// println!("{}", runtime.dump());
/// # drop(handle);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    fibers: Vec<FiberDump>,
}

/// One fiber in a [`Dump`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiberDump {
    cell: u32,
    generation: u32,
    status: FiberStatus,
    worker: Option<u16>,
    is_pinned: bool,
    attributes: Attributes,
    stack_bytes_min: u32,
    name: Option<&'static str>,
    location: Option<&'static Location<'static>>,
}

/// What a fiber is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FiberStatus {
    /// It runs, or waits in a queue to be run.
    Runnable,
    /// It waits to be woken.
    Parked,
    /// It has ended; its handle has not taken the outcome yet.
    Ended,
}

impl Dump {
    /// The fibers, in the order of their cells.
    #[must_use]
    pub fn fibers(&self) -> &[FiberDump] {
        &self.fibers
    }
}

impl FiberDump {
    /// What it is doing.
    #[must_use]
    pub const fn status(&self) -> FiberStatus {
        self.status
    }

    /// The worker that alone can go on with it: because the fiber is suspended in
    /// [`wait`](crate::wait()) on its thread, or was spawned for it.
    #[must_use]
    pub fn worker(&self) -> Option<usize> {
        self.worker.map(usize::from)
    }

    /// The worker on whose thread it is suspended in [`wait`](crate::wait()), if it is. Of a fiber
    /// that was spawned for one worker this is not known.
    #[must_use]
    pub fn suspended_on(&self) -> Option<usize> {
        self.worker().filter(|_| !self.is_pinned)
    }

    /// The name that it was spawned with.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// How urgent it is.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.attributes.priority()
    }

    /// How far it may move from its home.
    #[must_use]
    pub const fn affinity(&self) -> Affinity {
        self.attributes.affinity()
    }

    /// What it mostly does.
    #[must_use]
    pub const fn kind(&self) -> WorkloadKind {
        self.attributes.kind()
    }

    /// The least size of the stack that it asked for, in bytes; 0 if it did not.
    #[must_use]
    pub const fn stack_bytes_min(&self) -> u32 {
        self.stack_bytes_min
    }

    /// Where in the program it was spawned.
    #[must_use]
    pub const fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} fibers", self.fibers.len())?;
        self.fibers
            .iter()
            .try_for_each(|fiber| writeln!(f, "  {fiber}"))
    }
}

impl fmt::Display for FiberDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = CellIndex::from_raw(self.cell);
        let (bytes, slot) = index.map_or((0, 0), |index| (index.class().bytes(), index.slot()));
        write!(f, "fiber {bytes}/{slot} generation {}", self.generation)?;
        if let Some(name) = self.name {
            write!(f, " \"{name}\"")?;
        }
        f.write_str(": ")?;
        f.write_str(match self.status {
            FiberStatus::Runnable => "runnable",
            FiberStatus::Parked => "parked",
            FiberStatus::Ended => "ended, not joined",
        })?;
        match self.worker {
            Some(worker) if self.is_pinned => write!(f, ", stays on worker {worker}")?,
            Some(worker) => write!(f, ", suspended in wait() on worker {worker}")?,
            None => {}
        }
        if self.priority() != Priority::Normal {
            write!(f, ", {:?} priority", self.priority())?;
        }
        if self.affinity() != Affinity::Any {
            write!(f, ", {:?}", self.affinity())?;
            if let Some(home) = self.attributes.home() {
                write!(f, " as worker {home}")?;
            }
        }
        if self.kind() != WorkloadKind::Compute {
            write!(f, ", {:?}", self.kind())?;
        }
        match self.location {
            Some(location) => write!(f, ", spawned at {location}"),
            None => Ok(()),
        }
    }
}

impl Runtime {
    /// What all fibers are doing at this moment.
    #[must_use]
    pub fn dump(&self) -> Dump {
        dump(&self.shared)
    }
}

fn dump(shared: &Shared) -> Dump {
    Dump {
        fibers: touched(shared)
            .filter_map(|index| fiber(shared, index))
            .collect(),
    }
}

/// The fiber of a cell, if one is there.
pub(crate) fn fiber(shared: &Shared, index: CellIndex) -> Option<FiberDump> {
    let header = shared.cell(index.raw())?.header();
    let status = match header.state.phase() {
        Phase::Free => return None,
        Phase::Owned => FiberStatus::Runnable,
        Phase::Parked => FiberStatus::Parked,
        Phase::Done => FiberStatus::Ended,
    };
    // Relaxed: a figure for people.
    let worker = header.home.load(Ordering::Relaxed).checked_sub(1);
    let generation = header.state.generation();
    Some(FiberDump {
        cell: index.raw(),
        generation,
        status,
        worker,
        is_pinned: header.traits() & traits::PINNED != 0,
        attributes: header.attributes(),
        stack_bytes_min: header.floor(),
        name: shared.extras.name(index, header, generation),
        location: header.location(),
    })
}

/// The dumps of all runtimes of the process, with their numbers.
#[must_use]
pub fn dump_all() -> Vec<(u8, Dump)> {
    let numbered = (0..=u8::MAX).zip(&RUNTIMES);
    numbered
        .filter_map(|(number, slot)| Some((number, dump(&*slot.pin()?))))
        .collect()
}
