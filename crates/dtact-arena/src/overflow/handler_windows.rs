//! The handler on Windows: a vectored exception handler, which says what it knows and passes on.
#![allow(unsafe_code, reason = "installs an exception handler")]

use std::sync::{Mutex, PoisonError};

use super::message::Fault;
use super::{REGISTRY, occupant};
use crate::error::ArenaError;
use crate::sys::exception::{self, CONTINUE_SEARCH, Pointers};

static IS_INSTALLED: Mutex<bool> = Mutex::new(false);

/// See [`super::install`].
pub(super) fn install() -> Result<(), ArenaError> {
    let mut is_installed = IS_INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_installed {
        // SAFETY: the handler reads numbers, and writes by one system call.
        let added = unsafe { exception::add_handler(on_exception) };
        added.map_err(|errno| ArenaError::Os {
            op: "installing the handler of stack overflows",
            errno,
        })?;
        *is_installed = true;
    }
    drop(is_installed);
    Ok(())
}

/// The handler of all exceptions. It leaves each to whoever comes next.
///
/// # Safety
///
/// - The system calls it, with what it gives to such a handler.
unsafe extern "system" fn on_exception(pointers: *mut Pointers) -> i32 {
    // SAFETY: as the caller promises.
    let access = unsafe { exception::access(pointers) };
    if let Some(access) = access
        && let Some(hit) = REGISTRY.guard_at(access.address)
    {
        let fault = Fault {
            address: access.address,
            stack_pointer: access.stack_pointer,
            hit,
            occupant: occupant(),
        };
        exception::write_error(fault.describe().as_bytes());
    }
    CONTINUE_SEARCH
}
