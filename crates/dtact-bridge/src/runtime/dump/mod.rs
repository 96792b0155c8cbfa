//! What all fibers are doing, for people who look for one that does not end.

mod circles;
mod json;
mod stack;

use core::{fmt, panic::Location, time::Duration};
use std::collections::HashMap;

use dtact_arena::CellIndex;
use dtact_mesh::{Affinity, Attributes, Kind as WorkloadKind, Priority};

use crate::{
    fiber::{state::Phase, traits},
    fiber_ref::FiberRef,
    registry::RUNTIMES,
    runtime::{Runtime, Shared, shutdown::touched},
    sync::Ordering,
};

pub use stack::{FiberStack, NoStack};

/// The fibers of a runtime that have not gone, each as it was when it was looked at: the workers
/// go on meanwhile.
///
/// It prints as one line for each, and below that the stack of each that is suspended in
/// [`wait`](crate::wait()); [`to_json`](Self::to_json) says the same to programs.
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
    /// What was found of the stacks of those that have a home, in the order of the fibers.
    stacks: Vec<(u32, Result<FiberStack, NoStack>)>,
    /// Which of the fibers wait in `wait` for the end of others, by their cells.
    waits: Vec<Awaits>,
}

/// A fiber in a dump that waits for the end of another one there.
#[derive(Clone, Copy, Debug)]
struct Awaits {
    cell: u32,
    /// Its place among the fibers, and that of the other.
    places: (usize, usize),
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
    age: Option<Duration>,
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

    /// Where a fiber of this dump stands that is suspended in [`wait`](crate::wait()).
    ///
    /// It was walked while it was parked, and nothing was stopped for it: a wake that came in that
    /// moment was late by as much. One that ran, or was in a queue, is not walked.
    ///
    /// # Errors
    ///
    /// Why there is no stack: see [`NoStack`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::{Builder, NoStack};
    ///
    /// let runtime = Builder::new().build()?;
    /// let handle = runtime.spawn(std::future::pending::<()>());
    /// let dump = runtime.dump();
    /// for fiber in dump.fibers() {
    ///     match dump.stack(fiber) {
    ///         Ok(stack) => println!("{fiber}\n{stack}"),
    ///         Err(reason) => println!("{fiber} ({reason})"),
    ///     }
    /// }
    /// # drop(handle);
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    pub fn stack(&self, fiber: &FiberDump) -> Result<&FiberStack, NoStack> {
        let place = self
            .stacks
            .binary_search_by_key(&fiber.cell, |(cell, _)| *cell);
        match place.map(|place| &self.stacks[place].1) {
            Ok(Ok(stack)) => Ok(stack),
            Ok(Err(reason)) => Err(*reason),
            Err(_) if fiber.status == FiberStatus::Runnable => Err(NoStack::Runnable),
            Err(_) => Err(NoStack::NotSuspended),
        }
    }

    /// The fiber whose end a fiber of this dump waits for, in a
    /// [`JoinHandle::wait`](crate::JoinHandle::wait) or a join of C. One that awaits a handle may
    /// wait for other things as well: of it this is not known.
    #[must_use]
    pub fn waits_for(&self, fiber: &FiberDump) -> Option<&FiberDump> {
        let found = self.waits.binary_search_by_key(&fiber.cell, |own| own.cell);
        Some(&self.fibers[self.waits[found.ok()?].places.1])
    }

    /// The circles of fibers of which each waits for the end of the next, and the last for that of
    /// the first: none of them ever goes on, unless it is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// assert!(runtime.dump().circles().is_empty());
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<&FiberDump>> {
        let pairs: Vec<_> = self.waits.iter().map(|own| own.places).collect();
        let circles = circles::of(self.fibers.len(), &pairs);
        let named = |circle: Vec<usize>| circle.iter().map(|&place| &self.fibers[place]).collect();
        circles.into_iter().map(named).collect()
    }

    /// The dump as a JSON text (RFC 8259): an object whose `fibers` has one object for each.
    ///
    /// | member | is |
    /// | --- | --- |
    /// | `cell_bytes`, `slot`, `generation` | which fiber |
    /// | `state` | `"runnable"`, `"parked"` or `"ended"` |
    /// | `age_ns` | its [age](FiberDump::age) in nanoseconds, or null |
    /// | `name` | its name, or null |
    /// | `priority`, `kind`, `affinity` | what it asks of the scheduler, in lower case |
    /// | `waits_for` | an object of `cell_bytes`, `slot` and `generation`: the fiber whose end it [waits for](Self::waits_for); or null |
    /// | `worker` | the [worker](FiberDump::worker) that alone can go on with it, or null |
    /// | `is_pinned` | whether it stays on that worker to its end |
    /// | `stack_bytes_min` | the least stack that it asked for, 0 for none |
    /// | `spawned_at` | an object of `file`, `line` and `column` |
    /// | `stack` | an array of strings, innermost call first; or null, and `no_stack` says why |
    ///
    /// Later versions may add members.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.spawn(std::future::pending::<()>());
    /// let json = runtime.dump().to_json();
    /// assert!(json.contains(r#""priority":"normal""#));
    /// # drop(handle);
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        let written = json::write(self, &mut out);
        debug_assert!(written.is_ok(), "a string takes all that is written");
        out
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

    /// How long ago it was spawned, to the nanosecond of the system's monotonic clock; only with
    /// [`Builder::spawn_times`](crate::Builder::spawn_times).
    #[must_use]
    pub const fn age(&self) -> Option<Duration> {
        self.age
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} fibers", self.fibers.len())?;
        for fiber in &self.fibers {
            writeln!(f, "  {fiber}")?;
            if let Ok(stack) = self.stack(fiber) {
                let frames = stack.frames();
                let mut numbered = frames.iter().enumerate();
                numbered.try_for_each(|(at, frame)| writeln!(f, "    {at:4}: {frame}"))?;
            }
            if let Some(awaited) = self.waits_for(fiber) {
                f.write_str("    waits for the end of ")?;
                awaited.write_name(f)?;
                writeln!(f)?;
            }
        }
        for circle in self.circles() {
            f.write_str(
                "  deadlock: each waits for the end of the next, the last for the first: ",
            )?;
            for (place, fiber) in circle.into_iter().enumerate() {
                f.write_str(if place == 0 { "" } else { ", " })?;
                fiber.write_name(f)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl FiberDump {
    /// The bytes of its cell, and which of these it is.
    fn place(&self) -> (usize, u32) {
        let index = CellIndex::from_raw(self.cell);
        index.map_or((0, 0), |index| (index.class().bytes(), index.slot()))
    }

    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, slot) = self.place();
        write!(f, "fiber {bytes}/{slot} generation {}", self.generation)?;
        // Escaped: it is one line.
        self.name.map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

impl fmt::Display for FiberDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_name(f)?;
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
        if let Some(location) = self.location {
            write!(f, ", spawned at {location}")?;
        }
        match self.age {
            Some(age) => write!(f, ", {age:?} ago"),
            None => Ok(()),
        }
    }
}

impl Runtime {
    /// What all fibers are doing at this moment, and where those stand that are suspended in
    /// [`wait`](crate::wait()).
    ///
    /// It looks at every cell that was ever used, and walks the stacks of suspended fibers: some
    /// tens of microseconds for each.
    #[must_use]
    pub fn dump(&self) -> Dump {
        dump(&self.shared)
    }
}

pub(crate) fn dump(shared: &Shared) -> Dump {
    dump_of(shared, usize::MAX, |_| true)
}

/// The fibers that have not ended, with the stacks of a few.
pub(crate) fn dump_of_alive(shared: &Shared) -> Dump {
    dump_of(shared, 32, |status| status != FiberStatus::Ended)
}

fn dump_of(shared: &Shared, mut stacks_max: usize, is_wanted: fn(FiberStatus) -> bool) -> Dump {
    let mut dump = Dump {
        fibers: Vec::new(),
        stacks: Vec::new(),
        waits: Vec::new(),
    };
    let mut waits = Vec::new();
    for index in touched(shared) {
        let Some(fiber) = fiber(shared, index).filter(|fiber| is_wanted(fiber.status)) else {
            continue;
        };
        dump.fibers.push(fiber);
        // A suspended one has a worker.
        if fiber.status != FiberStatus::Parked || fiber.worker.is_none() {
            continue;
        }
        let stack = match stack::look(shared, index, fiber.generation, stacks_max > 0) {
            Ok(seen) => {
                let own = FiberRef::new(shared.number(), index, fiber.generation);
                waits.extend(seen.waits_for.map(|awaited| (own, awaited)));
                seen.stack
            }
            Err(reason) => Err(reason),
        };
        stacks_max -= usize::from(stack.is_ok());
        dump.stacks.push((fiber.cell, stack));
    }
    waits.extend(shared.blocked_for());
    dump.waits = dump.places_of(shared, &waits);
    // By raw index, not in the order of classes.
    dump.stacks.sort_unstable_by_key(|(cell, _)| *cell);
    dump
}

impl Dump {
    /// The pairs of which both are among the fibers of this runtime.
    fn places_of(&self, shared: &Shared, pairs: &[(FiberRef, FiberRef)]) -> Vec<Awaits> {
        let named = self
            .fibers
            .iter()
            .map(|fiber| (fiber.cell, fiber.generation));
        let places: HashMap<_, _> = named.zip(0..).collect();
        let place = |fiber: FiberRef| {
            let is_here = fiber.runtime() == shared.number();
            let name = (fiber.cell_raw(), fiber.generation());
            places.get(&name).filter(|_| is_here).copied()
        };
        let pairs = pairs.iter().filter_map(|&(waiting, awaited)| {
            let cell = waiting.cell_raw();
            let places = (place(waiting)?, place(awaited)?);
            Some(Awaits { cell, places })
        });
        let mut waits: Vec<_> = pairs.collect();
        waits.sort_unstable_by_key(|own| own.cell);
        waits
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
    let generation = header.state.generation();
    // Relaxed: a figure for people.
    let worker = header.home.load(Ordering::Relaxed).checked_sub(1);
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
        age: shared.age_of(index, header, generation),
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
