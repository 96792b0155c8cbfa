//! The documentation, built with every warning refused. Its examples run in the test step.

use crate::outcome::Halt;
use crate::shell::Shell;

/// Documents all packages.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    let flags = [("RUSTDOCFLAGS", "-D warnings")];
    shell.run_with(&flags, &["cargo", "doc", "--workspace", "--no-deps"])
}
