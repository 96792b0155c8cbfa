//! Fibers: futures and closures on cells, and a stack only while one needs it.
//!
//! This crate joins the three leaves: cells and stacks of `dtact-arena`, scheduled by `dtact-mesh`,
//! suspended by `dtact-switch`. Users take it through the facade, the crate `dtact`.
//!
//! # Map
//!
//! | module | owns |
//! | --- | --- |
//! | `fiber` | the cell: its header, its state word, its body |
//! | `fiber_ref`, `registry` | the names of fibers, and how a stale one finds out |
//! | `runtime` | configuration, what workers share, shutdown |
//! | `worker` | the loop, its stacks, suspension |
//! | `spawn`, `spawn_builder`, `join`, `waker` | into a cell, out of it, and what happens in between |
//! | `room` | what `spawn` does where all cells are taken |
//! | [`foreign`] | fibers by number, and spawned for C |
//! | `task` | futures that say how they want to be spawned |
//! | `scope` | fibers that borrow |
//! | `spans` | what the crate `tracing` is told |
//! | [`trace`] | the flight recorder, and what is made of its events |
//! | [`topology`] | the machine |
//! | [`time`] | sleeping, and the timers behind it |
//! | `budget` | how much a fiber may take before the others get their turn |
//! | `wait`, `block_on`, `yield_now`, `blocking`, `no_suspend` | how code waits, and how it blocks |

#![deny(unsafe_code)]

#[cfg(not(dtact_loom))]
mod block_on;
#[cfg(not(dtact_loom))]
mod blocking;
#[cfg(not(dtact_loom))]
mod budget;
#[cfg(not(dtact_loom))]
mod error;
#[cfg(not(dtact_loom))]
mod fiber;
#[cfg(not(dtact_loom))]
mod fiber_ref;
#[cfg(not(dtact_loom))]
pub mod foreign;
#[cfg(not(dtact_loom))]
mod join;
#[cfg(not(dtact_loom))]
mod no_suspend;
mod registry;
#[cfg(not(dtact_loom))]
mod room;
#[cfg(not(dtact_loom))]
mod runtime;
#[cfg(not(dtact_loom))]
mod scope;
#[cfg(not(dtact_loom))]
mod spans;
#[cfg(not(dtact_loom))]
mod spawn;
#[cfg(not(dtact_loom))]
mod spawn_builder;
mod sync;
#[cfg(not(dtact_loom))]
mod task;
#[cfg(not(dtact_loom))]
pub mod time;
#[cfg(not(dtact_loom))]
pub mod topology;
#[cfg(not(dtact_loom))]
pub mod trace;
#[cfg(not(dtact_loom))]
mod wait;
#[cfg(not(dtact_loom))]
mod waker;
#[cfg(not(dtact_loom))]
mod worker;
#[cfg(not(dtact_loom))]
mod yield_now;

// The models need the protocols alone; nothing else is made of loom's types.
#[cfg(dtact_loom)]
#[path = "runtime/gate.rs"]
mod gate;
#[cfg(all(test, dtact_loom))]
mod models;
#[cfg(dtact_loom)]
#[path = "fiber/name.rs"]
mod name;
#[cfg(dtact_loom)]
#[path = "trace/ring.rs"]
mod ring;
#[cfg(dtact_loom)]
#[path = "runtime/starved.rs"]
mod starved;
#[cfg(dtact_loom)]
#[path = "fiber/state.rs"]
mod state;
#[cfg(dtact_loom)]
#[path = "time/entry.rs"]
mod timer_entry;
#[cfg(dtact_loom)]
#[path = "time/stack.rs"]
mod timer_stack;

/// What the memory of a runtime could not do; part of [`BuildError`].
#[cfg(not(dtact_loom))]
pub use dtact_arena::ArenaError;
/// What protects the stacks of fibers.
#[cfg(not(dtact_loom))]
pub use dtact_arena::{SafetyLevel, Unguarded};
/// What the workers of a runtime cannot be; part of [`BuildError`].
#[cfg(not(dtact_loom))]
pub use dtact_mesh::MeshError;
/// What a fiber may ask of the scheduler, and how the scheduler goes about it.
#[cfg(not(dtact_loom))]
pub use dtact_mesh::{
    Affinity, Deflection, Kind as WorkloadKind, Mode as TopologyMode, Placement, PlacementError,
    Priority, TopologyError,
};
/// The switchers, by which [`SpawnBuilder`] says how a fiber is suspended and where it goes on.
#[cfg(not(dtact_loom))]
pub use dtact_switch::{
    ContextSwitcher, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat, SameThreadNoFloat,
};

/// What only some processors do.
#[cfg(all(not(dtact_loom), feature = "hw-acceleration"))]
pub use dtact_switch::hw;

#[cfg(not(dtact_loom))]
pub use crate::{
    blocking::{blocking, spawn_blocking},
    budget::{ConsumeBudget, consume_budget},
    error::{
        BuildError, JoinError, ParseStackSizeError, ShutdownError, SpawnError, ThresholdError,
        TrySpawnError,
    },
    fiber::{
        id::{Ended, FiberId},
        local::FiberLocal,
    },
    join::JoinHandle,
    no_suspend::no_suspend,
    runtime::{
        InitError, Runtime,
        config::Builder,
        dump::{Dump, FiberDump, FiberStack, FiberStatus, NoStack, dump_all},
        dump_signal::DumpSignalError,
        long_poll::LongPoll,
        metrics::{Metrics, PriorityMetrics, WorkerMetrics},
        panic_policy::PanicPolicy,
        probe::{StackSignalError, StackTrace},
        set_deflection_threshold,
        stack_size::IntoStackSize,
        wake_latency::{LatencyHistogram, WakeLatencies},
    },
    scope::{Scope, ScopedJoinHandle, scope},
    spawn::{spawn, spawn_local, spawn_with_stack, try_spawn, try_spawn_local},
    spawn_builder::{SpawnBuilder, spawn_with},
    task::{TaskFuture, TaskMetadata},
    wait::{WaitExt, is_cancellation, wait, wait_shielded},
    yield_now::{
        FiberTarget, YieldNow, YieldTo, yield_now, yield_now_sync, yield_to_async, yield_to_sync,
    },
};
