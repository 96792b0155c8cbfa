//! A callback of C on its way to a fiber: function, environment and finalizer.
//!
//! # Invariants
//!
//! - [ffi.K1] The environment is the library's from the call of the spawn on, whatever that comes
//!   to, and its finalizer is called once: after the callback has returned, or, where it is never
//!   called, when the task is dropped.

#![allow(unsafe_code, reason = "calls functions of C")]

use core::ffi::c_void;

use crate::boundary::{self, Guest};

/// What a fiber runs: `dtact_callback_t`.
///
/// `C-unwind`, though it must not unwind: an exception of C++ that leaves it then ends the process
/// with a message, where it would otherwise be undefined.
pub type DtactCallback = unsafe extern "C-unwind" fn(env: *mut c_void) -> *mut c_void;

/// What is called when the environment is no longer used: `dtact_finalizer_t`.
pub type DtactFinalizer = unsafe extern "C-unwind" fn(env: *mut c_void);

/// What a callback is called with, and what is to be called after it [ffi.K1].
#[derive(Debug)]
pub(crate) struct Environment {
    env: *mut c_void,
    finalizer: Option<DtactFinalizer>,
}

// SAFETY: it is a number to this crate, but for the finalizer; and `new`'s caller promises that
// this may be called with it on any thread.
unsafe impl Send for Environment {}

impl Environment {
    /// # Safety
    ///
    /// - `finalizer`, if there is one, can be called with `env` once, on any thread.
    pub(crate) const unsafe fn new(env: *mut c_void, finalizer: Option<DtactFinalizer>) -> Self {
        Self { env, finalizer }
    }

    /// The environment itself, which stays the library's.
    pub(crate) const fn get(&self) -> *mut c_void {
        self.env
    }

    /// Calls a function with the environment, then the finalizer.
    ///
    /// # Safety
    ///
    /// - `function` can be called with the environment once, on this thread.
    pub(crate) unsafe fn call(self, function: DtactFinalizer) {
        // SAFETY: as the caller promises.
        unsafe { function(self.env) };
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Some(finalizer) = self.finalizer {
            let env = self.env;
            // SAFETY: as `new`'s caller promised; a value is dropped once.
            boundary::host(Guest::Finalizer, || unsafe { finalizer(env) });
        }
    }
}

/// A callback with its environment.
#[derive(Debug)]
pub(crate) struct Task {
    callback: DtactCallback,
    environment: Environment,
}

impl Task {
    /// # Safety
    ///
    /// - `callback` can be called with what `environment` holds, once, on any thread, and what it
    ///   returns may be used on any other.
    pub(crate) const unsafe fn new(callback: DtactCallback, environment: Environment) -> Self {
        Self {
            callback,
            environment,
        }
    }

    /// Calls the callback, then the finalizer.
    pub(crate) fn run(self) -> *mut c_void {
        // SAFETY: as `new`'s caller promised; `self` is consumed, so that this is the only call.
        unsafe { (self.callback)(self.environment.env) }
    }
}
