//! Exceptions of Windows, and what a handler is told.
//!
//! A handler runs on the stack that the code stood on. After an overflow that is the part of the
//! guard which the system has opened: see `src/sys/windows.rs`.
#![allow(unsafe_code, reason = "system calls, and what they are given")]

use core::ptr;

use windows_sys::Win32::Foundation::{
    EXCEPTION_ACCESS_VIOLATION, EXCEPTION_GUARD_PAGE, EXCEPTION_STACK_OVERFLOW,
};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::{AddVectoredExceptionHandler, CONTEXT};

use super::last_errno;
use crate::error::Errno;

pub(crate) use windows_sys::Win32::System::Diagnostics::Debug::EXCEPTION_POINTERS as Pointers;

/// The answer of a handler that leaves the exception to others.
pub(crate) const CONTINUE_SEARCH: i32 = 0;

/// An access that was not allowed.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Access {
    /// Where.
    pub(crate) address: usize,
    /// Where the stack pointer was; not known on every architecture.
    pub(crate) stack_pointer: Option<usize>,
}

/// Has a handler called first for each exception, for good.
///
/// # Safety
///
/// - `handler` may be called wherever an exception is raised.
pub(crate) unsafe fn add_handler(
    handler: unsafe extern "system" fn(*mut Pointers) -> i32,
) -> Result<(), Errno> {
    // SAFETY: as the caller promises.
    let added = unsafe { AddVectoredExceptionHandler(1, Some(handler)) };
    if added.is_null() {
        return Err(last_errno());
    }
    Ok(())
}

/// The access behind an exception: an overflow, a guard page, a page without access.
///
/// # Safety
///
/// - `pointers` is what the system gave a handler.
pub(crate) unsafe fn access(pointers: *const Pointers) -> Option<Access> {
    // SAFETY: as the caller promises.
    let pointers = unsafe { pointers.as_ref() }?;
    // SAFETY: as above.
    let record = unsafe { pointers.ExceptionRecord.as_ref() }?;
    // SAFETY: as above.
    let stack_pointer = unsafe { pointers.ContextRecord.as_ref() }.and_then(stack_pointer);
    let is_access = matches!(
        record.ExceptionCode,
        EXCEPTION_ACCESS_VIOLATION | EXCEPTION_GUARD_PAGE | EXCEPTION_STACK_OVERFLOW
    );
    if !is_access || record.NumberParameters < 2 {
        return None;
    }
    Some(Access {
        // The first is what was tried, the second is where.
        address: record.ExceptionInformation[1],
        stack_pointer,
    })
}

#[cfg(target_arch = "x86_64")]
fn stack_pointer(context: &CONTEXT) -> Option<usize> {
    usize::try_from(context.Rsp).ok()
}

#[cfg(target_arch = "aarch64")]
fn stack_pointer(context: &CONTEXT) -> Option<usize> {
    usize::try_from(context.Sp).ok()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stack_pointer(_: &CONTEXT) -> Option<usize> {
    None
}

/// Writes to the standard error output, as much as it takes.
pub(crate) fn write_error(bytes: &[u8]) {
    // SAFETY: asks for a handle that needs no closing.
    let output = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut written = 0;
    // SAFETY: reads from a slice; a handle that is none is refused.
    let _ = unsafe {
        WriteFile(
            output,
            bytes.as_ptr(),
            len,
            &raw mut written,
            ptr::null_mut(),
        )
    };
}
