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

/// Runs the tests, which must be silent, and the planted race, which must be reported. It takes too
/// long for `ci`.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
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
    tests.extend(CRATES.iter().flat_map(|name| ["-p", name]));
    shell.run_with(&vars, &tests)
}
