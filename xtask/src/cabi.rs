//! The C ABI as C and C++ see it: the tests of `dtact-ffi` compile and run programs in both.

use std::io::ErrorKind;
use std::path::Path;

use crate::install_ffi;
use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const COMPILERS: [Tool; 3] = [
    Tool {
        name: "a C compiler",
        probe: &["cc", "--version"],
        get: "apt-get update && apt-get install -y gcc libc6-dev",
        may_lack: false,
    },
    Tool {
        name: "a C++ compiler",
        probe: &["c++", "--version"],
        get: "apt-get update && apt-get install -y g++",
        may_lack: false,
    },
    // The header for C++ has to please both.
    Tool {
        name: "Clang",
        probe: &["clang++", "--version"],
        get: "apt-get update && apt-get install -y clang",
        may_lack: false,
    },
];

const FINDERS: [Tool; 2] = [
    Tool {
        name: "pkg-config",
        probe: &["pkg-config", "--version"],
        get: "apt-get update && apt-get install -y --no-install-recommends pkg-config",
        may_lack: false,
    },
    Tool {
        name: "CMake",
        probe: &["sh", "-c", "cmake --version && make --version"],
        get: "apt-get update && apt-get install -y --no-install-recommends cmake make",
        may_lack: false,
    },
];

/// A compiler, its standard, a program, and which form of the library pkg-config is asked for.
const BY_PKG_CONFIG: [(&str, &str, &str, &str); 5] = [
    ("cc", "c11", "c/hello.c", "--libs"),
    ("cc", "c11", "c/hello.c", "--variable=archive"),
    ("c++", "c++17", "cpp/lambda.cpp", "--libs"),
    ("c++", "c++17", "cpp/lambda.cpp", "--variable=archive"),
    ("c++", "c++20", "cpp/scope.cpp", "--libs"),
];

/// Makes sure of the compilers, then builds and runs the programs: against what Cargo built, and
/// against an installation that is found by pkg-config and by CMake.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    for compiler in &COMPILERS {
        shell.need(compiler)?;
    }
    shell.run(&["cargo", "test", "-p", "dtact-ffi"])?;
    for finder in &FINDERS {
        shell.need(finder)?;
    }
    let folder = shell.target().join("install-ffi");
    // What an earlier run installed would hide what this one does not.
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Halt::failed(format!("{}: {error}", folder.display())));
        }
        _ => {}
    }
    let prefix = folder.join("prefix");
    install_ffi::run(shell, &["--prefix", &prefix.to_string_lossy()])?;
    by_pkg_config(shell, &prefix)?;
    by_cmake(shell, &prefix, &folder.join("cmake"))
}

/// The programs under a tool that the library is built for: `vars` and `cargo` say how, the latter
/// by what comes before the verb, and after it.
///
/// # Errors
///
/// When a compiler is missing, or the tool reports something.
pub(crate) fn under(
    shell: &Shell,
    vars: &[(&str, &str)],
    (before, after): (&[&str], &[&str]),
) -> Result<(), Halt> {
    for compiler in &COMPILERS[..2] {
        shell.need(compiler)?;
    }
    // By one compiler: the newest debug information is not known to every tool.
    let mut vars = vars.to_vec();
    vars.extend([("CC", "gcc"), ("CXX", "g++"), ("DTACT_EMULATED", "1")]);
    let cargo = |verb| [before, &[verb, "-p", "dtact-ffi"], after].concat();
    // As libraries: among tests they would be programs.
    let mut examples = cargo("build");
    examples.push("--examples");
    shell.run_with(&vars, &examples)?;
    let mut tests = cargo("test");
    tests.extend(["--no-fail-fast", "--lib", "--test", "c_abi"]);
    // They bring a tool of their own.
    tests.extend(["--", "--skip", "the_sanitizers_of_the_compiler"]);
    shell.run_with(&vars, &tests)
}

fn by_pkg_config(shell: &Shell, prefix: &Path) -> Result<(), Halt> {
    let lib = prefix.join("lib");
    let path = lib.join("pkgconfig");
    let program = prefix.with_file_name("program");
    for (compiler, standard, source, form) in BY_PKG_CONFIG {
        let line = format!(
            "{compiler} -std={standard} -Wall -Wextra -Wpedantic -Werror \
             crates/dtact-ffi/tests/{source} $(pkg-config --cflags dtact) \
             $(pkg-config {form} dtact) -o {0} && {0}",
            program.display()
        );
        let vars = [
            ("PKG_CONFIG_PATH", &*path.to_string_lossy()),
            ("LD_LIBRARY_PATH", &*lib.to_string_lossy()),
        ];
        shell.run_with(&vars, &["sh", "-c", &line])?;
    }
    Ok(())
}

fn by_cmake(shell: &Shell, prefix: &Path, build: &Path) -> Result<(), Halt> {
    let build = &*build.to_string_lossy();
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    let source = "crates/dtact-ffi/tests/cmake";
    shell.run(&["cmake", "-S", source, "-B", build, &prefix])?;
    shell.run(&["cmake", "--build", build])?;
    shell.run(&["ctest", "--test-dir", build, "--output-on-failure"])
}
