//! The fuzz targets, in a package of their own: `fuzz/src/bin`, one file each.

use std::fs;

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const TARGET: &str = "x86_64-unknown-linux-gnu";

const NIGHTLY: Tool = Tool {
    name: "a nightly compiler, which has AddressSanitizer",
    probe: &["cargo", "+nightly", "--version"],
    get: "rustup toolchain install nightly --profile minimal",
    may_lack: true,
};

/// It builds the fuzzer itself.
const COMPILER: Tool = Tool {
    name: "a C++ compiler",
    probe: &["c++", "--version"],
    get: "apt-get update && apt-get install -y g++",
    may_lack: true,
};

/// How the fuzzer sees which code an input reaches, and AddressSanitizer the memory, stacks of
/// fibers included: see `sanitizer.rs`.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Ccodegen-units=1 -Zsanitizer=address --cfg fuzzing --cfg dtact_asan --cfg rustix_use_libc";

/// Each input is over in milliseconds; and they are long from the start: lists of steps.
const LIMITS: [&str; 3] = ["-timeout=20", "-max_len=256", "-len_control=0"];

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [TARGET]";

/// Runs one target, or each in turn, for so many seconds. What they learn stays in the folder for
/// build outputs, and so does an input that fails.
///
/// # Errors
///
/// When a target does not build, or finds something.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err(Halt::Unsupported(format!("set up for {TARGET} alone")));
    }
    let (seconds, only) = match args {
        ["--seconds", seconds, rest @ ..] => (*seconds, rest),
        rest => ("60", rest),
    };
    let only = match only {
        [] => None,
        [only] => Some(*only),
        _ => return Err(Halt::failed(USAGE)),
    };
    if seconds.parse::<u32>().is_err() {
        return Err(Halt::failed(format!("`{seconds}` is no number; {USAGE}")));
    }
    let names = names(shell)?;
    if let Some(only) = only
        && !names.iter().any(|name| name == only)
    {
        let names = names.join(", ");
        return Err(Halt::failed(format!("`{only}` is no target: {names}")));
    }
    shell.need(&NIGHTLY)?;
    shell.need(&COMPILER)?;
    let folder = shell.target().join("fuzz");
    for name in names
        .iter()
        .filter(|name| only.is_none_or(|only| only == *name))
    {
        let text = folder.to_string_lossy();
        let build = [
            "cargo",
            "+nightly",
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            TARGET,
            "--bin",
            name,
        ];
        let vars = [("RUSTFLAGS", RUSTFLAGS), ("CARGO_TARGET_DIR", &*text)];
        shell.run_with(&vars, &build)?;
        let corpus = folder.join("corpus").join(name);
        fs::create_dir_all(&corpus)
            .map_err(|error| Halt::failed(format!("{}: {error}", corpus.display())))?;
        let line = [
            format!("{text}/{TARGET}/release/{name}"),
            corpus.to_string_lossy().into_owned(),
            format!("-max_total_time={seconds}"),
            format!("-artifact_prefix={text}/{name}-"),
        ];
        let line: Vec<_> = line.iter().map(String::as_str).chain(LIMITS).collect();
        // Fibers are left suspended on their stacks at the end, which looks like leaks.
        shell.run_with(&[("ASAN_OPTIONS", "detect_leaks=0")], &line)?;
    }
    Ok(())
}

/// The names of the targets.
fn names(shell: &Shell) -> Result<Vec<String>, Halt> {
    let folder = shell.root().join("fuzz/src/bin");
    let failed = |error| Halt::failed(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|it| it == "rs"));
        names.extend(name.map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
