//! Owns what can be wrong with a mesh's configuration.

use core::{error, fmt};

use crate::mesh::WORKERS_LIMIT;

/// Why a mesh could not be made.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum MeshError {
    /// `workers` was 0.
    NoWorkers,
    /// `workers_max` was smaller than `workers`.
    MaxBelowWorkers {
        /// What was asked to run at a time.
        workers: usize,
        /// The most that there may be.
        workers_max: usize,
    },
    /// `workers_max` was more than a mesh can have.
    TooManyWorkers {
        /// The most that there may be.
        workers_max: usize,
    },
}

impl fmt::Display for MeshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoWorkers => f.write_str("a mesh of 0 workers runs nothing; ask for at least 1"),
            Self::MaxBelowWorkers {
                workers,
                workers_max,
            } => write!(
                f,
                "workers_max is {workers_max}, less than the {workers} workers that run at a \
                 time; raise it to {workers} or more"
            ),
            Self::TooManyWorkers { workers_max } => write!(
                f,
                "workers_max is {workers_max}, more than the {WORKERS_LIMIT} that a mesh can \
                 have; lower it"
            ),
        }
    }
}

impl error::Error for MeshError {}
