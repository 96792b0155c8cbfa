//! Windows: one call that describes everything, and processor groups of at most 64 CPUs.
#![allow(unsafe_code, reason = "these calls have no safe door")]

use core::ptr;
use std::io;

use windows_sys::Win32::System::{
    Kernel::PROCESSOR_NUMBER,
    SystemInformation::{
        GROUP_AFFINITY, GetLogicalProcessorInformationEx, RelationAll,
        SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX,
    },
    Threading::{
        GetCurrentProcess, GetCurrentProcessorNumberEx, GetCurrentThread, GetProcessAffinityMask,
        GetThreadGroupAffinity, SetThreadGroupAffinity,
    },
};

use super::{
    super::{Gap, error::TopologyError, facts::Facts},
    parse_windows::{self, GROUP_SIZE},
};

/// Whether threads can be bound to CPUs.
pub(crate) const PINS: bool = true;

pub(in super::super) fn detect() -> Result<Facts, TopologyError> {
    let mut facts = parse_windows::facts(&records().ok_or(TopologyError::NoCpus)?);
    match allowed() {
        Allowed::All => {}
        Allowed::Unknown => facts.gaps.push(Gap::Allowed),
        Allowed::Some { mask, group } => {
            for fact in &mut facts.online {
                let bit = mask & 1 << (fact.number % GROUP_SIZE) != 0;
                fact.usable = fact.number / GROUP_SIZE == u32::from(group) && bit;
            }
        }
    }
    Ok(facts)
}

/// The system's description. It may grow between the two calls, so try again a few times.
fn records() -> Option<Vec<u8>> {
    let mut size = 0_u32;
    let mut words: Vec<u64> = Vec::new();
    for _ in 0..8 {
        let into = words
            .as_mut_ptr()
            .cast::<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX>();
        // SAFETY: `into` has `size` bytes, aligned for any record; with 0 it is not written to.
        let done = unsafe { GetLogicalProcessorInformationEx(RelationAll, into, &raw mut size) };
        if done != 0 {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes());
            return Some(bytes.take(size as usize).collect());
        }
        words = vec![0; (size as usize).div_ceil(8)];
    }
    None
}

enum Allowed {
    All,
    Some { mask: u64, group: u16 },
    Unknown,
}

/// Which CPUs the process may use. Only a process in a single group has a mask.
fn allowed() -> Allowed {
    let (mut process, mut system) = (0_usize, 0_usize);
    // SAFETY: a pseudo-handle that is always valid.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: both places may be written.
    let done = unsafe { GetProcessAffinityMask(this, &raw mut process, &raw mut system) };
    if done == 0 {
        return Allowed::Unknown;
    }
    if process == system {
        return Allowed::All;
    }
    let mut affinity = GROUP_AFFINITY::default();
    // SAFETY: a pseudo-handle that is always valid.
    let this = unsafe { GetCurrentThread() };
    // SAFETY: the place may be written.
    if unsafe { GetThreadGroupAffinity(this, &raw mut affinity) } == 0 {
        return Allowed::Unknown;
    }
    Allowed::Some {
        mask: process as u64,
        group: affinity.Group,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other systems do not say")]
pub(in super::super) fn current_cpu() -> Option<u32> {
    let mut number = PROCESSOR_NUMBER::default();
    // SAFETY: the place may be written; the call cannot fail.
    unsafe { GetCurrentProcessorNumberEx(&raw mut number) };
    Some(u32::from(number.Group) * GROUP_SIZE + u32::from(number.Number))
}

/// Binds the calling thread to these CPUs, which must be of one group.
pub(crate) fn pin(cpus: &[u32]) -> io::Result<()> {
    let group = cpus.first().map_or(0, |cpu| cpu / GROUP_SIZE);
    if cpus.is_empty() || cpus.iter().any(|cpu| cpu / GROUP_SIZE != group) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let affinity = GROUP_AFFINITY {
        Mask: cpus.iter().map(|cpu| 1 << (cpu % GROUP_SIZE)).sum(),
        Group: u16::try_from(group).map_err(|_| io::ErrorKind::Unsupported)?,
        Reserved: [0; 3],
    };
    // SAFETY: a pseudo-handle that is always valid.
    let this = unsafe { GetCurrentThread() };
    // SAFETY: the affinity may be read, and nobody asked for the one before.
    if unsafe { SetThreadGroupAffinity(this, &raw const affinity, ptr::null_mut()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
