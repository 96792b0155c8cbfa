#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! | to do this | use |
//! | --- | --- |
//! | run a future beside others | [`spawn()`] |
//! | run plain code that may wait at any depth | [`spawn_with_stack`] |
//! | say more: a name, a stack, a switcher | [`spawn_with`] |
//! | say what is urgent, what stays near, what it does | [`Priority`], [`Affinity`], [`WorkloadKind`] |
//! | say how fibers get from worker to worker | [`TopologyMode`] |
//! | have an `async fn` say that itself | [`task`](macro@task) |
//! | run a future that is not `Send` | [`spawn_local`] |
//! | spawn fibers that borrow | [`scope()`] |
//! | run code that blocks its thread | [`blocking()`], [`spawn_blocking`] |
//! | sleep, wait no longer than so long, tick | [`time`] |
//! | keep a value for each fiber | [`fiber_local!`] |
//! | wait for a future from plain code | [`wait()`], or [`.wait()`](WaitExt::wait) on it |
//! | the same, where a cancellation must not cut it short | [`wait_shielded`] |
//! | have fibers by number, as C has | [`foreign`], [`dtact_handle_t`], [`dtact_await`], [`cancel()`], [`outcome()`], [`fiber_info`] |
//! | let others run | [`yield_now`]; from plain code [`fiber::yield_now`]; now and then, [`consume_budget`] |
//! | let a certain fiber run next | [`yield_to_async`], [`yield_to_sync`] |
//! | have C spawn a function | [`export_async`](macro@export_async), [`export_fiber`](macro@export_fiber) |
//! | configure the process's runtime | [`dtact_init`](macro@dtact_init) on `main` |
//! | learn where a thread runs, and bind workers to CPUs | [`topology`], [`Builder::placement`] |
//! | demote a line of the cache | `hw`, behind the feature `hw-acceleration` |
//! | say what a panic of a fiber does | [`Builder::panic_policy`] |
//! | hear of fibers that run for too long | [`Builder::watchdog`] |
//! | see what workers did last | [`trace`], [`Builder::flight_recorder`] |
//! | have a runtime of one's own | [`Builder`], [`Runtime`] |
//!
//! # What waits
//!
//! A future suspended at `.await` keeps its cell and nothing else, and may go on on any worker.
//! Code suspended in [`wait()`] keeps the stack it stands on, and goes on on the same thread. For
//! that, one promise has to be made once: [`Builder::enable_stackful`]. Without it [`wait()`]
//! works all the same, by blocking a thread, which another one replaces.

#![forbid(unsafe_code)]

/// Another name of [`WaitExt`].
pub use dtact_bridge::WaitExt as DtactWaitExt;
/// The name of a fiber for C: [`Handle`](foreign::Handle).
pub use dtact_bridge::foreign::Handle as dtact_handle_t;
pub use dtact_bridge::foreign::{FiberOutcome, cancel, dtact_await, fiber_info, outcome};
/// Another name of [`wait()`].
pub use dtact_bridge::wait as dtact_wait;
/// Another name of [`yield_to_async`].
pub use dtact_bridge::yield_to_async as yield_to;
pub use dtact_bridge::{
    Affinity, ArenaError, BuildError, Builder, ConsumeBudget, ContextSwitcher, CrossThreadFloat,
    CrossThreadNoFloat, Deflection, Dump, DumpSignalError, Ended, FiberDump, FiberId, FiberLocal,
    FiberStack, FiberStatus, FiberTarget, InitError, IntoStackSize, JoinError, JoinHandle,
    LatencyHistogram, LongPoll, MeshError, Metrics, NoStack, PanicPolicy, ParseStackSizeError,
    Placement, PlacementError, Priority, PriorityMetrics, Runtime, SafetyLevel, SameThreadFloat,
    SameThreadNoFloat, Scope, ScopedJoinHandle, ShutdownError, SpawnBuilder, SpawnError,
    StackSignalError, StackTrace, TaskFuture, TaskMetadata, ThresholdError, TopologyError,
    TopologyMode, TrySpawnError, Unguarded, WaitExt, WakeLatencies, WorkerMetrics, WorkloadKind,
    YieldNow, YieldTo, blocking, consume_budget, fiber_local, is_cancellation, no_suspend, scope,
    set_deflection_threshold, spawn, spawn_blocking, spawn_local, spawn_with, spawn_with_stack,
    try_spawn, try_spawn_local, wait, wait_shielded, yield_now, yield_to_async, yield_to_sync,
};
pub use dtact_bridge::{foreign, time, topology, trace};
pub use dtact_macros::{dtact_init, export_async, export_fiber, task};

#[cfg(feature = "hw-acceleration")]
pub use dtact_bridge::hw;
#[cfg(feature = "hw-acceleration")]
pub use hw::{cldemote, uintr};

/// What only code on a stack of its own needs, named as its `async` counterpart is.
pub mod fiber {
    pub use dtact_bridge::{
        spawn_with_stack, yield_now_sync as yield_now, yield_to_sync as yield_to,
    };
}

/// What a runtime is made of, and what can be set while it runs.
pub mod config {
    pub use dtact_bridge::{
        Builder, Deflection, IntoStackSize, PanicPolicy, Placement, SafetyLevel, ThresholdError,
        TopologyMode, Unguarded, set_deflection_threshold,
    };
}

/// Spawns a future: [`spawn()`] as a macro, for programs that have it from earlier versions.
#[macro_export]
macro_rules! spawn {
    ($future:expr $(,)?) => {
        $crate::spawn($future)
    };
}

#[doc(hidden)]
pub mod __private;

/// The program in the repository's README is one that runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
