//! A scheduler of task indices: run queues, mailboxes, stealing, parking.
//!
//! The mesh never knows what a task is. It is given a number and gives it back, once, to one of its
//! workers; [`Links`] lends it one word per task for its linked queues, and says what a task asks
//! for, if it does.
//!
//! ```text
//!   any thread            a worker's own thread
//!   ----------            ---------------------
//!   Mesh::inject          Worker::push, push_yielded, push_woken, push_pinned
//!   Mesh::inject_pinned   Worker::send_pinned
//!   Mesh::close           Worker::next -> run it -> ... -> Worker::park
//! ```
//!
//! # Map
//! | module | owns |
//! |---|---|
//! | `task` | names, and the link words |
//! | `attributes`, `domains`, `config` | what tasks and users may ask for |
//! | `run_queue`, `lane` | a worker's rings, which others may steal from |
//! | `private`, `guard`, `barrier` | slot and chunk, and who may touch them |
//! | `pinned`, `mailbox`, `inbox` | tasks on their way to one worker |
//! | `shared`, `shared_queue` | injector and warehouse |
//! | `turns` | whose turn it is among the priorities |
//! | `holders` | which workers may hold something that others could take |
//! | `seat` | what a worker shares with the others |
//! | `watch` | who stands still |
//! | `park` | who sleeps and who is woken |
//! | `roster` | who runs, who is blocked, who is in reserve |
//! | `worker` | the one-thread end: the order of tasks, theft, sleep, blocking |
//! | `mesh` | the many-thread end |
//! | `topology` | the machine's CPUs, and who shares what with whom |
//! | `placement` | which CPUs the workers are bound to |
//! | `sim` | all of it under a virtual clock (feature `sim`) |
//!
//! # Rules for the caller
//! - A task is in at most one queue. One that is pushed twice is run twice or lost, and may tie a
//!   list into a ring. Nothing here is `unsafe`, so memory safety does not depend on it.
//! - After [`Worker::next`] gives `None`, the worker parks or asks again.

#![deny(unsafe_code)]

mod attributes;
mod barrier;
mod config;
mod domains;
mod error;
mod guard;
mod holders;
mod inbox;
mod lane;
mod mailbox;
mod mesh;
mod park;
mod pinned;
mod placement;
mod private;
mod roster;
mod run_queue;
mod seat;
mod shared;
mod shared_queue;
#[cfg(all(any(test, feature = "sim"), not(dtact_loom), not(dtact_shuttle)))]
pub mod sim;
mod stats;
mod striped;
mod sync;
mod task;
mod topology;
mod turns;
mod watch;
mod worker;

#[cfg(all(test, dtact_loom))]
mod models;
#[cfg(all(test, dtact_shuttle))]
mod schedules;
#[cfg(all(test, not(any(dtact_loom, dtact_shuttle))))]
mod stress;

pub use attributes::{Affinity, Attributes, Kind, Priority};
pub use config::{Clock, Config, Deflection, LongPoll, Mode, Watchdog};
pub use domains::{Distance, Domains, Place};
pub use error::{MeshError, ThresholdError};
#[doc(hidden)]
pub use mailbox::exercise_mailbox;
pub use mesh::Mesh;
pub use park::Parker;
pub use placement::{Placement, PlacementError, Plan};
pub use stats::WorkerStats;
/// The type of a task's link word: an atomic `u32` (the model checker's under `cfg(dtact_loom)`).
pub use sync::AtomicU32 as Link;
pub use task::{ArrayLinks, Links, TaskIndex, WorkerId};
pub use topology::{Cpu, CpuLevel, CpuListError, Gap, Quota, Topology, TopologyError};
pub use worker::{Dormant, Listed, Parked, Replacement, Worker};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
