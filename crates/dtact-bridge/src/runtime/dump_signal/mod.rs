//! A signal that prints the dumps of those runtimes that asked for it.
//!
//! ```text
//!   any thread            a thread of its own, one in the process     a runtime
//!   handler:              asleep in a read of a pipe
//!    one byte ─────────▶  which signal?
//!                         dump of each that asked for it ───────────▶ pinned for that
//!                         to the standard error output
//! ```
//!
//! The thread is there from the first runtime with such a signal to the end of the last. It is no
//! worker: it prints where all workers are stuck.

#[cfg(not(all(unix, not(miri))))]
#[path = "none.rs"]
mod system;
#[cfg(all(unix, not(miri)))]
#[path = "unix.rs"]
mod system;

use core::{error::Error, fmt};
use std::io;

pub(crate) use system::DumpSignal;

/// Why a signal cannot print dumps: see [`Builder::dump_signal`](crate::Builder::dump_signal).
#[derive(Debug)]
#[non_exhaustive]
pub enum DumpSignalError {
    /// The system has no signals: it takes Unix.
    Unsupported,
    /// The number names no signal that could be used for this.
    Unusable {
        /// The number.
        signal: i32,
    },
    /// The signal has a handler already.
    Taken {
        /// Its number.
        signal: i32,
    },
    /// The system refused the thread that prints, or the pipe by which it is woken.
    Refused(io::Error),
}

impl fmt::Display for DumpSignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str(
                "signals print dumps on Unix only: leave `dump_signal` out, and print \
                 `Runtime::dump`",
            ),
            Self::Unusable { signal } => write!(
                f,
                "{signal} is no signal that can be used for dumps: SIGQUIT can"
            ),
            Self::Taken { signal } => write!(
                f,
                "signal {signal} has a handler already: choose one that the program does not use"
            ),
            Self::Refused(error) => write!(f, "what prints dumps could not be started: {error}"),
        }
    }
}

impl Error for DumpSignalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Unsupported | Self::Unusable { .. } | Self::Taken { .. } => None,
        }
    }
}
