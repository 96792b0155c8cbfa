//! What can go wrong, as values that say what to do.

use core::{any::Any, error::Error, fmt};

use dtact_arena::ArenaError;
use dtact_mesh::{MeshError, PlacementError, TopologyError};

use crate::{
    Dump,
    runtime::{dump_signal::DumpSignalError, probe::StackSignalError},
    trace::{EVENTS_MAX, EVENTS_MIN},
};

/// Why joining a fiber gave no value.
#[non_exhaustive]
pub enum JoinError {
    /// The fiber panicked; this is the payload of its panic.
    Panicked(Box<dyn Any + Send + 'static>),
    /// The fiber was cancelled, by `abort` or by the end of its runtime.
    Cancelled,
    /// The fiber never came to be.
    NotSpawned(SpawnError),
    /// Waiting would never end: the fiber is the one that waits, or can only go on on the thread
    /// that the wait would block.
    Deadlock,
}

impl JoinError {
    /// The payload of the panic, to hand to [`std::panic::resume_unwind`]; or the error itself if
    /// the fiber did not panic.
    ///
    /// # Errors
    ///
    /// The error unchanged, if it is not [`JoinError::Panicked`].
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self {
            Self::Panicked(payload) => Ok(payload),
            other => Err(other),
        }
    }

    /// Whether the fiber panicked.
    #[must_use]
    pub const fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Whether the fiber was cancelled.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// The message of the panic, where it has one.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        let Self::Panicked(payload) = self else {
            return None;
        };
        message_of(&**payload)
    }
}

/// The message of a panic, where it has one.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f
                .debug_tuple("Panicked")
                .field(&self.panic_message())
                .finish(),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Deadlock => f.write_str("Deadlock"),
            Self::NotSpawned(error) => f.debug_tuple("NotSpawned").field(error).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => match self.panic_message() {
                Some(message) => write!(f, "the fiber panicked: {message}"),
                None => f.write_str("the fiber panicked"),
            },
            Self::Cancelled => f.write_str("the fiber was cancelled"),
            Self::NotSpawned(error) => write!(f, "the fiber was not spawned: {error}"),
            Self::Deadlock => f.write_str(
                "the fiber can only go on when this wait has ended: await it, or spawn it where \
                 another worker can run it",
            ),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSpawned(error) => Some(error),
            Self::Panicked(_) | Self::Cancelled | Self::Deadlock => None,
        }
    }
}

/// Why a fiber could not be spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// All cells of the size the future needs are taken.
    Exhausted {
        /// How many fibers of one size the runtime holds.
        capacity: u32,
    },
    /// The runtime is shutting down, or has.
    ShutDown,
    /// The stack asked for is larger than any the runtime has.
    StackTooLarge {
        /// What was asked for, in bytes.
        bytes: usize,
        /// The largest possible, in bytes.
        bytes_max: usize,
    },
    /// The size of the stack could not be read.
    BadStackSize(ParseStackSizeError),
    /// No runtime could be started for it.
    NoRuntime,
    /// It is not `Send`, and the thread that spawns it is no worker: it would have nowhere to run.
    NotOnWorker,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { capacity } => write!(
                f,
                "all {capacity} cells of this size are taken: raise `Builder::fibers`, or let \
                 fibers end first"
            ),
            Self::ShutDown => f.write_str("the runtime is shutting down"),
            Self::StackTooLarge { bytes, bytes_max } => write!(
                f,
                "a stack of {bytes} bytes was asked for, and {bytes_max} bytes are the most \
                 there are"
            ),
            Self::BadStackSize(error) => error.fmt(f),
            Self::NotOnWorker => f.write_str(
                "a future that is not `Send` is spawned from a fiber, outside of `blocking`, whose \
                 worker then runs it",
            ),
            Self::NoRuntime => f.write_str(
                "there is no runtime here and the global one could not be started: \
                 `Runtime::new` says why",
            ),
        }
    }
}

impl Error for SpawnError {}

/// A spawn that was refused, with what was to be spawned.
pub struct TrySpawnError<F> {
    /// Why.
    pub error: SpawnError,
    /// The future or closure, untouched.
    pub rejected: F,
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySpawnError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<F> Error for TrySpawnError<F> {}

/// Why a runtime could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The memory for fibers or stacks could not be had, or was asked for in the wrong size.
    Arena(ArenaError),
    /// The number of workers is wrong.
    Mesh(MeshError),
    /// The size of the stacks could not be read.
    BadStackSize(ParseStackSizeError),
    /// There are not enough stacks: each worker stands on one, and keeps one in reserve.
    TooFewStacks {
        /// How many there are.
        stacks: u32,
        /// How many are needed.
        stacks_min: usize,
    },
    /// The workers cannot be bound to CPUs as asked.
    Placement(PlacementError),
    /// What the machine consists of could not be found out, which a placement needs.
    Topology(TopologyError),
    /// The stacks of fibers that run for too long cannot be looked at as asked.
    StackSignal(StackSignalError),
    /// The signal cannot print dumps.
    DumpSignal(DumpSignalError),
    /// The flight recorder was asked to hold too few events, or too many.
    BadRecorder {
        /// How many for each worker.
        events: usize,
    },
    /// As many runtimes are alive as can be.
    TooManyRuntimes,
    /// The operating system started no thread.
    Thread(std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arena(error) => error.fmt(f),
            Self::Mesh(error) => error.fmt(f),
            Self::Placement(error) => error.fmt(f),
            Self::Topology(error) => error.fmt(f),
            Self::StackSignal(error) => error.fmt(f),
            Self::DumpSignal(error) => error.fmt(f),
            Self::BadStackSize(error) => error.fmt(f),
            Self::TooFewStacks { stacks, stacks_min } => write!(
                f,
                "{stacks} stacks are too few, {stacks_min} are the least: two for each worker"
            ),
            Self::BadRecorder { events } => write!(
                f,
                "a flight recorder of {events} events for each worker; choose {EVENTS_MIN} to \
                 {EVENTS_MAX}"
            ),
            Self::TooManyRuntimes => {
                f.write_str("256 runtimes are alive: drop one, and the handles that outlived it")
            }
            Self::Thread(error) => write!(f, "starting a worker thread: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Arena(error) => Some(error),
            Self::Mesh(error) => Some(error),
            Self::Placement(error) => Some(error),
            Self::Topology(error) => Some(error),
            Self::StackSignal(error) => Some(error),
            Self::DumpSignal(error) => Some(error),
            Self::Thread(error) => Some(error),
            Self::BadStackSize(error) => Some(error),
            Self::TooFewStacks { .. } | Self::BadRecorder { .. } | Self::TooManyRuntimes => None,
        }
    }
}

impl From<StackSignalError> for BuildError {
    fn from(error: StackSignalError) -> Self {
        Self::StackSignal(error)
    }
}

impl From<DumpSignalError> for BuildError {
    fn from(error: DumpSignalError) -> Self {
        Self::DumpSignal(error)
    }
}

impl From<ArenaError> for BuildError {
    fn from(error: ArenaError) -> Self {
        Self::Arena(error)
    }
}

impl From<MeshError> for BuildError {
    fn from(error: MeshError) -> Self {
        Self::Mesh(error)
    }
}

impl From<PlacementError> for BuildError {
    fn from(error: PlacementError) -> Self {
        Self::Placement(error)
    }
}

impl From<TopologyError> for BuildError {
    fn from(error: TopologyError) -> Self {
        Self::Topology(error)
    }
}

/// Why a threshold could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The runtime has no such worker.
    UnknownWorker {
        /// Who was named.
        worker: usize,
        /// How many there can be, those that stand in for blocked ones included.
        workers_max: usize,
    },
    /// It is more than a full queue.
    OverHundred {
        /// What was asked for.
        percent: u8,
    },
    /// Nothing is passed on in this runtime.
    NoDeflection,
    /// There is no runtime at hand, and the process's could not be started.
    NoRuntime,
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownWorker {
                worker,
                workers_max,
            } => write!(
                f,
                "there is no worker {worker}: they are numbered from 0 to {}",
                workers_max.saturating_sub(1)
            ),
            Self::OverHundred { percent } => {
                write!(f, "{percent} percent is more than full: choose 0 to 100")
            }
            Self::NoDeflection => f.write_str(
                "nothing is passed on in this runtime: build it with a deflection, and not as a \
                 global one",
            ),
            Self::NoRuntime => f.write_str("no runtime could be started"),
        }
    }
}

impl Error for ThresholdError {}

/// What was still alive when a shutdown's time was over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShutdownError {
    /// How many fibers had not ended. They, their threads and their memory stay.
    pub alive_count: usize,
    /// Those of them that had not ended a moment later either, and where they stand if they are
    /// suspended in [`wait`](crate::wait()): the stacks of the first 32 of these.
    pub alive: Dump,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} fibers did not end in the time given to them: {}",
            self.alive_count, self.alive
        )
    }
}

impl Error for ShutdownError {}

/// Why a text is not the size of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseStackSizeError {
    /// It is not a number with one of the suffixes K, M, G, or none.
    NotANumber,
    /// It is zero.
    Zero,
    /// It is more bytes than there are addresses.
    TooLarge,
}

impl fmt::Display for ParseStackSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => {
                "a stack size is a number of bytes, with the suffix K, M or G if you like: \"256K\""
            }
            Self::Zero => "a stack of zero bytes holds nothing",
            Self::TooLarge => "this many bytes have no addresses",
        })
    }
}

impl Error for ParseStackSizeError {}
