//! A span lies in the table of what few fibers have, and is made only where somebody wants it.

#![allow(unsafe_code, reason = "shares what has one holder at a time")]

use core::cell::UnsafeCell;

use dtact_arena::CellIndex;
use tracing::{Dispatch, Level, Span, span::Id};

use super::About;
use crate::{
    fiber_ref::FiberRef,
    registry::RUNTIMES,
    runtime::Shared,
    sync::{AtomicU64, Ordering},
    worker::context,
};

/// The span of a fiber, if it has one, as a part of its `Extra`.
#[derive(Debug)]
pub(crate) struct TaskSpan {
    /// The holder's alone [bridge.E1].
    span: UnsafeCell<Option<Span>>,
    /// Its id, or 0: for wakers.
    id: AtomicU64,
}

impl TaskSpan {
    pub(crate) const fn new() -> Self {
        Self {
            span: UnsafeCell::new(None),
            id: AtomicU64::new(0),
        }
    }

    /// # Safety
    ///
    /// - The caller holds the fiber [bridge.S1]. `with` comes back to no span of this fiber.
    unsafe fn with<R>(&self, with: impl FnOnce(&mut Option<Span>) -> R) -> R {
        // SAFETY: the holder alone touches it [bridge.E1].
        with(unsafe { &mut *self.span.get() })
    }
}

/// Makes the span. For the holder of a fiber that has just begun, and is in no queue yet.
pub(crate) fn begin(shared: &Shared, fiber: FiberRef, about: impl FnOnce() -> About) {
    if !tracing::enabled!(target: "tokio::task", Level::TRACE) {
        return;
    }
    let Some(index) = CellIndex::from_raw(fiber.cell_raw()) else {
        return;
    };
    let About {
        is_local,
        name,
        location,
    } = about();
    let span = tracing::trace_span!(
        target: "tokio::task",
        parent: None,
        "runtime.spawn",
        kind = if is_local { "local" } else { "task" },
        task.name = name.unwrap_or_default(),
        task.id = fiber.word(),
        loc.file = location.file(),
        loc.line = location.line(),
        loc.col = location.column(),
    );
    let Some(id) = span.id() else { return };
    let own = shared.extras.get_or_make(index).span();
    // Release: who sees the id of the next fiber's span sees the generation rise.
    own.id.store(id.into_u64(), Ordering::Release);
    // SAFETY: the caller holds the fiber.
    unsafe { own.with(|own| *own = Some(span)) };
}

/// Notes the name that the fiber gives itself when it first runs. For its holder.
pub(crate) fn rename(shared: &Shared, raw: u32, name: &'static str) {
    with_span(shared, raw, |span| {
        span.record("task.name", name);
    });
}

/// The fiber runs on this thread. For its holder.
pub(crate) fn enter(shared: &Shared, raw: u32) {
    dispatched(shared, raw, Dispatch::enter);
}

/// It does so no longer. For its holder.
pub(crate) fn exit(shared: &Shared, raw: u32) {
    dispatched(shared, raw, Dispatch::exit);
}

/// The fiber has ended. For its holder.
pub(crate) fn end(shared: &Shared, raw: u32) {
    let Some(own) = own(shared, raw) else { return };
    own.id.store(0, Ordering::Release);
    // SAFETY: the caller holds the fiber.
    let span = unsafe { own.with(Option::take) };
    drop(span);
}

/// A waker of the fiber was used.
pub(crate) fn waker(fiber: FiberRef, op: &'static str) {
    if !tracing::enabled!(target: "tokio::task::waker", Level::TRACE) {
        return;
    }
    let here = context::current().filter(|context| context.shared.number() == fiber.runtime());
    let id = match here {
        Some(context) => id_of(&context.shared, fiber),
        None => RUNTIMES[usize::from(fiber.runtime())]
            .pin()
            .and_then(|shared| id_of(&shared, fiber)),
    };
    // The console knows tasks by the ids of their spans.
    if let Some(id) = id {
        tracing::trace!(target: "tokio::task::waker", op, task.id = id);
    }
}

/// The id of the fiber's span, if it is still there and has one.
fn id_of(shared: &Shared, fiber: FiberRef) -> Option<u64> {
    // Acquire: pairs with the store in `begin`.
    let id = own(shared, fiber.cell_raw())?.id.load(Ordering::Acquire);
    let state = &shared.cell(fiber.cell_raw())?.header().state;
    let is_there = state.live_generation() == Some(fiber.generation());
    (id != 0 && is_there).then_some(id)
}

fn own(shared: &Shared, raw: u32) -> Option<&TaskSpan> {
    let extra = shared.extras.get(CellIndex::from_raw(raw)?)?;
    Some(extra.span())
}

fn with_span(shared: &Shared, raw: u32, with: impl FnOnce(&Span)) {
    let Some(own) = own(shared, raw) else { return };
    // A copy: a subscriber may do anything.
    // SAFETY: the caller holds the fiber.
    let span = unsafe { own.with(|span| span.clone()) };
    if let Some(span) = span {
        with(&span);
    }
}

fn dispatched(shared: &Shared, raw: u32, call: fn(&Dispatch, &Id)) {
    with_span(shared, raw, |span| {
        span.with_subscriber(|(id, dispatch)| call(dispatch, id));
    });
}
