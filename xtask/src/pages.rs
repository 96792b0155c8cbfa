//! The arena on pages larger than those of this machine: AArch64 has 4, 16 and 64 KiB, and the
//! emulator pretends each.

use crate::cross;
use crate::outcome::Halt;
use crate::shell::Shell;

const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// The tests that do not ask the system about pages: what `/proc` says is of this machine's own.
/// Nor `levels`, whose frames are large beside stacks of small pages.
const TESTS: [&str; 7] = [
    "cells",
    "corosensei",
    "guard",
    "locked",
    "model",
    "overflow",
    "stacks",
];

/// Runs the tests of the arena with pages of so many bytes.
pub(crate) fn run(shell: &Shell, page_bytes: &str) -> Result<(), Halt> {
    let (linker, (runner, emulator)) = cross::emulated(shell, TRIPLE)?;
    let (program, rest) = emulator.split_once(' ').unwrap_or((emulator, ""));
    let emulator = format!("{program} -p {page_bytes} {rest}");
    let vars = [
        linker,
        (runner, &emulator),
        ("DTACT_RUNNER", &emulator),
        ("DTACT_EMULATED", "1"),
        // The standard library maps files to name frames, at offsets that are no such pages.
        ("RUST_BACKTRACE", "0"),
    ];
    let mut line = vec!["cargo", "test", "--no-fail-fast", "--target", TRIPLE];
    line.extend(["-p", "dtact-arena", "--lib"]);
    line.extend(TESTS.iter().flat_map(|test| ["--test", test]));
    line.extend(["--", "--skip", "both_ways_of_asking"]);
    shell.run_with(&vars, &line)
}
