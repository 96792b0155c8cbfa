//! Owns what can be wrong with a mesh's configuration.

use core::{error, fmt};

use crate::{
    config::WORKERS_LIMIT,
    run_queue::PARCEL_MAX,
    shared::SHARDS_MAX,
    task::{HOPS_LIMIT, WorkerId},
};

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
    /// The domains were those of another number of workers.
    DomainsOfOthers {
        /// For how many workers there is a place.
        places: usize,
        /// What was asked to run at a time.
        workers: usize,
    },
    /// A core was in two complexes, or a complex in two nodes.
    DomainsNotNested {
        /// The first worker whose place contradicts an earlier one.
        worker: usize,
    },
    /// The threshold of deflection was over 100 percent.
    BadThreshold {
        /// What was asked for.
        percent: u8,
    },
    /// `hops_max` was 0, or more than can be counted.
    BadHops {
        /// What was asked for.
        hops_max: u8,
    },
    /// `parcel` was 0, or more than is passed on at once.
    BadParcel {
        /// What was asked for.
        parcel: usize,
    },
    /// `shards` was 0, or more than there can be.
    BadShards {
        /// What was asked for.
        shards: usize,
    },
    /// The limit of the watchdog was no time at all.
    ZeroLimit,
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
            Self::DomainsOfOthers { places, workers } => write!(
                f,
                "the domains have {places} places for {workers} workers; give one to each"
            ),
            Self::DomainsNotNested { worker } => write!(
                f,
                "the place of worker {worker} puts a core into a second complex, or a complex into \
                 a second node; number them so that each is in one"
            ),
            Self::BadThreshold { percent } => write!(
                f,
                "a threshold of {percent} percent is more than a full ring; choose 0 to 100"
            ),
            Self::BadHops { hops_max } => {
                write!(f, "hops_max is {hops_max}; choose 1 to {HOPS_LIMIT}")
            }
            Self::BadParcel { parcel } => {
                write!(f, "a parcel of {parcel} tasks; choose 1 to {PARCEL_MAX}")
            }
            Self::BadShards { shards } => {
                write!(
                    f,
                    "{shards} shards of the injector; choose 1 to {SHARDS_MAX}"
                )
            }
            Self::ZeroLimit => f.write_str(
                "a watchdog with a limit of 0 would report every poll; give it some time",
            ),
        }
    }
}

impl error::Error for MeshError {}

/// Why a threshold could not be set.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum ThresholdError {
    /// The mesh has no such worker.
    UnknownWorker {
        /// Who was named.
        worker: WorkerId,
        /// How many there are, spares included.
        workers_max: usize,
    },
    /// More than a full ring.
    OverHundred {
        /// What was asked for.
        percent: u8,
    },
    /// This mesh was made without deflection, or its mode has none.
    NoDeflection,
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownWorker {
                worker,
                workers_max,
            } => write!(
                f,
                "there is no worker {worker}; the mesh has 0 to {}",
                workers_max - 1
            ),
            Self::OverHundred { percent } => {
                write!(
                    f,
                    "{percent} percent is more than a full ring; choose 0 to 100"
                )
            }
            Self::NoDeflection => f.write_str(
                "the mesh deflects nothing; make it with `Mode::P2PMesh` and a `deflection`",
            ),
        }
    }
}

impl error::Error for ThresholdError {}
