//! What the workers of a runtime share, and what wakers and handles find through the registry.

#![allow(
    unsafe_code,
    reason = "turns indices into cells, and owns itself through the registry"
)]

use core::time::Duration;
use std::time::Instant;

use dtact_arena::{ArenaError, CellIndex, CellPool, SafetyLevel, StackPool, overflow};
use dtact_mesh::{
    Attributes, Config, Link, Links, Mesh, Mode, Placement, PlacementError, Plan, TaskIndex,
    Topology, WorkerId,
};

use crate::{
    block_on::Unpark,
    error::BuildError,
    fiber::{Cell, Header, extras::Extras, id::Waiters, state::Wake, traits},
    fiber_ref::FiberRef,
    registry::RUNTIMES,
    runtime::{
        config::Builder,
        dump_signal::DumpSignal,
        gate::{Gate, Inside},
        metrics::AllCounters,
        panic_policy::PanicPolicy,
        probe::Probe,
        shutdown,
        starved::Starved,
        wake_latency::WakeTimes,
    },
    sync::{
        Arc, AtomicBool, AtomicI32, AtomicU32, AtomicU64, Mutex, Ordering, ThreadHandle, lock, mpsc,
    },
    time::VirtualClock,
    trace::{EVENTS_MAX, EVENTS_MIN, Effect, EventKind, recorder::Recorder},
    worker::{context::WorkerContext, sleep::Left, thread},
};

/// A runtime, as its workers, wakers and handles see it.
///
/// # Life
///
/// One count of its `Arc` belongs to the registry, one to each worker thread, one to the
/// [`Runtime`](crate::Runtime). When the threads have been joined, handles of ended fibers may
/// still be there: each such fiber is marked an orphan and counted in `retained`, and whoever
/// takes the last of them frees the registry's count, and with it the cells.
pub(crate) struct Shared {
    number: u8,
    pub(crate) generation_min: u32,
    pub(crate) cells: Arc<CellPool>,
    /// What few fibers have.
    pub(crate) extras: Extras,
    /// The clock of its sleeps, if that is not the system's.
    pub(crate) clock: Option<VirtualClock>,
    /// The timers of workers that are blocked.
    pub(crate) left_timers: Left,
    /// Those who wait for fibers by their ids.
    pub(crate) waiters: Waiters,
    /// Counts the fibers that stay on one worker and were spawned by none.
    homes: AtomicU32,
    pub(crate) stacks: StackPool,
    pub(crate) mesh: Arc<Mesh<CellLinks>>,
    /// What every fiber is, whatever it asks for: bits of `traits`.
    pub(crate) traits_of_all: u8,
    /// Which CPUs the workers are bound to, if they are.
    pub(crate) plan: Option<Plan>,
    /// How to look at the stacks of fibers that run for too long.
    pub(crate) probe: Option<Probe>,
    /// The thread of each worker; 0 for one that has none.
    pub(crate) thread_ids: Box<[AtomicI32]>,
    /// Whether stacks have canaries to be looked at.
    pub(crate) has_canaries: bool,
    pub(crate) is_stackful: bool,
    pub(crate) panic_policy: PanicPolicy,
    /// How many fibers wait for room at this moment.
    pub(crate) room_waiters: AtomicU32,
    /// How long a spawn waits for room.
    pub(crate) spawn_timeout: Duration,
    /// Once it is closed no fiber begins any more, and every dispatch is a cancellation.
    gate: Gate,
    /// Closure fibers that wait for a stack to begin on.
    pub(crate) starved: Starved,
    /// The threads that are blocked in `wait`, to be woken when their fibers are cancelled.
    blocked: Mutex<Vec<Blocked>>,
    pub(crate) threads: Mutex<Vec<ThreadHandle<()>>>,
    pub(crate) counters: AllCounters,
    /// Orphans, and one for the teardown while it counts them.
    pub(crate) retained: AtomicU64,
    /// The least generation that the next runtime of this number may use.
    pub(crate) generation_next: AtomicU32,
    /// A shutdown ran out of time: threads and memory stay.
    pub(crate) gave_up: AtomicBool,
    /// A shutdown has joined all threads and ended all fibers.
    pub(crate) has_ended: AtomicBool,
    /// What writes down what happens, if anything does.
    pub(crate) recorder: Option<Recorder>,
    /// How long wakes take to their effect, if that is measured.
    pub(crate) wake_times: Option<WakeTimes>,
    /// When it was started, if spawns note the time.
    started: Option<Instant>,
    pub(crate) heeds: Heeds,
    /// The signal that prints its dump, until it ends.
    pub(crate) dump_signal: Mutex<Option<DumpSignal>>,
    /// Held while a parked fiber is borrowed to walk its stack; false when the workers have gone.
    pub(crate) may_walk: Mutex<bool>,
}

/// A thread that is blocked in a fiber.
struct Blocked {
    fiber: FiberRef,
    /// The fiber whose end it waits for, if it is that.
    waits_for: Option<FiberRef>,
    unpark: Arc<Unpark>,
}

/// At what more is done than it takes: for the recorder, and for what is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heeds {
    /// At each spawn.
    pub(crate) spawns: bool,
    /// At each wake, and when a fiber runs.
    pub(crate) runs: bool,
}

impl Heeds {
    const fn new(builder: &Builder) -> Self {
        let has_recorder = builder.events_per_worker.is_some();
        Self {
            spawns: builder.has_spawn_times || has_recorder,
            runs: builder.has_wake_latencies || has_recorder,
        }
    }
}

/// The link words of the mesh are fields of the cells, in the line that is in the cache anyway.
pub(crate) struct CellLinks {
    cells: Arc<CellPool>,
    /// Whether any fiber ever asked for anything: while none has, no header is looked at.
    has_attributes: AtomicBool,
}

impl Links for CellLinks {
    const HAS_ATTRIBUTES: bool = true;

    #[inline]
    fn link(&self, task: TaskIndex) -> &Link {
        &cell_at(&self.cells, task.raw())
            .expect("the mesh holds tasks of this pool only")
            .header()
            .link
    }

    #[inline]
    fn attributes(&self, task: TaskIndex) -> Attributes {
        // Relaxed: set before the first fiber that asks for something is queued, and a queue
        // passes on what was written before.
        if !self.has_attributes.load(Ordering::Relaxed) {
            return Attributes::new();
        }
        attributes_of(&self.cells, task)
    }
}

#[cold]
#[inline(never)]
fn attributes_of(cells: &CellPool, task: TaskIndex) -> Attributes {
    cell_at(cells, task.raw()).map_or_else(Attributes::new, |cell| cell.header().attributes())
}

#[inline]
fn cell_at(cells: &CellPool, raw: u32) -> Option<Cell> {
    let address = cells.address(CellIndex::from_raw(raw)?)?;
    // SAFETY: the address of a cell; the pool, and so [bridge.C1], is kept by whoever calls: each
    // of the callers holds the runtime.
    Some(unsafe { Cell::from_address(address) })
}

pub(crate) fn task_of(cell: CellIndex) -> TaskIndex {
    TaskIndex::from_raw(cell.raw()).expect("a cell's index has 24 bits")
}

/// Checks the configuration, and only then starts the workers.
pub(crate) fn start(
    builder: &Builder,
    workers: usize,
    threads_max: usize,
) -> Result<Arc<Shared>, BuildError> {
    let stack_bytes = builder.stack_bytes.map_err(BuildError::BadStackSize)?;
    if let Some(events) = builder.events_per_worker
        && !(EVENTS_MIN..=EVENTS_MAX).contains(&events)
    {
        return Err(BuildError::BadRecorder { events });
    }
    if builder.has_overflow_messages {
        install_messages()?;
    }
    let probe = builder.stack_signal.filter(|_| builder.watchdog.is_some());
    let probe = probe.map(Probe::install).transpose()?;
    let plan = plan(builder, workers)?;
    let mut cells = CellPool::builder().capacity(builder.fibers);
    let mut stacks = StackPool::builder()
        .stack_bytes(stack_bytes)
        .capacity(builder.stacks)
        .safety(builder.safety);
    if let Some(node) = builder.numa_node {
        cells = cells.node(node);
        stacks = stacks.node(node);
    }
    let cells = Arc::new(cells.build()?);
    let stacks = stacks.build()?;
    let usual = Config::new(workers, threads_max);
    // A pinned runtime pins fibers here, and not in the mesh: what the runtime spawns for itself
    // has to move, so that somebody serves the timers of a blocked worker.
    let (mode, traits_of_all) = match builder.mode {
        Mode::Pinned => (Mode::P2PMesh, traits::PINNED),
        mode => (mode, 0),
    };
    let mesh = Mesh::new(
        Config {
            mode,
            domains: plan
                .as_ref()
                .map_or_else(|| usual.domains, |plan| plan.domains(workers)),
            deflection: builder.deflection.unwrap_or(usual.deflection),
            watchdog: builder.watchdog.clone(),
            ..usual
        },
        CellLinks {
            cells: Arc::clone(&cells),
            has_attributes: AtomicBool::new(false),
        },
    )?;
    if (builder.stacks as usize) < 2 * workers {
        return Err(BuildError::TooFewStacks {
            stacks: builder.stacks,
            stacks_min: 2 * workers,
        });
    }
    let dump_signal = builder.dump_signal.map(DumpSignal::install).transpose()?;
    let (number, generation_min) = (0..=u8::MAX)
        .find_map(|number| Some((number, RUNTIMES[usize::from(number)].claim()?)))
        .ok_or(BuildError::TooManyRuntimes)?;
    let shared = Arc::new(Shared {
        number,
        generation_min,
        extras: Extras::new(builder.fibers),
        clock: builder.clock.clone(),
        left_timers: Left::default(),
        waiters: Waiters::default(),
        homes: AtomicU32::new(0),
        cells,
        stacks,
        mesh,
        traits_of_all,
        plan,
        probe,
        thread_ids: (0..threads_max).map(|_| AtomicI32::new(0)).collect(),
        has_canaries: builder.safety != SafetyLevel::Safety1,
        is_stackful: builder.is_stackful,
        panic_policy: builder.panic_policy,
        room_waiters: AtomicU32::new(0),
        spawn_timeout: builder.spawn_timeout,
        gate: Gate::new(),
        starved: Starved::new(),
        blocked: Mutex::new(Vec::new()),
        threads: Mutex::new(Vec::new()),
        counters: AllCounters::new(threads_max),
        retained: AtomicU64::new(0),
        generation_next: AtomicU32::new(generation_min),
        gave_up: AtomicBool::new(false),
        has_ended: AtomicBool::new(false),
        recorder: builder
            .events_per_worker
            .map(|events| Recorder::new(events, threads_max)),
        wake_times: builder
            .has_wake_latencies
            .then(|| WakeTimes::new(threads_max)),
        started: builder.has_spawn_times.then(Instant::now),
        heeds: Heeds::new(builder),
        dump_signal: Mutex::new(dump_signal),
        may_walk: Mutex::new(true),
    });
    RUNTIMES[usize::from(number)].publish(Arc::into_raw(Arc::clone(&shared)).cast_mut());
    if let Err(error) = start_workers(&shared, workers) {
        // The workers that have started are ended again.
        shutdown::end(&shared);
        return Err(error);
    }
    Ok(shared)
}

fn install_messages() -> Result<(), ArenaError> {
    match overflow::install() {
        // Miri has no signals, and no guards that could raise one.
        Err(ArenaError::Unsupported { .. }) => Ok(()),
        installed => installed,
    }
}

/// Which CPUs the workers are bound to, if they shall be.
fn plan(builder: &Builder, workers: usize) -> Result<Option<Plan>, BuildError> {
    if builder.placement == Placement::Free {
        return Ok(None);
    }
    if !builder.placement.is_supported() {
        return Err(PlacementError::Unsupported.into());
    }
    let machine = Topology::detect()?;
    Ok(Some(builder.placement.plan(&machine, workers)?))
}

/// Starts the threads, and waits until they are bound to their CPUs, if they shall be.
fn start_workers(shared: &Arc<Shared>, workers: usize) -> Result<(), BuildError> {
    // Before any fiber can have them: a worker that came late and found none left could not run,
    // and what stays on it never would.
    let bytes = shared.stacks.default_bytes();
    let stacks: Result<Vec<_>, _> = (0..workers).map(|_| shared.stacks.take(bytes)).collect();
    let (report, reports) = mpsc::channel();
    for (worker, stack) in stacks?.into_iter().enumerate() {
        let id = WorkerId::from_raw(u16::try_from(worker).expect("the mesh has accepted as many"));
        let report = shared.plan.as_ref().map(|_| report.clone());
        thread::start(shared, id, Some(stack), report).map_err(BuildError::Thread)?;
    }
    // Each thread has a sender of its own, and drops it when it has reported.
    drop(report);
    reports.into_iter().try_for_each(|bound| Ok(bound?))
}

impl Shared {
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// The worker for a fiber that stays on one and was spawned by none: by turns.
    pub(crate) fn next_home(&self) -> WorkerId {
        let count = self.homes.fetch_add(1, Ordering::Relaxed) as usize;
        let worker = count % self.mesh.config().workers;
        WorkerId::from_raw(u16::try_from(worker).expect("the mesh has as many"))
    }

    /// Notes what a fiber asks of the mesh. For its holder [bridge.S1], or while its cell is being
    /// filled.
    pub(crate) fn set_attributes(&self, header: &Header, attributes: Attributes) {
        header.set_attributes(attributes);
        let flag = &self.mesh.links().has_attributes;
        // Looked at first: it is in a line that all workers read.
        if !flag.load(Ordering::Relaxed) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a fiber in a cell, where a spawn is heeded: see [`Heeds::spawns`].
    #[cold]
    #[inline(never)]
    pub(crate) fn begin_heeded(
        &self,
        context: Option<&WorkerContext>,
        index: CellIndex,
        begin: &dyn Fn() -> FiberRef,
    ) -> FiberRef {
        if let Some(started) = self.started {
            self.extras.get_or_make(index).set_born(started.elapsed());
        }
        match &self.recorder {
            None => begin(),
            Some(recorder) => recorder.spawn(context, begin),
        }
    }

    /// How long ago the fiber of this generation was spawned, where that is noted.
    pub(crate) fn age_of(
        &self,
        index: CellIndex,
        header: &Header,
        generation: u32,
    ) -> Option<Duration> {
        let started = self.started?;
        let born = self.extras.born(index, header, generation)?;
        Some(started.elapsed().saturating_sub(born))
    }

    /// The cell of this number.
    #[inline]
    pub(crate) fn cell(&self, raw: u32) -> Option<Cell> {
        cell_at(&self.cells, raw)
    }

    /// Whether a shutdown has ended all there was.
    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: pairs with the store in `shutdown`, so that all events are seen.
        self.has_ended.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.gate.is_closed()
    }

    /// No fiber begins after this: those that threads other than the workers are spawning at this
    /// moment have begun when it returns, and the workers' own end with the fibers that spawn
    /// them.
    pub(crate) fn begin_closing(&self) {
        self.gate.close();
    }

    /// Lets a thread that is no worker spawn, unless the runtime is closing.
    pub(crate) fn begin_spawning(&self) -> Option<Inside<'_>> {
        self.gate.enter()
    }

    /// Wakes a fiber, if it is still there.
    #[inline]
    pub(crate) fn wake(&self, context: Option<&WorkerContext>, fiber: FiberRef) {
        let Some(cell) = self.cell(fiber.cell_raw()) else {
            return;
        };
        let state = &cell.header().state;
        let outcome = if self.heeds.runs {
            self.wake_heeded(context, fiber, EventKind::Wake, &|| {
                state.wake(fiber.generation())
            })
        } else {
            state.wake(fiber.generation())
        };
        match outcome {
            Wake::Schedule => self.schedule(context, cell, fiber.cell_raw()),
            Wake::Nothing | Wake::Gone => {}
        }
    }

    /// Cancels a fiber, if it is still there.
    pub(crate) fn cancel(&self, context: Option<&WorkerContext>, fiber: FiberRef) {
        let Some(cell) = self.cell(fiber.cell_raw()) else {
            return;
        };
        let state = &cell.header().state;
        let outcome = if self.heeds.runs {
            self.wake_heeded(context, fiber, EventKind::Cancel, &|| {
                state.cancel(fiber.generation())
            })
        } else {
            state.cancel(fiber.generation())
        };
        match outcome {
            Wake::Schedule => self.schedule(context, cell, fiber.cell_raw()),
            // It may be blocking its thread.
            Wake::Nothing => self.unpark_blocked(fiber),
            Wake::Gone => {}
        }
    }

    /// Wakes or cancels a fiber where that is heeded: see [`Heeds::runs`].
    #[cold]
    #[inline(never)]
    pub(crate) fn wake_heeded(
        &self,
        context: Option<&WorkerContext>,
        fiber: FiberRef,
        kind: fn(Effect) -> EventKind,
        wake: &dyn Fn() -> Wake,
    ) -> Wake {
        let outcome = match &self.recorder {
            None => wake(),
            Some(recorder) => recorder.wake(context, fiber, kind, wake),
        };
        if outcome == Wake::Schedule {
            self.note_woken(fiber.cell_raw());
        }
        outcome
    }

    /// Notes when a fiber was woken, for whoever holds it, where that is measured.
    #[cold]
    pub(crate) fn note_woken(&self, raw: u32) {
        if let (Some(times), Some(cell)) = (&self.wake_times, CellIndex::from_raw(raw)) {
            times.woken(&self.extras, cell);
        }
    }

    /// Puts a fiber that the caller has just taken hold of into a queue.
    #[inline]
    pub(crate) fn schedule(&self, context: Option<&WorkerContext>, cell: Cell, raw: u32) {
        let task = TaskIndex::from_raw(raw).expect("a cell's index has 24 bits");
        // It was written before the fiber was parked, and taking hold of it acquired that.
        let home = cell.header().home.load(Ordering::Relaxed);
        match (context, home.checked_sub(1)) {
            (Some(context), None) => context.worker.push_woken(task),
            (None, None) => self.mesh.inject(task),
            (context, Some(home)) => {
                let home = WorkerId::from_raw(home);
                match context {
                    Some(context) => context.worker.send_pinned(home, task),
                    None => self.mesh.inject_pinned(home, task),
                }
            }
        }
    }

    /// Notes that a thread is about to block in a fiber.
    pub(crate) fn add_blocked(
        &self,
        fiber: FiberRef,
        waits_for: Option<FiberRef>,
        unpark: Arc<Unpark>,
    ) {
        lock(&self.blocked).push(Blocked {
            fiber,
            waits_for,
            unpark,
        });
    }

    pub(crate) fn remove_blocked(&self, unpark: &Arc<Unpark>) {
        lock(&self.blocked).retain(|blocked| !Arc::ptr_eq(&blocked.unpark, unpark));
    }

    /// The fibers in which a thread is blocked until another fiber has ended, and that one.
    pub(crate) fn blocked_for(&self) -> Vec<(FiberRef, FiberRef)> {
        lock(&self.blocked)
            .iter()
            .filter_map(|blocked| Some((blocked.fiber, blocked.waits_for?)))
            .collect()
    }

    /// Wakes the thread that is blocked in this fiber, if one is, to see that it is cancelled.
    fn unpark_blocked(&self, fiber: FiberRef) {
        for blocked in &*lock(&self.blocked) {
            if fiber == blocked.fiber {
                blocked.unpark.parker.unpark();
            }
        }
    }
}
