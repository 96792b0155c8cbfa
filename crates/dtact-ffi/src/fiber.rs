//! Fibers: spawning a callback, and what can be done to it by its handle.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::ffi::c_void;

use dtact::{
    ContextSwitcher, JoinError, Runtime, SpawnBuilder,
    foreign::{self, Handle, HandleError},
};

use crate::{
    boundary,
    error::Error,
    options::{DtactFiberOptions, Spawns},
    runtime::DtactRuntime,
    status::DtactStatus,
    task::{DtactCallback, DtactFinalizer, Environment, Task},
};

/// The name of a fiber: `dtact_handle_t`. Never an address; 0 is none.
pub type DtactHandle = u64;

/// Spawns a fiber that calls `callback(env)`, and writes its handle to `out`; where that is null,
/// the fiber is detached. Whatever comes of it, `finalizer(env)` is called once [ffi.K1].
///
/// # Safety
///
/// - `runtime` is null, or came from [`dtact_runtime_start`](crate::dtact_runtime_start) and is
///   not freed before this returns.
/// - `callback` can be called with `env` once, on any thread, and what it returns may be used by
///   whoever joins. No exception of C++ leaves it.
/// - `finalizer`, if there is one, can be called with `env` once after that, or instead of that,
///   on any thread. No exception of C++ leaves it.
/// - `out` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_spawn(
    runtime: *const DtactRuntime,
    callback: Option<DtactCallback>,
    env: *mut c_void,
    finalizer: Option<DtactFinalizer>,
    stack_bytes: usize,
    out: *mut DtactHandle,
) -> DtactStatus {
    let spawn = |on: Callback<'_>| {
        let mut builder: SpawnBuilder = SpawnBuilder::new();
        if stack_bytes != 0 {
            builder = builder.stack(stack_bytes);
        }
        on.spawn(builder)
    };
    // SAFETY: as the caller promises.
    unsafe { spawn_by(spawn, runtime, callback, env, finalizer, out) }
}

/// As [`dtact_fiber_spawn`], with options instead of the size of a stack. Null means the defaults.
///
/// # Safety
///
/// - As of [`dtact_fiber_spawn`].
/// - `options` is null, or came from [`dtact_fiber_options_new`](crate::dtact_fiber_options_new)
///   and is not changed meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_spawn_with(
    runtime: *const DtactRuntime,
    options: *const DtactFiberOptions,
    callback: Option<DtactCallback>,
    env: *mut c_void,
    finalizer: Option<DtactFinalizer>,
    out: *mut DtactHandle,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    let options = unsafe { options.as_ref() };
    let options = options.copied().unwrap_or_default();
    let spawn = |on: Callback<'_>| options.spawn(on);
    // SAFETY: as the caller promises.
    unsafe { spawn_by(spawn, runtime, callback, env, finalizer, out) }
}

/// A task and where it shall run.
struct Callback<'runtime> {
    runtime: &'runtime Runtime,
    task: Task,
}

impl Spawns for Callback<'_> {
    fn spawn<S: ContextSwitcher>(self, builder: SpawnBuilder<S>) -> Result<Handle, Error> {
        let Self { runtime, task } = self;
        foreign::spawn_closure_on(runtime, builder, move || task.run())
            // What is refused is dropped here, and its finalizer called.
            .map_err(|refused| Error::Spawn(refused.error))
    }
}

/// What the ways to spawn have in common: the checks, and what becomes of the handle.
///
/// # Safety
///
/// - As of [`dtact_fiber_spawn`].
unsafe fn spawn_by(
    spawn: impl FnOnce(Callback<'_>) -> Result<Handle, Error>,
    runtime: *const DtactRuntime,
    callback: Option<DtactCallback>,
    env: *mut c_void,
    finalizer: Option<DtactFinalizer>,
    out: *mut DtactHandle,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let environment = unsafe { Environment::new(env, finalizer) };
        // SAFETY: as the caller promises.
        let Some(this) = (unsafe { runtime.as_ref() }) else {
            return Err(Error::Null("runtime"));
        };
        let Some(callback) = callback else {
            return Err(Error::Null("callback"));
        };
        // SAFETY: as the caller promises.
        let task = unsafe { Task::new(callback, environment) };
        let runtime = &this.runtime;
        let handle = spawn(Callback { runtime, task })?;
        if out.is_null() {
            return handle.detach().map_err(refused(handle.raw()));
        }
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(handle.raw()) };
        Ok(())
    })
}

/// Gives up the handle of a fiber, which goes on.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_fiber_detach(handle: DtactHandle) -> DtactStatus {
    boundary::enter(|| {
        let detached = Handle::from_raw(handle).detach();
        detached.map_err(refused(handle))
    })
}

/// Asks a fiber to end. The handle stays.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_fiber_cancel(handle: DtactHandle) -> DtactStatus {
    boundary::enter(|| {
        let cancelled = Handle::from_raw(handle).cancel();
        cancelled.map_err(refused(handle))
    })
}

/// Writes to `out` whether a fiber has ended, in whichever way.
///
/// # Safety
///
/// - `out` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_is_finished(
    handle: DtactHandle,
    out: *mut bool,
) -> DtactStatus {
    boundary::enter(|| {
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        let is_finished = Handle::from_raw(handle).is_finished();
        let is_finished = is_finished.map_err(refused(handle))?;
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(is_finished) };
        Ok(())
    })
}

/// Why a handle leads to nothing, as an error.
pub(crate) fn refused(handle: DtactHandle) -> impl Fn(HandleError) -> Error {
    move |refused| match refused {
        HandleError::Busy => Error::Busy(handle),
        HandleError::Deadlock => Error::Join(JoinError::Deadlock),
        // Stale; and what a later version may add leads to nothing either.
        _ => Error::StaleHandle(handle),
    }
}

#[cfg(test)]
mod tests {
    use core::{
        ffi::{CStr, c_void},
        ptr,
        sync::atomic::{AtomicU32, Ordering},
    };

    use crate::{
        DtactRuntime, DtactStatus, dtact_builder_free, dtact_builder_new, dtact_builder_set_fibers,
        dtact_builder_set_stack_bytes, dtact_builder_set_stacks, dtact_builder_set_workers,
        dtact_fiber_join, dtact_fiber_spawn, dtact_last_error_message, dtact_runtime_free,
        dtact_runtime_start,
    };

    struct Env {
        finalized_count: AtomicU32,
    }

    unsafe extern "C-unwind" fn returns(env: *mut c_void) -> *mut c_void {
        env
    }

    unsafe extern "C-unwind" fn panics(_env: *mut c_void) -> *mut c_void {
        panic!("in a callback")
    }

    unsafe extern "C-unwind" fn finalize(env: *mut c_void) {
        // SAFETY: the tests pass an `Env` that outlives the fiber.
        let env = unsafe { &*env.cast::<Env>() };
        env.finalized_count.fetch_add(1, Ordering::Relaxed);
    }

    unsafe extern "C-unwind" fn finalize_and_panic(env: *mut c_void) {
        // SAFETY: as this function's own contract.
        unsafe { finalize(env) };
        panic!("in a finalizer")
    }

    fn started() -> *mut DtactRuntime {
        let builder = dtact_builder_new();
        // SAFETY: a builder just made.
        let status = unsafe { dtact_builder_set_workers(builder, 1) };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: as above.
        let status = unsafe { dtact_builder_set_fibers(builder, 4) };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: as above.
        let status = unsafe { dtact_builder_set_stack_bytes(builder, 1 << 16) };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: as above.
        let status = unsafe { dtact_builder_set_stacks(builder, 8) };
        assert_eq!(status, DtactStatus::Ok);
        let mut runtime = ptr::null_mut();
        // SAFETY: as above, and `runtime` can be written.
        let status = unsafe { dtact_runtime_start(builder, &raw mut runtime) };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: it is not used again.
        unsafe { dtact_builder_free(builder) };
        runtime
    }

    /// Spawns and joins a fiber, and returns how often the finalizer ran.
    fn joined(
        callback: crate::DtactCallback,
        finalizer: crate::DtactFinalizer,
    ) -> (DtactStatus, u32) {
        let runtime = started();
        let env = Env {
            finalized_count: AtomicU32::new(0),
        };
        let env_pointer = (&raw const env).cast_mut().cast();
        let finalizer = Some(finalizer);
        let mut handle = 0;
        let out = &raw mut handle;
        // SAFETY: the runtime is there, and `env` until the fiber has been joined.
        let status =
            unsafe { dtact_fiber_spawn(runtime, Some(callback), env_pointer, finalizer, 0, out) };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: the result is not asked for.
        let status = unsafe { dtact_fiber_join(handle, ptr::null_mut()) };
        // SAFETY: it is not used again.
        unsafe { dtact_runtime_free(runtime) };
        (status, env.finalized_count.load(Ordering::Relaxed))
    }

    #[test]
    fn a_panic_of_a_callback_becomes_a_status_and_the_finalizer_runs() {
        assert_eq!(joined(panics, finalize), (DtactStatus::Panicked, 1));
        // SAFETY: it is valid until the next failure on this thread.
        let message = unsafe { CStr::from_ptr(dtact_last_error_message()) };
        assert_eq!(message, c"the fiber panicked: in a callback");
    }

    #[test]
    fn a_panic_of_a_finalizer_ends_there() {
        assert_eq!(joined(returns, finalize_and_panic), (DtactStatus::Ok, 1));
        assert_eq!(
            joined(panics, finalize_and_panic),
            (DtactStatus::Panicked, 1)
        );
    }
}
