//! Waiting for something no longer than so long.

#![allow(unsafe_code, reason = "pins a field with its struct")]

use core::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};
use std::time::Duration;

use crate::time::sleep::{Sleep, sleep};

/// Waits for a future, but at most so long: then the future is given up, and dropped with this one.
///
/// Of a future that is ready and a time that is over at once, the future counts.
///
/// # Examples
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use dtact_bridge::{Runtime, WaitExt as _, time::timeout};
///
/// let runtime = Runtime::new()?;
/// let (in_time, too_late) = runtime.block_on(async {
///     let span = Duration::from_millis(2);
///     (timeout(span, async { 7 }).await, timeout(span, pending::<()>()).await)
/// });
/// assert_eq!(in_time, Ok(7));
/// assert_eq!(too_late.unwrap_err().to_string(), "the time was over");
/// assert!(timeout(Duration::from_millis(2), pending::<()>()).wait().is_err());
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
pub fn timeout<F: IntoFuture>(span: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        sleep: sleep(span),
        future: future.into_future(),
    }
}

/// The time of a [`timeout`] was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over")
    }
}

impl core::error::Error for Elapsed {}

/// The future of [`timeout`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct Timeout<F> {
    sleep: Sleep,
    future: F,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is pinned with this, and never moved out; `sleep` does not care.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut this.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}
