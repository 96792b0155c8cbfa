//! Looks at the stack of a thread that is running: for reports of fibers that run for too long.
//!
//! ```text
//!   watching worker                         the worker that is stuck
//!   ask: state = its number
//!   tgkill(signal) ───────────────────────▶ handler, on the alternate signal stack
//!                                           state: own number ──▶ WALKING
//!                                           walks its frames, writes their addresses
//!   waits, for a while ◀─────────────────── state = DONE
//!   state = IDLE
//! ```
//!
//! The handler allocates nothing and takes no lock: the unwinder of the C library finds tables by
//! `_dl_find_object`, which was made for that (glibc 2.35). Where there is none, this is refused.

#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
#[path = "linux_gnu.rs"]
mod system;
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
#[path = "none.rs"]
mod system;

use core::{error::Error, fmt, ptr};

pub(crate) use system::this_thread;

/// How many frames are kept: those nearest to where the thread is.
const FRAMES_MAX: usize = 64;

/// A thread, as the system names it; 0 is none.
pub(crate) type ThreadId = i32;

/// Where a fiber was, innermost call first: at most 64 addresses, and fewer where a function says
/// nothing of its caller, as some of the C library in assembly.
///
/// It prints one line for each: the address, and as far as the system knows it, the file that was
/// loaded there with the offset in it. From that `addr2line -Cfpie FILE OFFSET` tells function and
/// line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StackTrace {
    frames: [usize; FRAMES_MAX],
    count: usize,
}

impl StackTrace {
    /// The addresses. The first is that of the instruction that comes next, the others those of
    /// the instructions to which the calls return.
    #[must_use]
    pub fn frames(&self) -> &[usize] {
        &self.frames[..self.count]
    }
}

impl fmt::Debug for StackTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.frames()
                    .iter()
                    .map(|&frame| ptr::without_provenance::<()>(frame)),
            )
            .finish()
    }
}

impl fmt::Display for StackTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &frame) in self.frames().iter().enumerate() {
            write!(f, "{at:4}: {frame:#x}")?;
            system::describe(frame, f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// Why the stacks of running fibers cannot be looked at: see
/// [`Builder::watchdog_stacks`](crate::Builder::watchdog_stacks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackSignalError {
    /// The system has no way for that: it takes Linux with a glibc of at least 2.35.
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
}

impl fmt::Display for StackSignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str(
                "stacks of running fibers can be looked at on Linux with glibc 2.35 or later only: \
                 leave `watchdog_stacks` out",
            ),
            Self::Unusable { signal } => write!(
                f,
                "{signal} is no signal that can be used for looking at stacks: SIGURG can"
            ),
            Self::Taken { signal } => write!(
                f,
                "signal {signal} has a handler already: choose one that the program does not use"
            ),
        }
    }
}

impl Error for StackSignalError {}

/// The right to send the signal: its handler is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    signal: i32,
}

impl Probe {
    /// Installs the handler of a signal, for good.
    pub(crate) fn install(signal: i32) -> Result<Self, StackSignalError> {
        system::install(signal)?;
        Ok(Self { signal })
    }

    /// The frames of a thread of this process at this moment; `None` where it does not answer
    /// within a second.
    pub(crate) fn look_at(self, thread: ThreadId) -> Option<StackTrace> {
        if thread == 0 {
            return None;
        }
        system::look_at(self.signal, thread)
    }
}
