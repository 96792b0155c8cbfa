//! What went wrong, with its details. The status is the number of it, the message its text.

use core::fmt;
use std::io;

use dtact::{ArenaError, BuildError, JoinError, ShutdownError, SpawnError};

use crate::{
    options::NAME_BYTES_MAX,
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
    /// The fiber's value has so many bytes, if C can have it, and so many were asked for.
    ValueSize { has: Option<usize>, asked: usize },
    /// The calling fiber was cancelled.
    Cancelled,
    /// A wait inside a finalizer, or a completion.
    InFinalizer,
    /// A second C++ runtime, with exceptions of its own.
    OtherCxxRuntime,
    /// The version of a header that this library cannot serve.
    IncompatibleVersion(u32),
    /// So many milliseconds were over first.
    TimedOut(u64),
    /// The name of a fiber that is no text.
    NameNotUtf8,
    /// The name of a fiber of so many bytes.
    NameTooLong(usize),
    /// A number that stands for none of the choices there are.
    NoSuchNumber {
        what: &'static str,
        number: i32,
        max: usize,
    },
    /// A structure of so many bytes, where there have to be more.
    TooSmall { size: usize, size_min: usize },
    /// The runtime of the process is there already.
    AlreadyStarted,
    /// There is no runtime of the process.
    NotStarted,
    /// What only a thread can do.
    InFiber,
    /// The operating system refused something; what, and its error.
    System(&'static str, io::Error),
    /// A panic that was caught at the boundary; its message.
    Panicked(String),
}

impl Error {
    pub(crate) fn status(&self) -> DtactStatus {
        match self {
            Self::Null(_)
            | Self::NameNotUtf8
            | Self::NameTooLong(_)
            | Self::ValueSize { .. }
            | Self::NoSuchNumber { .. }
            | Self::TooSmall { .. } => DtactStatus::InvalidArgument,
            Self::AlreadyStarted => DtactStatus::AlreadyStarted,
            Self::NotStarted => DtactStatus::NotStarted,
            Self::Build(error) => of_build(error),
            Self::Spawn(error) | Self::Join(JoinError::NotSpawned(error)) => of_spawn(*error),
            Self::Shutdown(_) | Self::TimedOut(_) => DtactStatus::TimedOut,
            Self::Join(JoinError::Cancelled) => DtactStatus::FiberCancelled,
            Self::Join(JoinError::Deadlock)
            | Self::InFinalizer
            | Self::InFiber
            | Self::OtherCxxRuntime => DtactStatus::NotAllowed,
            Self::Join(_) | Self::Panicked(_) => DtactStatus::Panicked,
            Self::System(..) => DtactStatus::System,
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
            Self::ValueSize { has: None, .. } => f.write_str(
                "the fiber returns nothing that C could have: join it without a place for that",
            ),
            Self::ValueSize {
                has: Some(has),
                asked,
            } => write!(
                f,
                "the fiber returns {has} bytes, and {asked} were asked for: the handle stays valid"
            ),
            Self::Cancelled => {
                f.write_str("the calling fiber is cancelled: clean up and return from its callback")
            }
            Self::InFinalizer => {
                f.write_str("a finalizer or a completion must not wait: do that in a fiber instead")
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
            Self::TimedOut(ms) => write!(
                f,
                "the fiber has not ended within {ms} ms: its handle stays valid"
            ),
            Self::NameNotUtf8 => f.write_str("`name` is not UTF-8: pass a text that is"),
            Self::NameTooLong(bytes) => write!(
                f,
                "`name` has {bytes} bytes, and may have {NAME_BYTES_MAX}: pass a shorter one"
            ),
            Self::NoSuchNumber { what, number, max } => {
                write!(f, "{number} is no {what}: there are 0 to {max}")
            }
            Self::TooSmall { size, size_min } => write!(
                f,
                "the size field of `out` says {size} bytes, and there are {size_min} at least: set \
                 it to the sizeof of the structure"
            ),
            Self::AlreadyStarted => f.write_str(
                "the runtime of the process is there already: call dtact_init once, or \
                 dtact_shutdown before it",
            ),
            Self::NotStarted => f.write_str(
                "there is no such runtime of the process: call dtact_init first, and use what it \
                 returned until dtact_shutdown",
            ),
            Self::InFiber => {
                f.write_str("a fiber must not wait for its runtime's end: call this on a thread")
            }
            Self::System(what, error) => {
                write!(f, "the operating system refused {what}: {error}")
            }
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
            Self::System(_, error) => Some(error),
            _ => None,
        }
    }
}
