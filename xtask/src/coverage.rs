//! Which lines the tests run: counters of the compiler, read by the tools of its own LLVM, for
//! those of another version (Debian's, say) do not know its format.
//!
//! Programs write their counts as they exit: what one runs that ends by a signal, as overflows do,
//! is not seen.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const TOOLS: Tool = Tool {
    name: "llvm-profdata and llvm-cov of the compiler (a component)",
    probe: &[
        "sh",
        "-c",
        "test -x \"$(rustc --print target-libdir)/../bin/llvm-cov\"",
    ],
    get: "rustup component add llvm-tools",
    may_lack: true,
};

/// What is counted: the product, not its tests.
const CRATES: [&str; 7] = [
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact-macros",
    "dtact",
    "dtact-header",
];

/// Runs the tests of these crates, or of all if there are none, then prints a table of files and
/// writes pages that show the lines.
///
/// # Errors
///
/// When a test fails, a tool is missing, or a file cannot be read or written.
pub(crate) fn run(shell: &Shell, crates: &[&str]) -> Result<(), Halt> {
    shell.need(&TOOLS)?;
    let crates = if crates.is_empty() { &CRATES } else { crates };
    let folder = shell.target().join("coverage");
    let counts = folder.join("counts");
    // What an earlier run counted was of other programs.
    match fs::remove_dir_all(&counts) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&counts, &error)),
        _ => fs::create_dir_all(&counts).map_err(|error| failed(&counts, &error))?,
    }
    let target = folder.to_string_lossy();
    // One file for each program, which those add to that are started again.
    let pattern = counts.join("%m.profraw");
    let pattern = pattern.to_string_lossy();
    let vars = [
        ("RUSTFLAGS", "-Cinstrument-coverage"),
        ("CARGO_TARGET_DIR", &*target),
        ("LLVM_PROFILE_FILE", &*pattern),
    ];
    let mut line = vec!["cargo", "test", "--no-fail-fast", "--tests"];
    line.extend(crates.iter().flat_map(|name| ["-p", name]));
    let mut programs = Vec::new();
    let is_success = shell.run_lines(&vars, &line, |text| {
        programs.extend(program(text));
        true
    })?;
    if !is_success {
        return Err(Halt::failed("tests failed: what they ran says little"));
    }
    let bin = tools(shell)?;
    let data = folder.join("all.profdata");
    let profdata = bin.join("llvm-profdata").to_string_lossy().into_owned();
    let data = data.to_string_lossy();
    let merge = ["merge", "-sparse", "-o", &*data, &*counts.to_string_lossy()];
    shell.run(&[&[profdata.as_str()][..], &merge].concat())?;
    let cov = bin.join("llvm-cov").to_string_lossy().into_owned();
    let profile = format!("-instr-profile={data}");
    let pages = folder.join("pages");
    let output = format!("-output-dir={}", pages.display());
    let mut common = vec![profile.as_str()];
    for (at, program) in programs.iter().enumerate() {
        common.extend(if at == 0 { None } else { Some("-object") });
        common.push(program);
    }
    // Tests, and what other people wrote.
    common.push(
        "-ignore-filename-regex=(/registry/|/rustc/|/rustlib/|/tests/|/examples/|tests\\.rs)",
    );
    let show = ["show", "-format=html", output.as_str()];
    shell.run(&[&[cov.as_str()][..], &show, &common].concat())?;
    shell.run(&[&[cov.as_str(), "report"][..], &common].concat())?;
    println!("lines: {}/index.html", pages.display());
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Halt {
    Halt::failed(format!("{}: {error}", path.display()))
}

/// The folder of the tools.
fn tools(shell: &Shell) -> Result<PathBuf, Halt> {
    let libraries = shell.read(&["rustc", "--print", "target-libdir"])?;
    Ok(Path::new(libraries.trim()).with_file_name("bin"))
}

/// The test program that a line of Cargo says it runs.
fn program(line: &str) -> Option<String> {
    let (_, path) = line.trim().strip_prefix("Running ")?.rsplit_once('(')?;
    path.strip_suffix(')').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_program_is_what_cargo_says_it_runs() {
        let line = "     Running unittests src/lib.rs (/t/debug/deps/a-01)";
        assert_eq!(program(line).as_deref(), Some("/t/debug/deps/a-01"));
        assert_eq!(program("running 2 tests"), None);
        assert_eq!(program("   Doc-tests a"), None);
    }
}
