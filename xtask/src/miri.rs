//! The tests of the pure Rust parts under Miri, with strict provenance.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const MIRI: Tool = Tool {
    name: "Miri (a component of nightly)",
    probe: &["cargo", "+nightly", "miri", "--version"],
    get: "rustup toolchain install nightly --profile minimal --component miri,rust-src",
    may_lack: true,
};

/// Its own build of the standard library, which it makes once from the sources.
const SYSROOT: Tool = Tool {
    name: "Miri's standard library",
    probe: &["cargo", "+nightly", "miri", "setup"],
    get: "cargo +nightly miri setup",
    may_lack: true,
};

/// Isolation hides the clock and the environment, which tests with a deadline read.
pub(crate) const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-disable-isolation";

/// Makes sure of Miri and its library.
///
/// # Errors
///
/// When one is missing in the end.
pub(crate) fn ready(shell: &Shell) -> Result<(), Halt> {
    shell.need(&MIRI)?;
    shell.need(&SYSROOT)
}

/// Interprets the tests of all but the assembly, in whose place threads stand in for stacks: the
/// switch and its coroutines, the arena, the mesh, and the whole runtime.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    ready(shell)?;
    let target = shell.target().join("miri");
    let target = target.to_string_lossy();
    let flags = std::env::var("MIRIFLAGS");
    let usual = FLAGS;
    // A stack that is abandoned, as a worker's loop is, leaves the thread that stands in for it.
    let stacks = "-Zmiri-strict-provenance -Zmiri-disable-isolation -Zmiri-ignore-leaks";
    for (usual, tests) in [
        (stacks, ["-p", "dtact-switch", "--tests"]),
        (usual, ["-p", "dtact-arena", "--lib"]),
        (usual, ["-p", "dtact-mesh", "--tests"]),
        (stacks, ["-p", "dtact-bridge", "--tests"]),
        (stacks, ["-p", "dtact-ffi", "--lib"]),
    ] {
        let vars = [
            ("MIRIFLAGS", flags.as_deref().unwrap_or(usual)),
            ("CARGO_TARGET_DIR", &*target),
        ];
        let line = [&["cargo", "+nightly", "miri", "test"], &tests[..]].concat();
        shell.run_with(&vars, &line)?;
    }
    Ok(())
}
