//! Running this program again as a child, and running code on a stack of a pool.
#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::process::{Command, ExitStatus};

use dtact_arena::Stack;

pub(crate) const SIGSEGV: i32 = 11;

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
