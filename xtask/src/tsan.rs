//! The tests under ThreadSanitizer, which is told of stacks and switches, and a race that it must
//! find.

use crate::outcome::Halt;
use crate::planted::{self, Bug};
use crate::shell::{Shell, Tool};

/// The standard library has to be instrumented as well: accesses in it would be missed, and its
/// atomics be no order.
const NIGHTLY: Tool = Tool {
    name: "a nightly compiler with ThreadSanitizer and the sources of the standard library",
    probe: &[
        "sh",
        "-c",
        "test -e \"$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/std\"",
    ],
    get: "rustup toolchain install nightly --profile minimal --component rust-src",
    may_lack: true,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";

const BUGS: [Bug; 1] = [Bug {
    name: "race",
    report: "ThreadSanitizer: data race",
}];

/// The layers that run on stacks, and those below.
const CRATES: [&str; 5] = [
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

/// Runs the tests of all of them, which must be silent, and the planted race, which must be
/// reported.
pub(crate) fn all(shell: &Shell) -> Result<(), Halt> {
    run(shell, &CRATES)
}

/// The same with the tests of the switch alone, for `ci`: the others take minutes.
pub(crate) fn some(shell: &Shell) -> Result<(), Halt> {
    run(shell, &CRATES[..1])
}

fn run(shell: &Shell, crates: &[&'static str]) -> Result<(), Halt> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err(Halt::Unsupported(format!("set up for {TARGET} alone")));
    }
    shell.need(&NIGHTLY)?;
    // A folder of its own: other flags would rebuild everything in the shared one, twice a run.
    let target = shell.target().join("tsan");
    let target = target.to_string_lossy();
    let vars = [
        // Mappings are made by the C library, so that the tool sees them.
        (
            "RUSTFLAGS",
            "-Zsanitizer=thread --cfg dtact_tsan --cfg rustix_use_libc",
        ),
        ("CARGO_TARGET_DIR", &*target),
        // A report has a trace of its own, and where a panic is meant one takes seconds.
        ("RUST_BACKTRACE", "0"),
    ];
    let cargo = |verb| ["cargo", "+nightly", verb, "-Zbuild-std", "--target", TARGET];
    let package = ["-p", "dtact-switch", "--example", "planted_bugs", "--"];
    let command = [&cargo("run")[..], &package].concat();
    planted::check(shell, &vars, &command, &BUGS)?;
    let mut tests = cargo("test").to_vec();
    tests.extend(["--no-fail-fast", "--tests"]);
    tests.extend(crates.iter().flat_map(|name| ["-p", name]));
    shell.run_with(&vars, &tests)
}
