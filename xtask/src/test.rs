//! The tests of the workspace, documentation examples included. Those of the C ABI need a C++
//! compiler, and are a step of their own.

use crate::outcome::Halt;
use crate::shell::Shell;

/// All tests in debug; the switch and the runtime again in release, where inlining, register
/// pressure and the timing of races differ.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    let debug = [
        "cargo",
        "test",
        "--workspace",
        "--exclude",
        "dtact-ffi",
        "--no-fail-fast",
        // What is off by default.
        "--features",
        "dtact-arena/switch,dtact-mesh/sim,dtact/hw-acceleration,dtact/tracing",
    ];
    let debug = shell.run(&debug);
    let release = ["cargo", "test", "--release", "--no-fail-fast", "-p"];
    let switch = shell.run(&[&release[..], &["dtact-switch"]].concat());
    // Many programs, of which each would be optimised as a whole: minutes, for the same races.
    let vars = [
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ];
    let runtime = shell.run_with(&vars, &[&release[..], &["dtact"]].concat());
    debug.and(switch).and(runtime)
}

/// `cargo test` with the caller's own arguments.
pub(crate) fn some(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut line = vec!["cargo", "test"];
    line.extend(args);
    shell.run(&line)
}
