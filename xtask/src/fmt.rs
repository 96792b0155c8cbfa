//! The one way to lay out code: rustfmt with the workspace's `rustfmt.toml`.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const RUSTFMT: Tool = Tool {
    name: "rustfmt",
    probe: &["cargo", "fmt", "--version"],
    get: "rustup component add rustfmt",
    may_lack: false,
};

/// Fails where a file is not laid out as rustfmt would.
pub(crate) fn check(shell: &Shell) -> Result<(), Halt> {
    shell.need(&RUSTFMT)?;
    shell.run(&["cargo", "fmt", "--all", "--check"])
}

/// Lays out every file.
pub(crate) fn write(shell: &Shell) -> Result<(), Halt> {
    shell.need(&RUSTFMT)?;
    shell.run(&["cargo", "fmt", "--all"])
}
