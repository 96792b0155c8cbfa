//! Starts the benchmarks, which are a package of their own.

use crate::outcome::Halt;
use crate::shell::Shell;

/// In release, and with the peers, which nothing else builds.
const BENCHES: [&str; 8] = [
    "cargo",
    "run",
    "--release",
    "-p",
    "benches",
    "--features",
    "peers",
    "--",
];

/// Measures Dtact beside its peers, handing over the arguments.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    shell.run(&[&BENCHES, args].concat())
}

/// Reports what was measured last; `--write` has it written into the docs.
pub(crate) fn report(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    shell.run(&[&BENCHES, &["report"][..], args].concat())
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
