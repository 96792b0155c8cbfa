//! The stack pointer of the code that a signal interrupted, where it lies on each system.

use core::ffi::c_void;

/// The stack pointer; `None` on systems of which this is not known.
///
/// # Safety
///
/// - `context` is the third argument of a handler with `SA_SIGINFO`.
pub(crate) unsafe fn stack_pointer(context: *const c_void) -> Option<usize> {
    // SAFETY: as the caller promises, it points to such a context, or to nothing.
    let context = unsafe { context.cast::<libc::ucontext_t>().as_ref() }?;
    read(context)
}

#[cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_pointer_width = "64"
))]
fn read(context: &libc::ucontext_t) -> Option<usize> {
    let index = usize::try_from(libc::REG_RSP).ok()?;
    // The register is an address, whatever its sign as a number.
    usize::try_from(context.uc_mcontext.gregs.get(index)?.cast_unsigned()).ok()
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
fn read(context: &libc::ucontext_t) -> Option<usize> {
    usize::try_from(context.uc_mcontext.sp).ok()
}

#[cfg(all(target_os = "linux", target_arch = "riscv64"))]
fn read(context: &libc::ucontext_t) -> Option<usize> {
    // `x2` of the calling convention.
    usize::try_from(*context.uc_mcontext.__gregs.get(2)?).ok()
}

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
fn read(_: &libc::ucontext_t) -> Option<usize> {
    None
}
