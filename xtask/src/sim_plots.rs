//! The plots of `docs/scheduling.md`, drawn by the simulator of `dtact-mesh`.

use crate::outcome::Halt;
use crate::shell::Shell;

/// Simulates and draws them anew. The same code draws the same plots, to the byte.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    shell.run(&[
        "cargo",
        "run",
        "--release",
        "-p",
        "dtact-mesh",
        "--features",
        "sim",
        "--example",
        "sim",
        "--",
        "docs/plots",
    ])
}
