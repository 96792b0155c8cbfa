//! What can be asked of a fiber by its handle, whatever form that has.

use super::{Handle, HandleError};
use crate::{fiber::Outcome, runtime::dump::FiberDump, wait::wait_shielded_of, worker::handover};

/// How a fiber ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FiberOutcome {
    /// It has not yet.
    Running,
    /// It returned.
    Finished,
    /// It panicked.
    Panicked {
        /// The message of the panic, if it has one.
        message: Option<String>,
    },
    /// It was cancelled.
    Cancelled,
}

impl Handle {
    /// How the fiber ended, or that it has not. The outcome stays where it is.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`], also for a launched fiber that has ended: it leaves no outcome.
    /// [`HandleError::Busy`] while somebody joins it; to look is to join for a moment, so that a
    /// join at the same time may be told so as well.
    pub fn outcome(self) -> Result<FiberOutcome, HandleError> {
        let Some(claim) = self.claim_unless_running()? else {
            return Ok(FiberOutcome::Running);
        };
        Ok(match claim.look() {
            None => FiberOutcome::Running,
            Some((Outcome::Value, _)) => FiberOutcome::Finished,
            Some((Outcome::Panic, message)) => FiberOutcome::Panicked { message },
            Some((Outcome::Cancelled, _)) => FiberOutcome::Cancelled,
        })
    }
}

/// Waits for the end of a fiber: in a fiber, that waits; elsewhere the thread. Any number may, and
/// the outcome stays where it is. A cancellation of the caller does not cut it short.
///
/// # Errors
///
/// [`HandleError::Stale`]. [`HandleError::Deadlock`] where the wait could never end: for the
/// fiber's own handle, and for that of one which can only go on on the thread that this would
/// block.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, foreign::{FiberOutcome, dtact_await, outcome}};
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { panic!("over") }).into_handle();
/// dtact_await(handle)?;
/// dtact_await(handle)?;
/// let message = Some("over".to_owned());
/// assert_eq!(outcome(handle), Ok(FiberOutcome::Panicked { message }));
/// handle.detach()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dtact_await(handle: impl Into<Handle>) -> Result<(), HandleError> {
    let handle = handle.into();
    if handle.is_finished()? {
        return Ok(());
    }
    if handle.would_deadlock() {
        return Err(HandleError::Deadlock);
    }
    handover::run_first(handle.fiber());
    if handle.is_finished()? {
        return Ok(());
    }
    wait_shielded_of(handle.ended()?, Some(handle.fiber()));
    Ok(())
}

/// Asks a fiber to end: [`Handle::cancel`].
///
/// # Errors
///
/// [`HandleError::Stale`].
pub fn cancel(handle: impl Into<Handle>) -> Result<(), HandleError> {
    handle.into().cancel()
}

/// How a fiber ended: [`Handle::outcome`].
///
/// # Errors
///
/// [`HandleError::Stale`] and [`HandleError::Busy`].
pub fn outcome(handle: impl Into<Handle>) -> Result<FiberOutcome, HandleError> {
    handle.into().outcome()
}

/// Name, priority, kind, affinity and stack of a fiber, and what it is doing: [`Handle::info`].
///
/// # Errors
///
/// [`HandleError::Stale`].
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Priority, Runtime, foreign::{Handle, cancel, fiber_info}, spawn_with};
///
/// let runtime = Runtime::new()?;
/// let fiber = runtime.block_on(async {
///     let builder = spawn_with().name("sleeper").priority(Priority::High).stack("64K");
///     Handle::from(builder.spawn(std::future::pending::<()>()))
/// });
/// let info = fiber_info(fiber)?;
/// assert_eq!((info.name(), info.priority()), (Some("sleeper"), Priority::High));
/// assert_eq!(info.stack_bytes_min(), 65_536);
/// cancel(fiber)?;
/// fiber.detach()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fiber_info(handle: impl Into<Handle>) -> Result<FiberDump, HandleError> {
    handle.into().info()
}
