//! Where stacks of running threads cannot be looked at.

use core::fmt;

use super::{StackSignalError, StackTrace, ThreadId};

pub(crate) const fn this_thread() -> ThreadId {
    0
}

pub(super) const fn install(_signal: i32) -> Result<(), StackSignalError> {
    Err(StackSignalError::Unsupported)
}

pub(super) const fn look_at(_signal: i32, _thread: ThreadId) -> Option<StackTrace> {
    None
}

#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) const fn describe(_frame: usize, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
    Ok(())
}
