//! Owns what can be wrong with a topology as a whole. What is only unknown is a gap, not an error.

use core::{error, fmt};

use super::cpu_list::CpuListError;

/// Why there is no topology.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum TopologyError {
    /// Neither the system nor the recording names a CPU that this process may use.
    NoCpus,
    /// A line of a recording is not a path, a colon and a space, and a text.
    NotARecord {
        /// Which line, from 1.
        line: usize,
    },
    /// The list in brackets on a line of a recording is no list.
    BadList {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        error: CpuListError,
    },
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoCpus => f.write_str(
                "no CPU is both online and allowed to this process; mount /sys or /proc, or \
                 correct the recording",
            ),
            Self::NotARecord { line } => write!(
                f,
                "line {line} of the recording is not `path: text`; see `Topology::from_recording`"
            ),
            Self::BadList { line, error } => {
                write!(
                    f,
                    "line {line} of the recording has a bad list in brackets: {error}"
                )
            }
        }
    }
}

impl error::Error for TopologyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::BadList { error, .. } => Some(error),
            Self::NoCpus | Self::NotARecord { .. } => None,
        }
    }
}
