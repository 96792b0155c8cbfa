//! The C ABI of Dtact: what `include/dtact.h` declares, and nothing else.
//!
//! The header is the documentation for its callers; here is how its promises are kept.
//!
//! ```text
//!   C caller ──▶ dtact_…  (builder, runtime, fiber, version)
//!                   │
//!                   ▼
//!               boundary   catches panics, turns errors into statuses, keeps the message
//!                   │
//!                   ▼
//!               dtact     the facade crate; a handle of C is its fiber's own name
//!                   │
//!                   ▼
//!                 task     the callback, its environment and its finalizer, in the fiber
//! ```
//!
//! # Map
//!
//! | module | owns |
//! | --- | --- |
//! | `status` | the numbers of the ABI and their texts |
//! | `error` | what went wrong, with its details; each error has a status |
//! | `boundary` | the line that no panic crosses, and the last message of each thread |
//! | `knobs` | the numbers by which C says one of several |
//! | `process_runtime` | the C API of 0.2: one runtime for the process, and its fibers |
//! | `task` | a callback on its way to a fiber, and its finalizer |
//! | `thread_state` | `errno` and C++ exceptions, which a fiber takes along over a wait |
//! | `completion`, `completions`, `signal` | the end of fibers, told by a call, or by a descriptor to poll |
//! | `builder`, `runtime`, `options`, `fiber`, `join`, `observe`, `pause`, `version` | the exported functions |
//!
//! # Invariants
//!
//! - [ffi.B1] Nothing unwinds out of an exported function: each runs its body inside
//!   `boundary::enter`, or has a body that cannot panic.
//! - [ffi.B2] No frame of C is unwound by a cancellation. The runtime cancels a waiting fiber by
//!   unwinding from the wait; every wait of this crate is `boundary::interruptible`, which catches
//!   that directly above, with no frame of C in between, and turns it into a status, or
//!   `boundary::shielded`, which is not unwound.
//! - [ffi.N1] What is exported is named `dtact_…`, which no other library has a claim to.
//! - [ffi.P1] Pointers from C are checked for null and otherwise trusted, as the header says.

#![deny(unsafe_code)]

mod boundary;
mod builder;
mod completion;
mod completions;
mod error;
mod fiber;
mod join;
mod knobs;
mod observe;
mod options;
mod pause;
mod process_runtime;
mod runtime;
mod signal;
mod status;
mod task;
mod thread_state;
mod version;

pub use crate::{
    boundary::dtact_last_error_message,
    builder::{
        DtactBuilder, dtact_builder_free, dtact_builder_new, dtact_builder_set_fibers,
        dtact_builder_set_stack_bytes, dtact_builder_set_stacks, dtact_builder_set_topology_mode,
        dtact_builder_set_workers,
    },
    completion::{DtactCompletion, dtact_fiber_on_complete},
    completions::{
        DtactCompletions, dtact_completions_descriptor, dtact_completions_free,
        dtact_completions_new, dtact_completions_next, dtact_completions_watch,
    },
    fiber::{
        DtactHandle, dtact_fiber_cancel, dtact_fiber_detach, dtact_fiber_is_finished,
        dtact_fiber_spawn, dtact_fiber_spawn_with,
    },
    join::{
        dtact_fiber_join, dtact_fiber_join_into, dtact_fiber_join_regardless,
        dtact_fiber_join_timeout, dtact_join,
    },
    observe::{
        DtactFiberInfo, DtactMetrics, dtact_fiber_info, dtact_fiber_outcome, dtact_runtime_dump,
        dtact_runtime_metrics,
    },
    options::{
        DtactFiberOptions, dtact_fiber_options_free, dtact_fiber_options_new,
        dtact_fiber_options_set_affinity, dtact_fiber_options_set_kind,
        dtact_fiber_options_set_name, dtact_fiber_options_set_priority,
        dtact_fiber_options_set_stack_bytes, dtact_fiber_options_set_switcher,
    },
    pause::{dtact_fiber_yield, dtact_sleep, dtact_yield},
    process_runtime::{
        DtactConfig, DtactFunction, DtactSpawnOptions, dtact_abort, dtact_await, dtact_cancel,
        dtact_default_config, dtact_default_spawn_options, dtact_fiber_launch,
        dtact_fiber_launch_ext, dtact_fiber_launch_with_cleanup,
        dtact_fiber_launch_with_cleanup_ext, dtact_free_arg, dtact_init, dtact_run, dtact_shutdown,
    },
    runtime::{DtactRuntime, dtact_runtime_free, dtact_runtime_shutdown, dtact_runtime_start},
    status::{DtactStatus, dtact_status_message},
    task::{DtactCallback, DtactFinalizer},
    thread_state::{DtactCxxGlobals, dtact_register_cxx_globals},
    version::{dtact_check_version, dtact_version},
};
