//! Signals of Unix: handlers, alternate stacks, and what a handler is told.
//!
//! Functions without a word on it may be called in a signal handler.
#![allow(unsafe_code, reason = "system calls, and what they write")]

mod stack_pointer;

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::error::Errno;
use crate::sys::last_errno;

pub(crate) use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO};
pub(crate) use libc::{SIG_DFL, SIG_IGN, SIGBUS, SIGSEGV};
pub(crate) use libc::{sigaction as Action, siginfo_t as Info};

pub(crate) use stack_pointer::stack_pointer;

/// What a handler needs beside the frame that the system pushes: this crate's takes some KiB, one
/// that it passes a fault on to may print a backtrace.
const HANDLER_BYTES: usize = 64 * 1024;

/// The action of a signal.
pub(crate) fn action(signal: c_int) -> Result<Action, Errno> {
    let mut action = MaybeUninit::<Action>::uninit();
    // SAFETY: changes nothing, and writes to a place for one action.
    let result = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    if result != 0 {
        return Err(last_errno());
    }
    // SAFETY: success has written it.
    Ok(unsafe { action.assume_init() })
}

/// Gives a signal an action.
///
/// # Safety
///
/// - A handler that it names may be called whenever the signal comes.
pub(crate) unsafe fn set_action(signal: c_int, action: &Action) -> Result<(), Errno> {
    // SAFETY: as the caller promises; an action is read.
    let result = unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Has the signal do what it does where there is no handler.
pub(crate) fn restore_default(signal: c_int) {
    // SAFETY: zeroes are a valid action: no flags, an empty mask.
    let mut action: Action = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = SIG_DFL;
    // SAFETY: names no handler.
    let result = unsafe { set_action(signal, &action) };
    debug_assert!(result.is_ok(), "the default is allowed for each signal");
}

/// Sends this thread a signal, which waits while a handler blocks it.
pub(crate) fn raise(signal: c_int) {
    // SAFETY: a signal to oneself is memory-safe.
    let _ = unsafe { libc::raise(signal) };
}

/// The address that could not be accessed; `None` where the signal was sent by somebody.
///
/// # Safety
///
/// - `info` is what the system gave a handler of `SIGSEGV` or `SIGBUS`.
pub(crate) unsafe fn fault_address(info: *const Info) -> Option<usize> {
    // SAFETY: as the caller promises.
    let info = unsafe { info.as_ref() }?;
    // Codes of 0 and less are of processes: `SI_USER`, `SI_TKILL` (`sigaction(2)`).
    if info.si_code <= 0 {
        return None;
    }
    // SAFETY: the field is there for these signals when the kernel sends them.
    Some(unsafe { info.si_addr() }.addr())
}

/// Writes to the standard error output, as much as it takes.
pub(crate) fn write_error(mut bytes: &[u8]) {
    // Bounded: an output that takes nothing is given up.
    for _ in 0..8 {
        // SAFETY: reads from a slice.
        let written =
            unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        // An error: interrupted, or there is no such output. The former is tried again.
        let written = usize::try_from(written).unwrap_or(0);
        bytes = bytes.get(written..).unwrap_or(&[]);
        if bytes.is_empty() {
            return;
        }
    }
}

/// The bytes that an alternate stack should have. Not to be called in a handler.
pub(crate) fn alternate_stack_bytes() -> usize {
    // The frame grows with the registers of the processor, so Linux is asked for its size
    // (`AT_MINSIGSTKSZ` of `getauxval(3)`); 0 where the kernel does not say.
    #[cfg(target_os = "linux")]
    let frame_bytes = rustix::param::linux_minsigstksz();
    #[cfg(not(target_os = "linux"))]
    let frame_bytes = 0;
    frame_bytes.max(libc::MINSIGSTKSZ) + HANDLER_BYTES
}

/// Where the alternate stack of this thread begins; `None` where it has none.
pub(crate) fn alternate_stack() -> Result<Option<*mut c_void>, Errno> {
    let mut stack = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: changes nothing, and writes to a place for one description.
    let result = unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) };
    if result != 0 {
        return Err(last_errno());
    }
    // SAFETY: success has written it.
    let stack = unsafe { stack.assume_init() };
    Ok((stack.ss_flags & libc::SS_DISABLE == 0).then_some(stack.ss_sp))
}

/// Gives this thread an alternate stack.
///
/// # Safety
///
/// - The bytes are readable and writable, and nobody else's, until the thread has another
///   alternate stack, or none, or has ended.
pub(crate) unsafe fn set_alternate_stack(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
    let stack = libc::stack_t {
        ss_sp: bottom.as_ptr().cast(),
        ss_flags: 0,
        ss_size: bytes,
    };
    // SAFETY: as the caller promises.
    unsafe { change_alternate_stack(&stack) }
}

/// Takes the alternate stack of this thread away.
pub(crate) fn remove_alternate_stack() -> Result<(), Errno> {
    let stack = libc::stack_t {
        ss_sp: ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        // macOS looks at the size even so.
        ss_size: libc::SIGSTKSZ,
    };
    // SAFETY: describes no memory.
    unsafe { change_alternate_stack(&stack) }
}

/// # Safety
///
/// - As for `set_alternate_stack`, of the memory described.
unsafe fn change_alternate_stack(stack: &libc::stack_t) -> Result<(), Errno> {
    // SAFETY: as the caller promises.
    let result = unsafe { libc::sigaltstack(stack, ptr::null_mut()) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}
