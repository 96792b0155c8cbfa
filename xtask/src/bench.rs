//! Starts the benchmarks, which are a package of their own.

use crate::outcome::Halt;
use crate::shell::Shell;

/// Runs `benches` in release, handing it the arguments; `--write` has it write its tables.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut line = vec!["cargo", "run", "--release", "-p", "benches", "--"];
    line.extend(args);
    shell.run(&line)
}

/// Runs the benchmarks of the arena, which are a program of their own.
pub(crate) fn run_arena(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut line = vec![
        "cargo",
        "run",
        "--release",
        "-p",
        "benches",
        "--bin",
        "arena",
        "--",
    ];
    line.extend(args);
    shell.run(&line)
}
