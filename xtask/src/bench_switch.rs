//! Starts the benchmarks of the switch, a program of its own beside those of the runtime.

use crate::outcome::Halt;
use crate::shell::Shell;

/// Runs them in release, handing over the arguments; `--write` has it write its tables.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut line = vec![
        "cargo",
        "run",
        "--release",
        "-p",
        "benches",
        "--bin",
        "switch",
        "--",
    ];
    line.extend(args);
    shell.run(&line)
}
