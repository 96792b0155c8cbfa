//! The end of a fiber, told by a call.

#![allow(unsafe_code, reason = "calls functions of C")]

use core::ffi::c_void;
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

use dtact::foreign::Handle;

use crate::{
    boundary::{self, Guest},
    error::Error,
    fiber::{DtactHandle, refused},
    status::DtactStatus,
    task::{DtactFinalizer, Environment},
};

/// What is called when a fiber has ended: `dtact_completion_t`.
pub type DtactCompletion = unsafe extern "C-unwind" fn(env: *mut c_void, fiber: DtactHandle);

/// Has `callback(env, handle)` called once, when the fiber has ended: by the worker that ended it,
/// or, where it has ended, within this call. Then, or where this fails instead, `finalizer(env)`
/// [ffi.K1].
///
/// # Safety
///
/// - `callback` can be called with `env` once, on any thread, and `finalizer`, if there is one,
///   after that or instead of that. No exception of C++ leaves them.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_on_complete(
    handle: DtactHandle,
    callback: Option<DtactCompletion>,
    env: *mut c_void,
    finalizer: Option<DtactFinalizer>,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let environment = unsafe { Environment::new(env, finalizer) };
        let callback = callback.ok_or(Error::Null("callback"))?;
        let call = Call {
            handle,
            callback,
            environment,
        };
        at_end(handle, move || call.run())
    })
}

/// A callback and all that it is called with.
struct Call {
    handle: DtactHandle,
    callback: DtactCompletion,
    environment: Environment,
}

impl Call {
    /// Calls the callback, which must not wait, then the finalizer.
    fn run(self) {
        let (callback, env) = (self.callback, self.environment.get());
        // SAFETY: as the caller of `dtact_fiber_on_complete` promised; `self` is consumed, so that
        // this is the only call.
        boundary::host(Guest::Completion, || unsafe { callback(env, self.handle) });
    }
}

/// Runs `body` once the fiber has ended: on the worker that ended it, or here and now.
pub(crate) fn at_end(
    handle: DtactHandle,
    body: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    let told = Arc::new(Told(Mutex::new(Some(body))));
    let waker = Waker::from(Arc::clone(&told));
    let is_left = Handle::from_raw(handle).wake_at_end(&waker);
    if !is_left.map_err(refused(handle))? {
        told.tell();
    }
    Ok(())
}

/// What is to be done once, by whoever takes it out first.
struct Told<F>(Mutex<Option<F>>);

impl<F: FnOnce()> Told<F> {
    fn tell(&self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not under the lock: it is anybody's code.
        if let Some(body) = body {
            body();
        }
    }
}

impl<F: FnOnce() + Send + 'static> Wake for Told<F> {
    fn wake(self: Arc<Self>) {
        self.tell();
    }
}
