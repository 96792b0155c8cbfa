//! The whole mesh under schedules by chance.

use crate::outcome::Halt;
use crate::planted;
use crate::shell::Shell;

/// How many schedules run in all, unless `DTACT_SCHEDULES` says so.
const SCHEDULES: &str = "100000";

/// Runs the schedules of the mesh.
pub(crate) fn all(shell: &Shell) -> Result<(), Halt> {
    run(shell, |vars, line| shell.run_with(vars, line))
}

/// The same with mistakes planted into the code, which have to be found.
pub(crate) fn planted(shell: &Shell, names: &[&str]) -> Result<(), Halt> {
    run(shell, |vars, line| {
        planted::panics(shell, vars, line, names)
    })
}

fn run(
    shell: &Shell,
    run: impl FnOnce(&[(&str, &str)], &[&str]) -> Result<(), Halt>,
) -> Result<(), Halt> {
    // A folder of its own: other flags would rebuild everything in the shared one, twice a run.
    let target = shell.target().join("shuttle");
    let target = target.to_string_lossy();
    let wanted = std::env::var("DTACT_SCHEDULES");
    let vars = [
        ("RUSTFLAGS", "--cfg dtact_shuttle"),
        ("CARGO_TARGET_DIR", &*target),
        // Schedules are small and many: optimised code, but not slow links.
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
        ("DTACT_SCHEDULES", wanted.as_deref().unwrap_or(SCHEDULES)),
    ];
    let line = ["cargo", "test", "--release", "--lib", "-p", "dtact-mesh"];
    run(&vars, &line)
}
