//! How a runtime is configured.

#![allow(
    unsafe_code,
    reason = "the acknowledgement of stackful suspension is an unsafe method"
)]

use core::time::Duration;

use dtact_arena::SafetyLevel;
use dtact_mesh::{Deflection, Mode, Placement, Topology, Watchdog};

use crate::{
    error::BuildError,
    runtime::{
        Runtime,
        long_poll::{self, LongPoll},
        panic_policy::PanicPolicy,
        shared,
        stack_size::IntoStackSize,
    },
    sync::available_parallelism,
    time::VirtualClock,
};

/// The configuration of a runtime. Everything is checked by [`Builder::build`], before anything
/// starts.
///
/// | knob | default |
/// | --- | --- |
/// | [`workers`](Builder::workers) | the CPUs this process may use, as cpusets and quotas allow |
/// | [`fibers`](Builder::fibers) | 1,048,576 of each size |
/// | [`stack`](Builder::stack) | 2 MiB of addresses; only touched pages take memory |
/// | [`stacks`](Builder::stacks) | 16,384 |
/// | [`threads_max`](Builder::threads_max) | 512 more than there are workers |
/// | [`overflow_messages`](Builder::overflow_messages) | on |
/// | [`enable_stackful`](Builder::enable_stackful) | off |
/// | [`panic_policy`](Builder::panic_policy) | a panic is handed to the joiner |
/// | [`spawn_timeout`](Builder::spawn_timeout) | one second |
/// | [`spawn_times`](Builder::spawn_times) | off |
/// | [`wake_latencies`](Builder::wake_latencies) | off |
/// | [`dump_signal`](Builder::dump_signal) | none |
/// | [`clock`](Builder::clock) | the system's |
/// | [`topology_mode`](Builder::topology_mode) | `P2PMesh` |
/// | [`placement`](Builder::placement) | the system places the threads |
/// | [`deflection`](Builder::deflection) | from three quarters of a ring on, 32 at once, four times |
/// | [`watchdog`](Builder::watchdog) | none |
/// | [`watchdog_stacks`](Builder::watchdog_stacks) | no |
/// | [`flight_recorder`](Builder::flight_recorder) | none |
/// | [`safety`](Builder::safety) | `Safety1`: a guard below each stack |
/// | [`numa_node`](Builder::numa_node) | memory comes from where it is first touched |
///
/// # Examples
///
/// ```
/// use dtact_bridge::Builder;
///
/// let runtime = Builder::new().workers(2).fibers(10_000).stack("256K").build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a knob of its own")]
#[must_use = "a builder starts nothing until `build`"]
pub struct Builder {
    pub(crate) workers: Option<usize>,
    pub(crate) fibers: u32,
    pub(crate) stack_bytes: Result<usize, crate::ParseStackSizeError>,
    pub(crate) stacks: u32,
    pub(crate) threads_max: Option<usize>,
    pub(crate) has_overflow_messages: bool,
    pub(crate) is_stackful: bool,
    pub(crate) panic_policy: PanicPolicy,
    pub(crate) spawn_timeout: Duration,
    pub(crate) clock: Option<VirtualClock>,
    pub(crate) mode: Mode,
    pub(crate) safety: SafetyLevel,
    pub(crate) numa_node: Option<u32>,
    pub(crate) placement: Placement,
    /// `None`: the mesh's own.
    #[expect(clippy::option_option, reason = "unset is not none")]
    pub(crate) deflection: Option<Option<Deflection>>,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) stack_signal: Option<i32>,
    pub(crate) events_per_worker: Option<usize>,
    pub(crate) has_spawn_times: bool,
    pub(crate) has_wake_latencies: bool,
    pub(crate) dump_signal: Option<i32>,
}

const FIBERS_DEFAULT: u32 = 1 << 20;
const STACK_BYTES_DEFAULT: usize = 2 << 20;
const STACKS_DEFAULT: u32 = 1 << 14;
/// How long a spawn waits for room, by default.
const SPAWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
/// How many threads may be blocked in `wait` at a time, by default.
const SPARES_DEFAULT: usize = 512;

impl Builder {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            workers: None,
            fibers: FIBERS_DEFAULT,
            stack_bytes: Ok(STACK_BYTES_DEFAULT),
            stacks: STACKS_DEFAULT,
            threads_max: None,
            has_overflow_messages: true,
            is_stackful: false,
            panic_policy: PanicPolicy::Propagate,
            spawn_timeout: SPAWN_TIMEOUT_DEFAULT,
            clock: None,
            mode: Mode::P2PMesh,
            safety: SafetyLevel::Safety1,
            numa_node: None,
            placement: Placement::Free,
            deflection: None,
            watchdog: None,
            stack_signal: None,
            events_per_worker: None,
            has_spawn_times: false,
            has_wake_latencies: false,
            dump_signal: None,
        }
    }

    /// How many fibers run at a time: the number of worker threads. At least 1.
    pub const fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// How many fibers there may be of each size of cell: 1 to 2,097,152. They take memory only
    /// when they are first used.
    pub const fn fibers(mut self, count: u32) -> Self {
        self.fibers = count;
        self
    }

    /// The size of the stacks on which fibers run: bytes, or a text such as `"256K"`. At least
    /// 16 KiB and at most 8 MiB; rounded up to a power of two.
    pub fn stack(mut self, size: impl IntoStackSize) -> Self {
        self.stack_bytes = size.into_stack_size();
        self
    }

    /// As [`Builder::stack`], in bytes.
    pub fn stack_bytes(self, bytes: usize) -> Self {
        self.stack(bytes)
    }

    /// How many stacks there may be at a time: at least two for each worker. A fiber keeps one
    /// only while it is suspended in [`wait`](crate::wait()).
    pub const fn stacks(mut self, count: u32) -> Self {
        self.stacks = count;
        self
    }

    /// How many threads the runtime may have, workers included. Those beyond the workers take
    /// over while workers are blocked: see [`wait`](crate::wait()).
    pub const fn threads_max(mut self, count: usize) -> Self {
        self.threads_max = Some(count);
        self
    }

    /// How fibers get from worker to worker.
    ///
    /// | mode | a fiber runs on | good for |
    /// | --- | --- | --- |
    /// | `P2PMesh` | the worker that has it, or one that passes on or steals | most programs |
    /// | `Global` | whichever worker comes first: one queue for all | few and long fibers, whose order counts |
    /// | `Pinned` | the worker that spawned it; spawned elsewhere, one that is chosen in turn | programs that share nothing between threads |
    ///
    /// In a pinned runtime a fiber waits while its worker is blocked. [`SpawnBuilder::pinned`]
    /// asks for the same for one fiber.
    ///
    /// [`SpawnBuilder::pinned`]: crate::SpawnBuilder::pinned
    pub const fn topology_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Which CPUs the workers are bound to. From that follows which workers are near to each other:
    /// see [`SpawnBuilder::affinity`](crate::SpawnBuilder::affinity).
    ///
    /// A thread that stands in for a blocked worker begins on that worker's CPUs.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// When a worker that has many fibers passes some on, and how; `None`: never, and idle workers
    /// steal all the same. [`Runtime::set_deflection_threshold`] changes the threshold later.
    pub const fn deflection(mut self, deflection: Option<Deflection>) -> Self {
        self.deflection = Some(deflection);
        self
    }

    /// Calls `report` when a fiber has been running for `limit` without a suspension: once for each
    /// such stretch, from the thread of another worker, which gets to nothing else meanwhile. It
    /// takes a second worker that is awake; an idle runtime wakes nobody for this.
    ///
    /// A panic of `report` ends there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use dtact_bridge::Builder;
    ///
    /// let builder = Builder::new().watchdog(Duration::from_millis(50), |poll| {
    ///     println!("{poll}");
    /// });
    /// # builder.workers(2).build()?;
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    pub fn watchdog(
        mut self,
        limit: Duration,
        report: impl Fn(&LongPoll) + Send + Sync + 'static,
    ) -> Self {
        self.watchdog = Some(long_poll::watchdog(limit, report));
        self
    }

    /// Has the reports of the [`watchdog`](Self::watchdog) say where the fiber is:
    /// [`LongPoll::stack`]. Without a watchdog it does nothing.
    ///
    /// For that the runtime installs a handler of `signal`, for good, and sends that signal to the
    /// thread of the fiber. A system call that it interrupts there is begun again, or fails with
    /// `EINTR` where `signal(7)` says so. Choose one that nothing else in the process uses:
    /// `SIGURG` (23 on Linux), which is ignored by default, or one from `SIGRTMIN` on.
    ///
    /// [`Builder::build`] refuses a signal that cannot be used, or has a handler already, and any
    /// on systems where this cannot be done: [`BuildError::StackSignal`].
    ///
    /// [`BuildError::StackSignal`]: crate::BuildError::StackSignal
    pub const fn watchdog_stacks(mut self, signal: i32) -> Self {
        self.stack_signal = Some(signal);
        self
    }

    /// Keeps the last `events_per_worker` events of each worker, and as many of all other threads
    /// together: 16 to 16,777,216, of 24 bytes each. See [`trace`](crate::trace).
    ///
    /// An event costs its worker a look at the clock, or two, and four stores. Threads that are no
    /// workers take turns.
    pub const fn flight_recorder(mut self, events_per_worker: usize) -> Self {
        self.events_per_worker = Some(events_per_worker);
        self
    }

    /// Notes when each fiber is spawned, for [`FiberDump::age`](crate::FiberDump::age); off by
    /// default.
    ///
    /// A spawn then costs a look at the clock and a store, and 72 bytes more of memory for each
    /// cell that was ever used.
    pub const fn spawn_times(mut self, are_wanted: bool) -> Self {
        self.has_spawn_times = are_wanted;
        self
    }

    /// Measures how long fibers wait from when they are woken until they run, for
    /// [`Runtime::wake_latencies`](crate::Runtime::wake_latencies); off by default.
    ///
    /// A wake and the run after it then cost a look at the clock each, and each cell that was ever
    /// used 72 bytes more of memory.
    pub const fn wake_latencies(mut self, are_wanted: bool) -> Self {
        self.has_wake_latencies = are_wanted;
        self
    }

    /// Has `signal` print [`Runtime::dump`] to the standard error output: such as `SIGQUIT` (3),
    /// which terminals send for Ctrl-\. Runtimes with the same signal print one after the other.
    ///
    /// For that the process has a handler of the signal and a thread that sleeps until it comes,
    /// and prints also where all workers are stuck. Both go with the last runtime that asks for
    /// them; what was done at the signal before is done again. A system call that it interrupts is
    /// begun again, or fails with `EINTR` where `signal(7)` says so.
    ///
    /// [`Builder::build`] refuses a signal that cannot be used, or has a handler already, and any
    /// on systems without: [`BuildError::DumpSignal`].
    pub const fn dump_signal(mut self, signal: i32) -> Self {
        self.dump_signal = Some(signal);
        self
    }

    /// What protects the memory around stacks. `Safety0` takes a promise: an
    /// [`Unguarded`](crate::Unguarded), which only `unsafe` code can make.
    ///
    /// With `Safety0` and `Safety2` a fiber's canary is looked at whenever it is suspended in
    /// [`wait`](crate::wait()); if it is dead, the process says whose it was and aborts.
    pub const fn safety(mut self, level: SafetyLevel) -> Self {
        self.safety = level;
        self
    }

    /// The NUMA node whose memory stacks and cells shall have where it has some left.
    pub const fn numa_node(mut self, node: u32) -> Self {
        self.numa_node = Some(node);
        self
    }

    /// Has sleeps and timeouts go by a clock that a test moves, and not by the system's.
    pub fn clock(mut self, clock: &VirtualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Whether the overflow of a stack is said on the standard error output before it ends the
    /// process: which fiber it was, how large its stack is, and how it gets a larger one.
    ///
    /// For that the runtime installs a handler of `SIGSEGV` and `SIGBUS`, once in the process and
    /// for good, which hands all other faults, and in the end this one too, to the handler that was
    /// there. Without it the process ends as well, by the same signal, and says nothing.
    pub const fn overflow_messages(mut self, are_wanted: bool) -> Self {
        self.has_overflow_messages = are_wanted;
        self
    }

    /// What the runtime does when one of its fibers panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::{Builder, PanicPolicy};
    ///
    /// let runtime = Builder::new().panic_policy(PanicPolicy::ShutDown).build()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// let panics = runtime.spawn(async { panic!("over") });
    /// assert_eq!(panics.wait().unwrap_err().panic_message(), Some("over"));
    /// assert!(endless.wait().unwrap_err().is_cancelled());
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    pub const fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// How long a spawn waits while all cells of the size that it needs are taken, in a fiber or on
    /// any other thread, before its handle says so; zero for not at all. `try_spawn` never waits.
    ///
    /// In a fiber it is a [`wait`](crate::wait()). Where that blocks the thread, fibers that stay
    /// on its worker do not end meanwhile, and free no room. A fiber does not wait where as many
    /// wait already as there are cells of a size, each for the others; nor, where waiting blocks
    /// threads, where half of those beside the workers are blocked by this.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use dtact_bridge::{Builder, JoinError, SpawnError};
    ///
    /// let builder = Builder::new().fibers(1).spawn_timeout(Duration::from_millis(5));
    /// let runtime = builder.build()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// let refused = runtime.spawn(std::future::pending::<()>()).wait().unwrap_err();
    /// assert!(matches!(refused, JoinError::NotSpawned(SpawnError::Exhausted { capacity: 1 })));
    /// endless.abort();
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    pub const fn spawn_timeout(mut self, timeout: Duration) -> Self {
        self.spawn_timeout = timeout;
        self
    }

    /// Allows fibers to be suspended with frames on their stacks: [`wait`](crate::wait()) then
    /// parks the fiber, and not the thread.
    ///
    /// Without this everything works all the same, but each [`wait`](crate::wait()) that has to
    /// wait blocks a thread, which another one replaces.
    ///
    /// # Safety
    ///
    /// A fiber suspended in `wait` leaves its frames where they are, and other fibers run on the
    /// same thread before it goes on. Safe code may rely on a closure returning before anything
    /// else happens on its thread. Whoever calls this promises that no `wait` is reached
    ///
    /// - from within the initialiser of a `thread_local!`;
    /// - from within a closure during which a thread-local points into the stack and is restored
    ///   afterwards, in the order of calls ("scoped" thread-locals, as of the crate `scoped-tls`,
    ///   or the `block_on` of another runtime).
    ///
    /// On Linux the second is looked for at each suspension, and where it is found the thread is
    /// blocked instead; that finds pointers into the fiber's own stack, in thread-locals of what
    /// was loaded with the program, and no others.
    ///
    /// What waits by it counts as well: joining by [`JoinHandle::wait`](crate::JoinHandle::wait),
    /// [`scope`](crate::scope()), yielding from plain code, and a spawn while there is no room
    /// ([`Builder::spawn_timeout`]).
    ///
    /// `docs/soundness.md` has the reasons and the examples.
    pub const unsafe fn enable_stackful(mut self) -> Self {
        self.is_stackful = true;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which setting cannot be, or what the operating system refused.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let workers = match self.workers {
            Some(count) => count,
            None => workers_default(),
        };
        let threads_max = self.threads_max.unwrap_or_else(|| {
            workers
                .saturating_add(SPARES_DEFAULT)
                .min(1024.max(workers))
        });
        shared::start(&self, workers, threads_max).map(Runtime::from_shared)
    }
}

/// As many as keep busy what this process may use.
fn workers_default() -> usize {
    let std = || available_parallelism().map_or(1, core::num::NonZero::get);
    // The interpreter shows no machine.
    if cfg!(miri) {
        return std();
    }
    Topology::detect().map_or_else(|_| std(), |machine| machine.recommended_workers())
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}
