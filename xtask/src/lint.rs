//! Clippy over everything that is compiled, warnings refused.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const CLIPPY: Tool = Tool {
    name: "clippy",
    probe: &["cargo", "clippy", "--version"],
    get: "rustup component add clippy",
    may_lack: false,
};

/// Lints all targets of all packages.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    shell.need(&CLIPPY)?;
    shell.run(&[
        "cargo",
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "benches/peers,dtact-arena/switch,dtact-mesh/sim,dtact/hw-acceleration,dtact/tracing",
        "--",
        "-D",
        "warnings",
    ])
}
