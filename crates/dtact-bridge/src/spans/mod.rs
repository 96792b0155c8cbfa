//! Spans and events for the crate `tracing`, named as those of tokio, so that what reads these
//! (tokio-console, for one) shows fibers as tasks. Without the feature `tracing` there is nothing.
//!
//! | what | target | name | fields |
//! | --- | --- | --- | --- |
//! | a span from spawn to end, entered while the fiber runs | `tokio::task` | `runtime.spawn` | `kind`, `task.name`, `task.id`, `loc.file`, `loc.line`, `loc.col` |
//! | an event for each use of a waker | `tokio::task::waker` | | `op`, `task.id` |
//!
//! All are of the level `TRACE`. `kind` is `task`, or `local` for a fiber that is not `Send`; the
//! `task.id` of a span is the fiber's name as a number, that of an event is the id of the span, as
//! the console expects. `op` is `waker.clone`, `waker.wake`, `waker.wake_by_ref` or `waker.drop`.
//! (Source: the documentation of console-subscriber, and tokio's `util::trace`.)
//!
//! A span is left where its fiber is suspended in `wait`, and entered where it goes on. Spans that
//! the fiber itself has entered are its own affair, as across an `.await`.

#[cfg(not(feature = "tracing"))]
#[path = "off.rs"]
mod chosen;
#[cfg(feature = "tracing")]
#[path = "on.rs"]
mod chosen;

pub(crate) use chosen::{TaskSpan, begin, end, enter, exit, rename, waker};

use core::panic::Location;

/// What a span says of its fiber.
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "nobody reads it")
)]
pub(crate) struct About {
    pub(crate) is_local: bool,
    pub(crate) name: Option<&'static str>,
    pub(crate) location: &'static Location<'static>,
}
