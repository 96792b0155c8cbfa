//! The configuration of a runtime, as an opaque object with setters.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{mem, ptr};

use dtact::{Builder, TopologyMode};

use crate::{boundary, error::Error, knobs::Numbered as _, status::DtactStatus};

/// A configuration: `dtact_builder_t`.
#[derive(Debug)]
pub struct DtactBuilder {
    pub(crate) builder: Builder,
}

/// A builder with the defaults, to be freed by [`dtact_builder_free`]; null if it cannot be had.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_builder_new() -> *mut DtactBuilder {
    boundary::enter_or(ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(DtactBuilder {
            builder: Builder::new(),
        })))
    })
}

/// Frees a builder; null is allowed.
///
/// # Safety
///
/// - `builder` is null, or came from [`dtact_builder_new`] and is not used again.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_free(builder: *mut DtactBuilder) {
    boundary::enter(|| {
        if !builder.is_null() {
            // SAFETY: as the caller promises, it came from `Box::into_raw`, and this is its end.
            drop(unsafe { Box::from_raw(builder) });
        }
        Ok(())
    });
}

/// How many fibers run at a time: the number of worker threads.
///
/// # Safety
///
/// - `builder` is null, or came from [`dtact_builder_new`] and is used by nobody else meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_set_workers(
    builder: *mut DtactBuilder,
    count: usize,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe { set(builder, |builder| builder.workers(count)) }
}

/// How many fibers there may be at a time.
///
/// # Safety
///
/// - As of [`dtact_builder_set_workers`].
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_set_fibers(
    builder: *mut DtactBuilder,
    count: u32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe { set(builder, |builder| builder.fibers(count)) }
}

/// The size of the stacks, in bytes.
///
/// # Safety
///
/// - As of [`dtact_builder_set_workers`].
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_set_stack_bytes(
    builder: *mut DtactBuilder,
    bytes: usize,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe { set(builder, |builder| builder.stack_bytes(bytes)) }
}

/// How many stacks there may be at a time.
///
/// # Safety
///
/// - As of [`dtact_builder_set_workers`].
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_set_stacks(
    builder: *mut DtactBuilder,
    count: u32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe { set(builder, |builder| builder.stacks(count)) }
}

/// How fibers get from worker to worker.
///
/// # Safety
///
/// - As of [`dtact_builder_set_workers`].
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_builder_set_topology_mode(
    builder: *mut DtactBuilder,
    mode: i32,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { builder.as_mut() }.ok_or(Error::Null("builder"))?;
        let mode = TopologyMode::from_number(mode)?;
        this.builder = mem::take(&mut this.builder).topology_mode(mode);
        Ok(())
    })
}

/// # Safety
///
/// - `builder` is null, or came from [`dtact_builder_new`] and is used by nobody else meanwhile.
unsafe fn set(builder: *mut DtactBuilder, change: impl FnOnce(Builder) -> Builder) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { builder.as_mut() }.ok_or(Error::Null("builder"))?;
        this.builder = change(mem::take(&mut this.builder));
        Ok(())
    })
}
