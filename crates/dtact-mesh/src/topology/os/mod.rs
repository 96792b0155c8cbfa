//! Owns the choice of the operating system: one file each, all with the same three functions.
//!
//! | function | Linux | Windows | macOS | others |
//! | --- | --- | --- | --- | --- |
//! | `detect` | sysfs, cgroups | `GetLogicalProcessorInformationEx` | `sysctl` | a count |
//! | `current_cpu` | `getcpu`, through the vDSO | `GetCurrentProcessorNumberEx` | no | no |
//! | `pin` | `sched_setaffinity` | `SetThreadGroupAffinity` | no | no |
//!
//! What a system answers is read by pure code in `parse_windows.rs` and `parse_macos.rs`, which are
//! tested on every system.

#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod imp;

#[cfg(all(target_os = "linux", not(miri)))]
#[path = "linux.rs"]
mod imp;

#[cfg(windows)]
#[path = "windows.rs"]
mod imp;

#[cfg(not(any(all(target_os = "linux", not(miri)), windows, target_os = "macos")))]
#[path = "other.rs"]
mod imp;

#[cfg(any(target_os = "macos", all(test, not(dtact_loom), not(miri))))]
mod parse_macos;
#[cfg(any(windows, all(test, not(dtact_loom), not(miri))))]
mod parse_windows;

pub(crate) use imp::{PINS, pin};
pub(super) use imp::{current_cpu, detect};
