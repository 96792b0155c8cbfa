//! What all fibers are doing, for people who look for one that does not end.

use core::fmt;

use dtact_arena::CellIndex;

use crate::{
    fiber::state::Phase,
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

    /// The worker on whose thread it is suspended in [`wait`](crate::wait()), if it is.
    #[must_use]
    pub fn suspended_on(&self) -> Option<usize> {
        self.worker.map(usize::from)
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
        write!(f, "fiber {bytes}/{slot} generation {}: ", self.generation)?;
        f.write_str(match self.status {
            FiberStatus::Runnable => "runnable",
            FiberStatus::Parked => "parked",
            FiberStatus::Ended => "ended, not joined",
        })?;
        match self.worker {
            Some(worker) => write!(f, ", suspended in wait() on worker {worker}"),
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
    let fibers = touched(shared).filter_map(|index| {
        let header = shared.cell(index.raw())?.header();
        let status = match header.state.phase() {
            Phase::Free => return None,
            Phase::Owned => FiberStatus::Runnable,
            Phase::Parked => FiberStatus::Parked,
            Phase::Done => FiberStatus::Ended,
        };
        // Relaxed: a figure for people.
        let worker = header.home.load(Ordering::Relaxed).checked_sub(1);
        Some(FiberDump {
            cell: index.raw(),
            generation: header.state.generation(),
            status,
            worker,
        })
    });
    Dump {
        fibers: fibers.collect(),
    }
}

/// The dumps of all runtimes of the process, with their numbers.
#[must_use]
pub fn dump_all() -> Vec<(u8, Dump)> {
    let numbered = (0..=u8::MAX).zip(&RUNTIMES);
    numbered
        .filter_map(|(number, slot)| Some((number, dump(&*slot.pin()?))))
        .collect()
}
