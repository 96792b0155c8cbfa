//! The machine: which CPUs there are, who shares what with whom, and where this thread runs.

pub use dtact_mesh::{Affinity, Cpu, CpuLevel, Placement, PlacementError, Topology, TopologyError};

use crate::sync::OnceLock;

/// Where the calling thread runs at this moment: its core, core complex and NUMA node. `None` where
/// the system does not say.
///
/// The machine is looked at once, by the first call. A thread that is not bound to a CPU, and a
/// fiber that may move, may be elsewhere by the time the answer is read.
///
/// # Examples
///
/// ```
/// use dtact_bridge::topology;
///
/// if let Some(level) = topology::current() {
///     println!("core {} in complex {} of node {}", level.core, level.complex, level.node);
/// }
/// ```
#[must_use]
pub fn current() -> Option<CpuLevel> {
    static MACHINE: OnceLock<Option<Topology>> = OnceLock::new();
    MACHINE
        .get_or_init(|| Topology::detect().ok())
        .as_ref()?
        .current()
}

/// The core on which the calling thread runs at this moment: [`current`], without the rest.
#[must_use]
pub fn current_core() -> Option<u32> {
    current().map(|level| level.core)
}
