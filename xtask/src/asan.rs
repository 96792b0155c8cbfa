//! The tests under AddressSanitizer, which is told of stacks and switches, and bugs that it must
//! find.

use crate::outcome::Halt;
use crate::planted::{self, Bug};
use crate::shell::{Shell, Tool};

const NIGHTLY: Tool = Tool {
    name: "a nightly compiler, which has AddressSanitizer",
    probe: &["cargo", "+nightly", "--version"],
    get: "rustup toolchain install nightly --profile minimal",
    may_lack: true,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";

const BUGS: [Bug; 3] = [
    Bug {
        name: "use-after-return",
        report: "AddressSanitizer: stack-use-after-return",
    },
    Bug {
        name: "use-after-free",
        report: "AddressSanitizer: heap-use-after-free",
    },
    Bug {
        name: "overflow",
        report: "AddressSanitizer: stack-overflow",
    },
];

/// The layers that run on stacks, and those below.
const CRATES: [&str; 5] = [
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

/// Runs the tests of all of them, which must be silent, and the planted bugs, which must be
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
    let target = shell.target().join("asan");
    let target = target.to_string_lossy();
    let vars = [
        // Mappings are made by the C library, so that the tool sees them.
        (
            "RUSTFLAGS",
            "-Zsanitizer=address --cfg dtact_asan --cfg rustix_use_libc",
        ),
        ("CARGO_TARGET_DIR", &*target),
        // Tests suspend stacks for good, and the search for leaks sees none but the threads' own.
        ("ASAN_OPTIONS", "detect_leaks=0"),
        // A report has a trace of its own, and where a panic is meant one takes seconds.
        ("RUST_BACKTRACE", "0"),
    ];
    let cargo = |verb| ["cargo", "+nightly", verb, "--target", TARGET];
    let package = ["-p", "dtact-switch", "--example", "planted_bugs", "--"];
    let command = [&cargo("run")[..], &package].concat();
    planted::check(shell, &vars, &command, &BUGS)?;
    let mut tests = cargo("test").to_vec();
    tests.extend(["--no-fail-fast", "--tests"]);
    tests.extend(crates.iter().flat_map(|name| ["-p", name]));
    shell.run_with(&vars, &tests)
}
