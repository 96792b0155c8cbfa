//! Systems that are only asked for the number of CPUs.

use std::io;

use super::super::{
    Gap,
    cpu_list::CPUS_LIMIT,
    error::TopologyError,
    facts::{Fact, Facts},
};
use crate::sync::machine_threads;

/// Whether threads can be bound to CPUs.
pub(crate) const PINS: bool = false;

pub(in super::super) fn detect() -> Result<Facts, TopologyError> {
    Ok(Facts {
        online: (0..CPUS_LIMIT)
            .take(machine_threads())
            .map(Fact::new)
            .collect(),
        gaps: vec![
            Gap::Online,
            Gap::Allowed,
            Gap::Cores,
            Gap::Caches,
            Gap::Nodes,
        ],
        ..Facts::default()
    })
}

pub(in super::super) fn current_cpu() -> Option<u32> {
    None
}

/// Binds the calling thread to these CPUs.
pub(crate) fn pin(_cpus: &[u32]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
