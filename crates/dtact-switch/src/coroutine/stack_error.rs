//! Why there is no stack, and what to do about it.

use core::fmt;

use crate::Unsupported;

/// Why a [`GuardedStack`](crate::GuardedStack) could not be made.
///
/// ```
/// use dtact_switch::{GuardedStack, StackError};
///
/// assert_eq!(GuardedStack::new(0).unwrap_err(), StackError::Zero);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// A stack of no bytes was asked for.
    Zero,
    /// More bytes were asked for than an address space can hold.
    TooLarge {
        /// The bytes asked for.
        bytes: usize,
    },
    /// The thread runs in a mode that no switch supports.
    Unsupported(Unsupported),
    /// The operating system refused to map the memory or to guard it.
    Refused {
        /// The bytes of the mapping, guard included.
        bytes: usize,
        /// The reason that it gave: `errno` on Unix, `GetLastError` on Windows.
        errno: i32,
    },
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("a stack of no bytes: ask for at least one page"),
            Self::TooLarge { bytes } => {
                write!(f, "a stack of {bytes} bytes is too large: ask for less")
            }
            Self::Unsupported(reason) => reason.fmt(f),
            Self::Refused { bytes, errno } => write!(
                f,
                "the system refused {bytes} bytes for a stack ({}): raise the limit of memory or \
                 of mappings, or use fewer or smaller stacks",
                std::io::Error::from_raw_os_error(*errno)
            ),
        }
    }
}

impl core::error::Error for StackError {}

impl From<Unsupported> for StackError {
    fn from(reason: Unsupported) -> Self {
        Self::Unsupported(reason)
    }
}
