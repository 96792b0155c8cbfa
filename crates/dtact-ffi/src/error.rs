//! What went wrong, with its details. The status is the number of it, the message its text.

use core::fmt;

use dtact::{ArenaError, BuildError, JoinError, ShutdownError, SpawnError};

use crate::{
    status::DtactStatus,
    version::{self, Shown},
};

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Error {
    /// A pointer that has to point somewhere is null; its name.
    Null(&'static str),
    /// The runtime could not be started.
    Build(BuildError),
    /// The fiber could not be spawned.
    Spawn(SpawnError),
    /// Fibers outlived the deadline of the shutdown.
    Shutdown(ShutdownError),
    /// The joined fiber has no result.
    Join(JoinError),
    /// The handle names nothing.
    StaleHandle(u64),
    /// Somebody else is joining it.
    Busy(u64),
    /// The calling fiber was cancelled.
    Cancelled,
    /// A wait inside a finalizer.
    InFinalizer,
    /// A second C++ runtime, with exceptions of its own.
    OtherCxxRuntime,
    /// The version of a header that this library cannot serve.
    IncompatibleVersion(u32),
    /// A panic that was caught at the boundary; its message.
    Panicked(String),
}

impl Error {
    pub(crate) fn status(&self) -> DtactStatus {
        match self {
            Self::Null(_) => DtactStatus::InvalidArgument,
            Self::Build(error) => of_build(error),
            Self::Spawn(error) | Self::Join(JoinError::NotSpawned(error)) => of_spawn(*error),
            Self::Shutdown(_) => DtactStatus::TimedOut,
            Self::Join(JoinError::Cancelled) => DtactStatus::FiberCancelled,
            Self::Join(JoinError::Deadlock) | Self::InFinalizer | Self::OtherCxxRuntime => {
                DtactStatus::NotAllowed
            }
            Self::Join(_) | Self::Panicked(_) => DtactStatus::Panicked,
            Self::StaleHandle(_) => DtactStatus::StaleHandle,
            Self::Busy(_) => DtactStatus::Busy,
            Self::Cancelled => DtactStatus::Cancelled,
            Self::IncompatibleVersion(_) => DtactStatus::IncompatibleVersion,
        }
    }
}

fn of_build(error: &BuildError) -> DtactStatus {
    match error {
        BuildError::TooManyRuntimes => DtactStatus::Exhausted,
        BuildError::Thread(_) | BuildError::Arena(ArenaError::Os { .. }) => DtactStatus::System,
        _ => DtactStatus::InvalidArgument,
    }
}

fn of_spawn(error: SpawnError) -> DtactStatus {
    match error {
        SpawnError::Exhausted { .. } => DtactStatus::Exhausted,
        SpawnError::ShutDown => DtactStatus::ShutDown,
        _ => DtactStatus::InvalidArgument,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(name) => write!(f, "`{name}` is null: pass a pointer"),
            Self::Build(error) => error.fmt(f),
            Self::Spawn(error) => error.fmt(f),
            Self::Shutdown(error) => error.fmt(f),
            Self::Join(error) => error.fmt(f),
            Self::StaleHandle(0) => f.write_str("the handle is 0, which names no fiber"),
            Self::StaleHandle(handle) => write!(
                f,
                "the handle {handle:#x} names no fiber: it was joined or detached, or never given \
                 out"
            ),
            Self::Busy(handle) => write!(
                f,
                "the handle {handle:#x} is being joined by somebody else: only one can"
            ),
            Self::Cancelled => {
                f.write_str("the calling fiber is cancelled: clean up and return from its callback")
            }
            Self::InFinalizer => {
                f.write_str("a finalizer must not wait: join or yield in the callback instead")
            }
            Self::OtherCxxRuntime => f.write_str(
                "the exceptions of another C++ runtime are registered: link this process with one",
            ),
            Self::IncompatibleVersion(header) => write!(
                f,
                "the program was compiled with dtact.h {}, and the library is {}: compile it again",
                Shown(*header),
                Shown(version::VERSION)
            ),
            Self::Panicked(message) => write!(f, "Rust code panicked: {message}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Build(error) => Some(error),
            Self::Spawn(error) => Some(error),
            Self::Shutdown(error) => Some(error),
            Self::Join(error) => Some(error),
            _ => None,
        }
    }
}
