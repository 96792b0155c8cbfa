//! Single steps: a function that is called after each instruction of a switch.
//!
//! The switch does not save the trap flag, so the steps go on over to the other stack and back.

use core::arch::naked_asm;

use dtact_switch::{Context, Transfer};

use super::Form;

const SIGTRAP: i32 = 5;

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> *mut ();
}

/// Has `handler` called after each instruction, on the stack that the instruction left current.
///
/// # Safety
///
/// `handler` does only what a signal handler may.
pub(crate) unsafe fn on_each_step(handler: extern "C" fn(i32)) {
    // SAFETY: passed on to the caller; `SIGTRAP` is a signal that may be handled.
    unsafe { signal(SIGTRAP, handler) };
}

/// Calls `form` with the trap flag set.
///
/// # Safety
///
/// Those of the switch behind `form`, and a handler was set.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_stepped(
    to: Context,
    message: *mut (),
    form: Form,
) -> Transfer {
    naked_asm!(
        ".cfi_startproc",
        "push rbx", // aligns the stack
        ".cfi_adjust_cfa_offset 8",
        "pushfq",
        ".cfi_adjust_cfa_offset 8",
        "or qword ptr [rsp], 0x100",
        "popfq",
        ".cfi_adjust_cfa_offset -8",
        "call rdx",
        "pushfq",
        ".cfi_adjust_cfa_offset 8",
        "and qword ptr [rsp], ~0x100",
        "popfq",
        ".cfi_adjust_cfa_offset -8",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        "ret",
        ".cfi_endproc",
    )
}
