//! Linux: files, and three calls.

use std::io;

use rustix::thread::{CpuSet as Mask, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::super::{cpu_list::CpuSet, error::TopologyError, facts::Facts, files::Files, sysfs};

/// Whether threads can be bound to CPUs.
pub(crate) const PINS: bool = true;

/// The files of this machine.
struct Machine;

impl Files for Machine {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other systems can fail")]
pub(in super::super) fn detect() -> Result<Facts, TopologyError> {
    // Fails on a kernel built for more CPUs than the mask holds (1024): then /proc tells.
    let mask = sched_getaffinity(None).ok();
    let allowed = mask.map(|mask| -> CpuSet {
        (0..)
            .take(Mask::MAX_CPU)
            .filter(|&cpu| mask.is_set(cpu as usize))
            .collect()
    });
    Ok(sysfs::read(&Machine, allowed))
}

pub(in super::super) fn current_cpu() -> Option<u32> {
    u32::try_from(sched_getcpu()).ok()
}

/// Binds the calling thread to these CPUs.
pub(crate) fn pin(cpus: &[u32]) -> io::Result<()> {
    let mut mask = Mask::new();
    for &cpu in cpus {
        let cpu = cpu as usize;
        if cpu >= Mask::MAX_CPU {
            return Err(io::ErrorKind::Unsupported.into());
        }
        mask.set(cpu);
    }
    Ok(sched_setaffinity(None, &mask)?)
}
