//! The tests of the workspace, documentation examples included.

use crate::outcome::Halt;
use crate::shell::Shell;

/// All tests in debug; the switch again in release, where inlining and register pressure differ.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    let debug = shell.run(&["cargo", "test", "--workspace", "--no-fail-fast"]);
    let release = shell.run(&["cargo", "test", "--release", "-p", "dtact-switch"]);
    debug.and(release)
}

/// `cargo test` with the caller's own arguments.
pub(crate) fn some(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut line = vec!["cargo", "test"];
    line.extend(args);
    shell.run(&line)
}
