//! Wakers that allocate nothing and count nothing: their data word is the fiber's name.

#![allow(
    unsafe_code,
    reason = "builds wakers from a word and a table of functions"
)]

use core::{
    mem::ManuallyDrop,
    ptr,
    task::{RawWaker, RawWakerVTable, Waker},
};

use crate::{fiber_ref::FiberRef, registry::RUNTIMES, spans, worker::context};

const _: () = assert!(
    size_of::<*const ()>() == 8,
    "the name of a fiber fills a pointer"
);

/// Cloning copies the word, dropping does nothing: there is nothing to own.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker of this fiber. Where the fiber has ended, and its cell perhaps serves another, or its
/// runtime has gone, it does nothing.
#[inline]
pub(crate) fn of(fiber: FiberRef) -> ManuallyDrop<Waker> {
    // SAFETY: the functions of the table keep the contract of `RawWaker`: they are thread-safe,
    // clone into an equal waker, and own nothing.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw(data_of(fiber))) })
}

/// Whether `waker` wakes this fiber.
#[inline]
pub(crate) fn is_of(waker: &Waker, fiber: FiberRef) -> bool {
    // The table may exist more than once in a program; then this says no where it could say yes.
    waker.data() == data_of(fiber) && ptr::eq(waker.vtable(), &raw const VTABLE)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a pointer has 64 bits, asserted above"
)]
fn data_of(fiber: FiberRef) -> *const () {
    ptr::without_provenance(fiber.word() as usize)
}

#[inline]
fn fiber_of(data: *const ()) -> FiberRef {
    FiberRef::from_word(data.addr() as u64)
}

#[inline]
fn raw(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// - Called through the table only, so that `data` is the name of a fiber. Any word would do.
unsafe fn clone(data: *const ()) -> RawWaker {
    spans::waker(fiber_of(data), "waker.clone");
    raw(data)
}

/// # Safety
///
/// - As for [`clone`].
unsafe fn wake(data: *const ()) {
    spans::waker(fiber_of(data), "waker.wake");
    wake_fiber(fiber_of(data));
}

/// # Safety
///
/// - As for [`clone`].
unsafe fn wake_by_ref(data: *const ()) {
    spans::waker(fiber_of(data), "waker.wake_by_ref");
    wake_fiber(fiber_of(data));
}

fn wake_fiber(fiber: FiberRef) {
    if let Some(context) = context::current()
        && context.shared.number() == fiber.runtime()
    {
        context.shared.wake(Some(context), fiber);
    } else if let Some(shared) = RUNTIMES[usize::from(fiber.runtime())].pin() {
        shared.wake(None, fiber);
    }
}

/// # Safety
///
/// - As for [`clone`].
unsafe fn drop_waker(data: *const ()) {
    spans::waker(fiber_of(data), "waker.drop");
}

/// Wakes whatever kind of waker this is. A waker that panics is its owner's bug, and no reason to
/// take the worker down.
pub(crate) fn wake_foreign(waker: Waker) {
    crate::fiber::body::drop_quietly(WakeOnDrop(Some(waker)));
}

struct WakeOnDrop(Option<Waker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
