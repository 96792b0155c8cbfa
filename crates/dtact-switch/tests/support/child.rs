//! Tests that end their process: they run in a child, and are told how by its environment.

use std::env;
use std::process::{Command, Output};

const MODE: &str = "DTACT_SWITCH_CHILD";

/// The exit code of a child that was not ended by what it did.
pub(crate) const SURVIVED: i32 = 23;

/// What the child is to do; `None` in a process that is no child.
pub(crate) fn mode() -> Option<String> {
    env::var(MODE).ok()
}

/// This test program, to be run again: through the emulator that `DTACT_RUNNER` names, if any.
pub(crate) fn this_program() -> Command {
    let program = env::current_exe().expect("a test knows its own path");
    let runner = env::var("DTACT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Whether a process did not end by itself: by a signal, on Windows by an exception.
pub(crate) fn was_ended(output: &Output) -> bool {
    // The code of an exception is a status of severity "error", whose highest bits are set.
    output
        .status
        .code()
        .is_none_or(|code| cfg!(windows) && code < 0)
}

/// Runs `test` of this program in a child.
pub(crate) fn run(test: &str, mode: &str) -> Output {
    this_program()
        .args(["--exact", test, "--nocapture"])
        .env(MODE, mode)
        .output()
        .expect("the child starts")
}
