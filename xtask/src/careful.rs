//! The tests with a standard library that checks what its callers promise: the one that comes with
//! the compiler was built without its debug assertions.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

/// Compiled from its sources, in debug.
const NIGHTLY: Tool = Tool {
    name: "a nightly compiler with the sources of the standard library",
    probe: &[
        "sh",
        "-c",
        "test -e \"$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/std\"",
    ],
    get: "rustup toolchain install nightly --profile minimal --component rust-src",
    may_lack: true,
};

/// The layers, from below.
const CRATES: [&str; 5] = [
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

/// What else the compiler can check, and the fields of structures in an order of its own, so that
/// nobody counts on one.
const FLAGS: &str = "-Zstrict-init-checks -Zextra-const-ub-checks -Zub-checks=yes \
                     -Zrandomize-layout";

/// Runs the tests of these crates, or of all if there are none.
///
/// # Errors
///
/// When a test fails, or the compiler is missing.
pub(crate) fn run(shell: &Shell, crates: &[&str]) -> Result<(), Halt> {
    let crates = if crates.is_empty() { &CRATES } else { crates };
    let folder = folder(shell);
    let vars = vars(&folder);
    let mut tests = line(shell)?;
    if crates.contains(&"dtact") {
        // A test starts it, and `--tests` does not build it.
        let mut example = tests.clone();
        example[2] = "build";
        example.extend(["-p", "dtact", "--example", "treehash"]);
        shell.run_with(&vars, &example)?;
    }
    tests.extend(["--no-fail-fast", "--tests"]);
    tests.extend(crates.iter().flat_map(|name| ["-p", name]));
    shell.run_with(&vars, &tests)
}

/// The beginning of the command, when all is there.
pub(crate) fn line(shell: &Shell) -> Result<Vec<&'static str>, Halt> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err(Halt::Unsupported(String::from(
            "set up for x86_64-unknown-linux-gnu alone",
        )));
    }
    shell.need(&NIGHTLY)?;
    Ok(vec![
        "cargo",
        "+nightly",
        "test",
        "-Zbuild-std",
        "--target",
        "x86_64-unknown-linux-gnu",
    ])
}

/// A folder of its own: other flags would rebuild everything in the shared one.
pub(crate) fn folder(shell: &Shell) -> String {
    shell
        .target()
        .join("careful")
        .to_string_lossy()
        .into_owned()
}

/// What to set for it.
pub(crate) const fn vars(folder: &str) -> [(&'static str, &str); 3] {
    [
        ("RUSTFLAGS", FLAGS),
        ("CARGO_TARGET_DIR", folder),
        // Where a panic is meant, a trace through a library in debug takes seconds.
        ("RUST_BACKTRACE", "0"),
    ]
}
