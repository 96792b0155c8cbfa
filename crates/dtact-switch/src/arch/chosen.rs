//! Where there is no port: one error that says so, and what keeps it the only one.

use core::ptr::NonNull;

use crate::{Context, Entry, Transfer};

compile_error!(
    "dtact-switch has no port to this target. There are ports to 64-bit x86-64 (Linux, macOS, \
     FreeBSD, Windows), AArch64 (Linux, macOS, Windows) and RISC-V 64 (Linux); docs/porting.md \
     says what another one takes"
);

pub(crate) const STACK_ALIGN: usize = 16;

pub(crate) struct Frame(());

/// # Safety
///
/// It is never compiled to anything.
pub(crate) unsafe fn write_fresh_frame<T>(_: T, _: Entry) -> NonNull<Frame> {
    NonNull::dangling()
}

/// # Safety
///
/// It is never compiled to anything.
pub(crate) unsafe fn switch_inline<const FLOAT: bool>(from: Context, message: *mut ()) -> Transfer {
    Transfer { from, message }
}

/// # Safety
///
/// It is never compiled to anything.
pub(crate) unsafe fn switch_inline_publishing<const FLOAT: bool>(
    from: Context,
    message: *mut (),
    _: *mut *mut (),
) -> Transfer {
    Transfer { from, message }
}

/// # Safety
///
/// It is never compiled to anything.
pub(crate) unsafe extern "C" fn switch_naked_float(from: Context, message: *mut ()) -> Transfer {
    Transfer { from, message }
}

/// # Safety
///
/// It is never compiled to anything.
pub(crate) unsafe extern "C" fn switch_naked_no_float(from: Context, message: *mut ()) -> Transfer {
    Transfer { from, message }
}
