//! Where no signal prints dumps.

use core::convert::Infallible;

use super::DumpSignalError;

/// There is none.
#[derive(Debug)]
pub(crate) struct DumpSignal(Infallible);

impl DumpSignal {
    pub(crate) const fn install(_signal: i32) -> Result<Self, DumpSignalError> {
        Err(DumpSignalError::Unsupported)
    }

    /// Its number.
    #[allow(dead_code, reason = "nobody prints")]
    pub(crate) const fn signal(&self) -> i32 {
        match self.0 {}
    }
}
