//! The lock-free code itself, run by loom through every interleaving up to a bound.

use crate::outcome::Halt;
use crate::planted;
use crate::shell::Shell;

/// More preemptions than two find little that two do not, and each one multiplies the time.
const PREEMPTIONS: &str = "2";

/// Runs the models of the crates that have lock-free code.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    models(shell, |vars, line| shell.run_with(vars, line))
}

/// Runs models with mistakes planted into the code, which have to be found.
pub(crate) fn planted(shell: &Shell, names: &[&str]) -> Result<(), Halt> {
    models(shell, |vars, line| {
        planted::panics(shell, vars, line, names)
    })
}

fn models(
    shell: &Shell,
    run: impl FnOnce(&[(&str, &str)], &[&str]) -> Result<(), Halt>,
) -> Result<(), Halt> {
    // A folder of its own: other flags would rebuild everything in the shared one, twice a run.
    let target = shell.target().join("loom");
    let target = target.to_string_lossy();
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS");
    let vars = [
        ("RUSTFLAGS", "--cfg dtact_loom"),
        ("CARGO_TARGET_DIR", &*target),
        // Models are small and run long enough to want optimised code, not slow links.
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
        (
            "LOOM_MAX_PREEMPTIONS",
            bound.as_deref().unwrap_or(PREEMPTIONS),
        ),
    ];
    let line = ["cargo", "test", "--release", "--lib"];
    let crates = [
        "-p",
        "dtact-switch",
        "-p",
        "dtact-arena",
        "-p",
        "dtact-mesh",
        "-p",
        "dtact-bridge",
    ];
    run(&vars, &[&line[..], &crates].concat())
}
