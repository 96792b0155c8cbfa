//! The one place that names atomics, locks and threads for what loom models: the standard
//! library's, or loom's while the models of this crate run (`--cfg dtact_loom`).
#![allow(unsafe_code, reason = "goes from a slot to its address and back")]

#[cfg(not(dtact_loom))]
pub(crate) use core::sync::atomic::AtomicPtr;
#[cfg(dtact_loom)]
pub(crate) use loom::sync::atomic::AtomicPtr;

#[cfg(dtact_loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, atomic::Ordering},
    thread::spawn,
    thread_local,
};
#[cfg(all(miri, not(dtact_loom)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, atomic::Ordering},
    thread::spawn,
    thread_local,
};

/// The address of a slot, as the assembly takes it.
#[inline]
pub(crate) fn address(slot: &AtomicPtr<()>) -> *mut *mut () {
    #[cfg(not(dtact_loom))]
    return slot.as_ptr();
    #[cfg(dtact_loom)]
    return core::ptr::from_ref(slot).cast_mut().cast();
}

/// The slot at an address.
///
/// # Safety
///
/// The address comes from [`address`], of a slot that is valid for as long as the reference.
#[cfg(any(miri, dtact_loom))]
pub(crate) unsafe fn slot<'slot>(address: *mut *mut ()) -> &'slot AtomicPtr<()> {
    // SAFETY: passed on to the caller. The standard library's has the layout of its pointer.
    unsafe { &*address.cast::<AtomicPtr<()>>() }
}

/// A value that one side writes and another reads, by turns: loom checks the turns, and Miri those
/// of the standard library's.
#[cfg(any(miri, dtact_loom))]
pub(crate) struct Turns<T>(
    #[cfg(not(dtact_loom))] core::cell::UnsafeCell<T>,
    #[cfg(dtact_loom)] loom::cell::UnsafeCell<T>,
);

#[cfg(any(miri, dtact_loom))]
impl<T> Turns<T> {
    pub(crate) fn new(value: T) -> Self {
        #[cfg(not(dtact_loom))]
        return Self(core::cell::UnsafeCell::new(value));
        #[cfg(dtact_loom)]
        return Self(loom::cell::UnsafeCell::new(value));
    }

    /// Puts `value` in, and returns what was there.
    ///
    /// # Safety
    ///
    /// It is the caller's turn.
    pub(crate) unsafe fn replace(&self, value: T) -> T {
        #[cfg(not(dtact_loom))]
        let pointer = self.0.get();
        #[cfg(dtact_loom)]
        let guard = self.0.get_mut();
        #[cfg(dtact_loom)]
        let pointer = guard.with(core::convert::identity);
        // SAFETY: nobody else reads or writes it meanwhile (the caller).
        unsafe { pointer.replace(value) }
    }
}
