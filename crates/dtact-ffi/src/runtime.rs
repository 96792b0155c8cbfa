//! Runtimes: starting one, and its two ends.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::time::Duration;

use dtact::{Builder, Runtime};

use crate::{boundary, builder::DtactBuilder, error::Error, status::DtactStatus};

/// A runtime: `dtact_runtime_t`.
#[derive(Debug)]
pub struct DtactRuntime {
    pub(crate) runtime: Runtime,
}

/// Starts a runtime, and writes it to `out`. A null builder means the defaults.
///
/// # Safety
///
/// - `builder` is null or came from [`dtact_builder_new`](crate::dtact_builder_new), and is not
///   changed meanwhile.
/// - `out` is null or can be written.
/// - The fibers of this runtime keep what the header asks for under "Waiting".
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_runtime_start(
    builder: *const DtactBuilder,
    out: *mut *mut DtactRuntime,
) -> DtactStatus {
    boundary::enter(|| {
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        // SAFETY: as the caller promises.
        let builder = unsafe { builder.as_ref() };
        let builder = builder.map_or_else(Builder::new, |builder| builder.builder.clone());
        // SAFETY: as the caller promises for the code that runs in fibers; this crate's own has
        // no thread-local that would be in use while it waits.
        let builder = unsafe { builder.enable_stackful() };
        let runtime = builder.build().map_err(Error::Build)?;
        let runtime = Box::into_raw(Box::new(DtactRuntime { runtime }));
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(runtime) };
        Ok(())
    })
}

/// Cancels all fibers of a runtime and waits until they have ended, but for no more than
/// `deadline_ms` milliseconds.
///
/// # Safety
///
/// - `runtime` is null, or came from [`dtact_runtime_start`] and is not freed before this returns.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_runtime_shutdown(
    runtime: *const DtactRuntime,
    deadline_ms: u64,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { runtime.as_ref() }.ok_or(Error::Null("runtime"))?;
        this.runtime
            .shutdown(Duration::from_millis(deadline_ms))
            .map_err(Error::Shutdown)
    })
}

/// Ends a runtime as [`dtact_runtime_shutdown`] does, however long that takes, and frees it. Null
/// is allowed.
///
/// # Safety
///
/// - `runtime` is null, or came from [`dtact_runtime_start`] and is not used again.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_runtime_free(runtime: *mut DtactRuntime) {
    boundary::enter(|| {
        if !runtime.is_null() {
            // SAFETY: as the caller promises, it came from `Box::into_raw`, and this is its end.
            drop(unsafe { Box::from_raw(runtime) });
        }
        Ok(())
    });
}
