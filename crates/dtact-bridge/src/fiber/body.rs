//! The body of a cell: a future of one type, and what can be done to it without knowing the type.

#![allow(unsafe_code, reason = "builds, polls and drops futures in place")]

use core::{
    any::Any,
    future::Future,
    mem::{ManuallyDrop, MaybeUninit},
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};
use std::panic::catch_unwind;

use dtact_arena::{CellClass, CellPool};

use super::{BODY_ALIGN, BODY_OFFSET, Cell, Outcome};
use crate::{error::JoinError, foreign::CValue, spawn::Escaped, wait::Cancelled, worker::context};

type Payload = Box<dyn Any + Send>;

/// What lies in the body: the future until the fiber ends, then what its outcome says.
#[repr(C)]
union Body<F: Future> {
    future: ManuallyDrop<F>,
    value: ManuallyDrop<F::Output>,
    panic: ManuallyDrop<Payload>,
}

/// What can be done to a body of unknown type. All of it by the holder of the fiber
/// [bridge.S1], but for `take` and `drop_outcome`, which the owner of the outcome does
/// [bridge.S2].
pub(crate) struct VTable {
    /// The size of the future, in bytes.
    pub(crate) size: usize,
    /// It lies on the heap; the body has its address.
    is_escaped: bool,
    /// How many bytes its output has, if that is a [`CValue`].
    value_size: Option<usize>,
    /// Polls the future. `true`: it has ended, has been dropped, and the outcome is in place.
    pub(crate) poll: unsafe fn(Cell, &mut Context<'_>) -> bool,
    /// Drops the future of a fiber that shall not be polled again; the outcome is in place.
    pub(crate) cancel: unsafe fn(Cell),
    /// Moves the outcome to where the second argument points, a `Result<F::Output, JoinError>`.
    pub(crate) take: unsafe fn(Cell, *mut ()),
    /// Drops the outcome.
    pub(crate) drop_outcome: unsafe fn(Cell),
}

impl VTable {
    /// How many bytes the fiber's value has, if C can have it.
    pub(crate) const fn value_size(&self) -> Option<usize> {
        self.value_size
    }

    /// Moves the outcome out, and its value to where `to` points, unless that is null or C cannot
    /// have it.
    ///
    /// # Safety
    ///
    /// - The caller owns the outcome of the fiber in the cell, which is of this kind [bridge.S2];
    ///   it owns nothing afterwards. `to` is null or can be written, `value_size` bytes of it.
    pub(crate) unsafe fn take_bytes(&self, cell: Cell, to: *mut u8) -> Result<(), JoinError> {
        match cell.outcome() {
            Outcome::Value => {
                if let Some(size) = self.value_size
                    && !to.is_null()
                {
                    let body = cell.body();
                    let value = if self.is_escaped {
                        // SAFETY: the outcome says that there is a value: the address of a box.
                        unsafe { body.cast::<*const u8>().read() }
                    } else {
                        body.as_ptr().cast_const()
                    };
                    // SAFETY: it is of so many bytes, and can be copied [bridge.V1].
                    unsafe { value.copy_to_nonoverlapping(to, size) };
                }
                // A value of C in its cell owns nothing.
                if self.value_size.is_none() || self.is_escaped {
                    // SAFETY: as the caller promises; bytes that were copied own nothing.
                    unsafe { (self.drop_outcome)(cell) };
                }
                Ok(())
            }
            // SAFETY: the outcome says that the body holds a payload, and it is the caller's.
            Outcome::Panic => Err(JoinError::Panicked(unsafe {
                cell.body().cast::<Payload>().read()
            })),
            Outcome::Cancelled => Err(JoinError::Cancelled),
        }
    }

    /// Where the future lies.
    ///
    /// # Safety
    ///
    /// - The body of the cell, which is of this kind, holds its future, and the caller is its code
    ///   or holds the fiber [bridge.S1].
    pub(crate) unsafe fn place_of_future(&self, cell: Cell) -> *const () {
        let body = cell.body().cast::<()>();
        if !self.is_escaped {
            return body.as_ptr();
        }
        // SAFETY: an `Escaped` is transparent, and so is the `Pin` in it: the address of a box.
        unsafe { body.cast::<*const ()>().read() }
    }
}

/// The cell class in which a future of this type lives, or `None` where it has to be boxed.
pub(crate) const fn class_of<F: Future>() -> Option<CellClass> {
    if align_of::<Body<F>>() > BODY_ALIGN {
        return None;
    }
    CellPool::class_for(BODY_OFFSET + size_of::<Body<F>>())
}

/// The functions for a future of this type.
pub(crate) const fn vtable_of<F: Future>() -> &'static VTable {
    const {
        &VTable {
            size: size_of::<F>(),
            is_escaped: false,
            value_size: None,
            poll: poll::<F>,
            cancel: cancel::<F>,
            take: take::<F>,
            drop_outcome: drop_outcome::<F>,
        }
    }
}

/// The functions for a future that lives on the heap with its output.
pub(crate) const fn vtable_of_escaped<F: Future>() -> &'static VTable {
    const {
        &VTable {
            size: size_of::<F>(),
            is_escaped: true,
            value_size: None,
            poll: poll::<Escaped<F>>,
            cancel: cancel::<Escaped<F>>,
            take: take_escaped::<F>,
            drop_outcome: drop_outcome::<Escaped<F>>,
        }
    }
}

/// As [`vtable_of`], where the output is a value of C.
pub(crate) const fn vtable_of_c<F: Future<Output: CValue>>() -> &'static VTable {
    const {
        &VTable {
            size: size_of::<F>(),
            is_escaped: false,
            value_size: Some(size_of::<F::Output>()),
            poll: poll::<F>,
            cancel: cancel::<F>,
            take: take::<F>,
            drop_outcome: drop_outcome::<F>,
        }
    }
}

/// As [`vtable_of_escaped`], where the output is a value of C.
pub(crate) const fn vtable_of_c_escaped<F: Future<Output: CValue>>() -> &'static VTable {
    const {
        &VTable {
            size: size_of::<F>(),
            is_escaped: true,
            value_size: Some(size_of::<F::Output>()),
            poll: poll::<Escaped<F>>,
            cancel: cancel::<Escaped<F>>,
            take: take_escaped::<F>,
            drop_outcome: drop_outcome::<Escaped<F>>,
        }
    }
}

/// Builds the future in the body.
///
/// # Safety
///
/// - The caller owns the cell, which is free, and of at least the class of `F`.
#[inline]
pub(crate) unsafe fn write_future<F: Future>(cell: Cell, future: F) {
    let body = cell.body().cast::<F>();
    // SAFETY: the body is large and aligned enough for the union, hence for its first field.
    unsafe { body.write(future) };
}

/// # Safety
///
/// - The caller holds the fiber [bridge.S1], and the body holds a future of type `F`.
unsafe fn poll<F: Future>(cell: Cell, cx: &mut Context<'_>) -> bool {
    let future = cell.body().cast::<F>();
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut future = future;
        // SAFETY: the body holds a future, which nobody else touches while the fiber is held.
        let future = unsafe { future.as_mut() };
        // SAFETY: it never moves out of the cell: it is dropped in place before the cell is freed.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }));
    let value = match polled {
        Ok(Poll::Pending) => return false,
        Ok(Poll::Ready(value)) => Ok(value),
        Err(payload) => Err(payload),
    };
    // SAFETY: as the caller promises; it is not touched again after this.
    let dropped = unsafe { drop_future::<F>(cell) };
    let outcome = match (value, dropped) {
        (Ok(value), Ok(())) => Ok(value),
        // The first panic is the one that is handed on.
        (Ok(value), Err(payload)) => {
            drop_quietly(value);
            Err(payload)
        }
        (Err(payload), Ok(())) => Err(payload),
        (Err(payload), Err(second)) => {
            drop_quietly(second);
            Err(payload)
        }
    };
    match outcome {
        Ok(value) => {
            let body = cell.body().cast::<F::Output>();
            // SAFETY: the body is large enough for each field of the union, and empty now.
            unsafe { body.write(value) };
            cell.set_outcome(Outcome::Value);
        }
        Err(payload) => set_panicked(cell, payload),
    }
    true
}

/// # Safety
///
/// - The caller holds the fiber [bridge.S1], the body holds a future of type `F`, and no poll of
///   it is under way: not even one that is suspended on a stack.
unsafe fn cancel<F: Future>(cell: Cell) {
    // SAFETY: as the caller promises.
    match unsafe { drop_future::<F>(cell) } {
        Ok(()) => cell.set_outcome(Outcome::Cancelled),
        Err(payload) => set_panicked(cell, payload),
    }
}

/// Drops the future in place, and returns the payload if its destructor panicked.
///
/// # Safety
///
/// - As for [`cancel`]. The body is empty afterwards.
unsafe fn drop_future<F: Future>(cell: Cell) -> Result<(), Payload> {
    if !core::mem::needs_drop::<F>() {
        return Ok(());
    }
    let future = cell.body().cast::<F>();
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as the caller promises.
        unsafe { future.drop_in_place() };
    }))
}

#[cold]
fn set_panicked(cell: Cell, payload: Payload) {
    if payload.is::<Cancelled>() {
        cell.set_outcome(Outcome::Cancelled);
        return;
    }
    // SAFETY: the body is at least as large and aligned as the union's `panic` field, and empty.
    unsafe { cell.body().cast::<Payload>().write(payload) };
    cell.set_outcome(Outcome::Panic);
    // Without one, a thread ends what a runtime has left, and looks itself.
    if let Some(context) = context::current() {
        context.shared.heed_panic(context.fiber.get());
    }
}

/// # Safety
///
/// - The caller owns the outcome of a fiber whose future is of type `F` [bridge.S2]; it owns
///   nothing afterwards. `to` points to room for a `Result<F::Output, JoinError>`.
unsafe fn take<F: Future>(cell: Cell, to: *mut ()) {
    let outcome: Result<F::Output, JoinError> = match cell.outcome() {
        // SAFETY: the outcome says that the body holds a value, and it is the caller's.
        Outcome::Value => Ok(unsafe { cell.body().cast::<F::Output>().read() }),
        // SAFETY: the same for a payload.
        Outcome::Panic => Err(JoinError::Panicked(unsafe {
            cell.body().cast::<Payload>().read()
        })),
        Outcome::Cancelled => Err(JoinError::Cancelled),
    };
    // SAFETY: as the caller promises.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(outcome) };
}

/// # Safety
///
/// - As for [`take`], where the fiber's future is of type `Escaped<F>`.
unsafe fn take_escaped<F: Future>(cell: Cell, to: *mut ()) {
    let mut boxed = MaybeUninit::<Result<Box<F::Output>, JoinError>>::uninit();
    // SAFETY: as the caller promises.
    unsafe { take::<Escaped<F>>(cell, boxed.as_mut_ptr().cast()) };
    // SAFETY: `take` has written it.
    let outcome = unsafe { boxed.assume_init() }.map(|value| *value);
    // SAFETY: as the caller promises.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(outcome) };
}

/// # Safety
///
/// - The caller owns the outcome of a fiber whose future is of type `F` [bridge.S2]; it owns
///   nothing afterwards.
unsafe fn drop_outcome<F: Future>(cell: Cell) {
    match cell.outcome() {
        // SAFETY: the outcome says that the body holds a value, and it is the caller's.
        Outcome::Value => drop_quietly(unsafe { cell.body().cast::<F::Output>().read() }),
        // SAFETY: the same for a payload.
        Outcome::Panic => drop_quietly(unsafe { cell.body().cast::<Payload>().read() }),
        Outcome::Cancelled => {}
    }
}

/// The message of the panic by which the fiber ended, if it did, and if that has one.
///
/// # Safety
///
/// - The caller owns the outcome of the fiber [bridge.S2], for as long as the text is used.
pub(crate) unsafe fn panic_message<'outcome>(cell: Cell) -> Option<&'outcome str> {
    if cell.outcome() != Outcome::Panic {
        return None;
    }
    // SAFETY: the outcome says that the body holds a payload, and it is the caller's.
    let payload = unsafe { cell.body().cast::<Payload>().as_ref() };
    crate::error::message_of(&**payload)
}

/// Drops a value for which nobody waits. A panic of its destructor ends here, too: it has been
/// reported by the panic hook, and there is nobody to hand it to.
pub(crate) fn drop_quietly<T>(value: T) {
    if core::mem::needs_drop::<T>()
        && let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value)))
    {
        // A payload may have a destructor that panics as well; it is not given the chance.
        let _ = ManuallyDrop::new(payload);
    }
}
