//! What can go wrong with a pool, and what to do about it.

use core::fmt;

/// An error number of the operating system, as `errno` or its like reports it.
///
/// ```
/// assert_eq!(dtact_arena::Errno(12).0, 12);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// Why a pool could not be made, or could not hand out a stack or a cell.
///
/// ```
/// use dtact_arena::{ArenaError, StackPool};
///
/// let error = StackPool::builder().capacity(0).build().unwrap_err();
/// assert_eq!(error, ArenaError::CapacityZero);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[non_exhaustive]
pub enum ArenaError {
    /// A pool was asked for with room for nothing.
    CapacityZero,
    /// A pool was asked for with more slots than its indices can name.
    CapacityTooLarge {
        /// The slots asked for.
        capacity: u32,
        /// The most that one pool can hold.
        capacity_max: u32,
    },
    /// A stack of no bytes was asked for.
    StackBytesZero,
    /// A stack larger than the largest size class was asked for.
    StackBytesTooLarge {
        /// The bytes asked for.
        bytes: usize,
        /// The bytes of the largest class.
        bytes_max: usize,
    },
    /// Every stack of the pool is out.
    StacksExhausted {
        /// The stacks of the pool, over all size classes together.
        capacity: u32,
    },
    /// Every cell of one size class is out, or sits in the caches of other workers.
    CellsExhausted {
        /// The bytes of one cell of the class.
        cell_bytes: usize,
        /// The cells of the class.
        capacity: u32,
    },
    /// The kernel cannot guard memory without splitting mappings, and the number of mappings
    /// that it allows one process leaves no room for another guard.
    GuardsExhausted {
        /// The guards that the process has, each of them worth two mappings.
        guard_count: u64,
        /// `vm.max_map_count` as it is.
        max_map_count: u64,
        /// `vm.max_map_count` as the capacity of the pool needs it.
        max_map_count_needed: u64,
    },
    /// Memory of a NUMA node cannot be had: the system has no such node, or does not let the
    /// process choose.
    NodeRefused {
        /// The node asked for.
        node: u32,
        /// The reason that the system gave.
        errno: Errno,
    },
    /// Huge pages were asked for, and the administrator has switched them off.
    HugePagesOff,
    /// This operating system, or this interpreter, cannot do it.
    Unsupported {
        /// What it cannot do.
        what: &'static str,
    },
    /// The operating system refused.
    Os {
        /// What was being done.
        op: &'static str,
        /// The reason it gave.
        errno: Errno,
    },
}

impl fmt::Display for ArenaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CapacityZero => f.write_str("a pool needs a capacity of at least 1"),
            Self::CapacityTooLarge {
                capacity,
                capacity_max,
            } => {
                write!(
                    f,
                    "a capacity of {capacity} is too large, ask for {capacity_max} at most"
                )
            }
            Self::StackBytesZero => f.write_str("a stack needs at least 1 byte"),
            Self::StackBytesTooLarge { bytes, bytes_max } => {
                write!(
                    f,
                    "a stack of {bytes} bytes is too large, ask for {bytes_max} at most"
                )
            }
            Self::StacksExhausted { capacity } => write!(
                f,
                "all {capacity} stacks of the pool are out, give some back or build it larger"
            ),
            Self::CellsExhausted {
                cell_bytes,
                capacity,
            } => write!(
                f,
                "all {capacity} cells of {cell_bytes} bytes are out or cached by other workers, \
                 give some back or make the pool larger"
            ),
            Self::GuardsExhausted {
                guard_count,
                max_map_count,
                max_map_count_needed,
            } => write!(
                f,
                "guarding a stack: with {guard_count} guards the process is at its share of \
                 vm.max_map_count = {max_map_count}, raise it: \
                 sysctl -w vm.max_map_count={max_map_count_needed}"
            ),
            Self::NodeRefused { node, errno } => write!(
                f,
                "preferring memory of NUMA node {node}: {errno}, name a node that \
                 `numactl --hardware` lists, or none"
            ),
            Self::HugePagesOff => f.write_str(
                "huge pages are switched off, write `madvise` to \
                 /sys/kernel/mm/transparent_hugepage/enabled or do without",
            ),
            Self::Unsupported { what } => write!(f, "{what} cannot be had here"),
            Self::Os { op, errno } => write!(f, "{op}: {errno}"),
        }
    }
}

impl core::error::Error for ArenaError {}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_guard_error_names_the_sysctl_and_the_value_needed() {
        let text = ArenaError::GuardsExhausted {
            guard_count: 29_488,
            max_map_count: 65_530,
            max_map_count_needed: 222_223,
        }
        .to_string();
        assert!(text.contains("vm.max_map_count = 65530"), "{text}");
        assert!(text.contains("sysctl -w vm.max_map_count=222223"), "{text}");
    }

    #[test]
    fn every_message_starts_in_lower_case_and_has_no_full_stop() {
        let errors = [
            ArenaError::CapacityZero,
            ArenaError::CapacityTooLarge {
                capacity: 9,
                capacity_max: 8,
            },
            ArenaError::StackBytesZero,
            ArenaError::StackBytesTooLarge {
                bytes: 9,
                bytes_max: 8,
            },
            ArenaError::StacksExhausted { capacity: 1 },
            ArenaError::CellsExhausted {
                cell_bytes: 128,
                capacity: 1,
            },
            ArenaError::NodeRefused {
                node: 7,
                errno: Errno(22),
            },
            ArenaError::HugePagesOff,
            ArenaError::Unsupported { what: "a thing" },
            ArenaError::Os {
                op: "reserving address space",
                errno: Errno(12),
            },
        ];
        for error in errors {
            let text = error.to_string();
            assert!(
                text.starts_with(|first: char| first.is_ascii_lowercase()),
                "{text}"
            );
            assert!(!text.ends_with('.'), "{text}");
        }
    }
}
