//! Running this program again as a child, and running code on a stack of a pool.
#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::process::{Command, ExitStatus};

use dtact_arena::Stack;

/// This program, to be run again: through the emulator that `DTACT_RUNNER` names, if any.
pub(crate) fn this_program() -> Command {
    let program = env::current_exe().expect("the test has a path");
    let runner = env::var("DTACT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Runs the test of that name in a child, with an environment variable set; a panic aborts nothing
/// there, so its status is that of a failed test.
pub(crate) fn run(test: &str, variable: &str, value: &str) -> (ExitStatus, String) {
    let output = this_program()
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .output()
        .expect("the child starts");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status, text)
}

/// Whether an access that is not allowed has ended a process.
#[cfg(unix)]
pub(crate) fn is_end_by_fault(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    matches!(status.signal(), Some(libc::SIGSEGV | libc::SIGBUS))
}

/// Whether an access that is not allowed has ended a process: an access violation, the violation of
/// a guard page, or a stack overflow.
#[cfg(windows)]
pub(crate) fn is_end_by_fault(status: ExitStatus) -> bool {
    let code = status.code().map(i32::cast_unsigned);
    matches!(code, Some(0xc000_0005 | 0x8000_0001 | 0xc000_00fd))
}

/// Has this process end at once by a fault, without a debugger or a dialog in between.
#[cfg(windows)]
pub(crate) fn end_at_once_by_faults() {
    use windows_sys::Win32::System::Diagnostics::Debug::{
        EXCEPTION_POINTERS, SetUnhandledExceptionFilter,
    };
    /// Its answer is that the process ends with the code of the exception.
    unsafe extern "system" fn end(_: *const EXCEPTION_POINTERS) -> i32 {
        1
    }
    // SAFETY: the filter does nothing.
    unsafe { SetUnhandledExceptionFilter(Some(end)) };
}

/// Does nothing: that is what happens here.
#[cfg(unix)]
pub(crate) fn end_at_once_by_faults() {}

/// Calls `body` with its frames on `stack`.
///
/// # Safety
///
/// - The caller holds the stack, and its pool lives on.
/// - `body` does not unwind, and needs no more than the stack has, unless it is to be seen what
///   happens then.
pub(crate) unsafe fn call_on(stack: &Stack, body: extern "C" fn()) {
    let top = stack.top().as_ptr();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as the caller promises; r12 is kept by `body` and given back by the compiler, and
    // the top is aligned for a call.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp", "mov rsp, {top}", "call {body}", "mov rsp, r12",
            top = in(reg) top, body = in(reg) body, out("r12") _, clobber_abi("C"),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, with x20.
    unsafe {
        core::arch::asm!(
            "mov x20, sp", "mov sp, {top}", "blr {body}", "mov sp, x20",
            top = in(reg) top, body = in(reg) body, out("x20") _, clobber_abi("C"),
        );
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above, with s2.
    unsafe {
        core::arch::asm!(
            "mv s2, sp", "mv sp, {top}", "jalr {body}", "mv sp, s2",
            top = in(reg) top, body = in(reg) body, out("s2") _, clobber_abi("C"),
        );
    }
}
