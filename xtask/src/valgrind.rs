//! The tests of the switch and the programs of C and C++ under Valgrind, which is told of stacks,
//! and a bug that it must find.

use crate::cabi;
use crate::outcome::Halt;
use crate::planted::{self, Bug};
use crate::shell::{Shell, Tool};

const VALGRIND: Tool = Tool {
    name: "Valgrind",
    probe: &["valgrind", "--version"],
    get: "apt-get update && apt-get install -y --no-install-recommends valgrind libc6-dbg",
    may_lack: false,
};

const BUGS: [Bug; 1] = [Bug {
    name: "below-a-block",
    report: "Invalid read of size 1",
}];

/// Runs the tests, which must be silent, and the planted bug, which must be reported.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    both(shell, true)
}

/// The planted bug alone.
pub(crate) fn planted(shell: &Shell) -> Result<(), Halt> {
    both(shell, false)
}

fn both(shell: &Shell, with_tests: bool) -> Result<(), Halt> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err(Halt::Unsupported(String::from(
            "requests to Valgrind are written for x86-64 Linux alone",
        )));
    }
    shell.need(&VALGRIND)?;
    // A folder of its own: other flags would rebuild everything in the shared one, twice a run.
    let target = shell.target().join("valgrind");
    let target = target.to_string_lossy();
    let vars = [
        // By the C library: Valgrind does not show a program what the kernel puts into it, which
        // rustix otherwise reads.
        ("RUSTFLAGS", "--cfg dtact_valgrind --cfg rustix_use_libc"),
        ("CARGO_TARGET_DIR", &*target),
        (
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            "valgrind --quiet --error-exitcode=9",
        ),
        // Where a panic is meant, a trace takes seconds.
        ("RUST_BACKTRACE", "0"),
    ];
    let package = ["-p", "dtact-switch", "--example", "planted_bugs", "--"];
    let command = [&["cargo", "run"][..], &package].concat();
    planted::check(shell, &vars, &command, &BUGS)?;
    if !with_tests {
        return Ok(());
    }
    let tests = ["cargo", "test", "--no-fail-fast", "--tests"];
    shell.run_with(&vars, &[&tests[..], &["-p", "dtact-switch"]].concat())?;
    // Of these the tests are no programs to look at, but what they compile.
    let vars = [
        vars[0],
        vars[1],
        // One thread at a time runs there: a fair choice of the next, or those that wait starve.
        // A program that aborts leaves all the memory that it reserved: nobody searches that.
        (
            "DTACT_RUNNER",
            "valgrind --quiet --error-exitcode=9 --fair-sched=yes --leak-check=no",
        ),
    ];
    cabi::under(shell, &vars, (&["cargo"], &[]))
}
