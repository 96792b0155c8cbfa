//! Owns the simulator: the scheduler that ships, under a virtual clock, with virtual workers.
//!
//! One thread plays all workers. It asks each [`Worker`](crate::Worker) for its next task, lets
//! virtual time pass for as long as the task takes, and asks again; a worker that would sleep in
//! the kernel is left alone until its token is there. Queues, theft, deflection, the order of
//! tasks and the decision to sleep are the production code; what is simulated is the time that
//! things take ([`Costs`]) and what there is to do ([`Load`]). The same load and seed give the same
//! run, to the nanosecond.
//!
//! ```text
//!   Scenario --> Load --+
//!                       +--> engine --> ledger --> Report
//!   Mesh, or Ideal -----+      ^
//!   Costs ---------------------+
//! ```
//!
//! What it cannot show: two workers inside the scheduler at the same instant (the models and the
//! stress tests are for that), and what caches do beyond [`Costs::transfer`].
//!
//! ```
//! use dtact_mesh::sim::{Machine, Policy, Scenario, Setup, run};
//!
//! let machine = Machine::flat(8);
//! let load = Scenario::HotCore.load(&machine, 1000, 0.9, 7);
//! let report = run(&load, &machine, &Setup::new(Policy::Both))?;
//! assert_eq!(report.tasks, 1001);
//! assert!(report.makespan >= report.makespan_bound);
//! # Ok::<(), dtact_mesh::sim::Violation>(())
//! ```

mod clock;
mod engine;
mod ideal;
mod ledger;
mod load;
mod random;
mod report;
mod scenario;
mod scheduler;

pub use engine::{Costs, Policy, Setup, run};
pub use ledger::Violation;
pub use load::{Load, Machine, Ready, Task};
pub use report::{Messages, Report, Waits};
pub use scenario::Scenario;

#[cfg(all(test, not(dtact_loom), not(miri)))]
mod tests;
