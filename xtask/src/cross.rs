//! The crates on other targets than the one this machine builds for, under an emulator where the
//! machine cannot run them itself.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};
use crate::wine::{self, Wine};

/// A target, what it takes to build for it and to run there, and what is tested.
struct Target {
    triple: &'static str,
    tools: &'static [Tool],
    /// What `CARGO_TARGET_…_LINKER` is set to, and under which name; none where `cc` does.
    linker: Option<(&'static str, &'static str)>,
    /// What runs its programs.
    emulator: Emulator,
    /// The crates whose tests run in debug.
    debug: &'static [&'static str],
    /// The crates whose tests run again in release.
    release: &'static [&'static str],
}

/// What runs the programs of a target.
enum Emulator {
    /// The machine.
    None,
    /// An emulator of the processor: what `CARGO_TARGET_…_RUNNER` is set to, and under which name.
    Processor(&'static str, &'static str),
    /// Wine, an emulator of the system: under which name it is set.
    Wine(&'static str),
}

/// The crates whose behaviour depends on the architecture.
const STACK: &[&str] = &[
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

static TARGETS: [Target; 4] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        tools: &[library(
            "the standard library for x86_64-unknown-linux-musl",
            &library_is_here("x86_64-unknown-linux-musl"),
            "rustup target add x86_64-unknown-linux-musl",
        )],
        linker: None,
        emulator: Emulator::None,
        debug: &["dtact-switch", "dtact-arena", "dtact-mesh"],
        release: &[],
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        tools: &[
            library(
                "the standard library for x86_64-pc-windows-gnu",
                &library_is_here("x86_64-pc-windows-gnu"),
                "rustup target add x86_64-pc-windows-gnu",
            ),
            wine::MINGW,
            wine::WINE,
        ],
        linker: Some(("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", wine::GCC)),
        emulator: Emulator::Wine("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER"),
        debug: &["dtact-switch", "dtact-arena"],
        release: &["dtact-switch"],
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        tools: &[
            library(
                "the standard library for aarch64-unknown-linux-gnu",
                &library_is_here("aarch64-unknown-linux-gnu"),
                "rustup target add aarch64-unknown-linux-gnu",
            ),
            Tool {
                name: "a C compiler and library for AArch64",
                probe: &[
                    "sh",
                    "-c",
                    "aarch64-linux-gnu-gcc --version && test -e /usr/aarch64-linux-gnu/lib/crt1.o",
                ],
                get: "apt-get update && apt-get install -y --no-install-recommends \
                      gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
                may_lack: false,
            },
            emulator("an emulator of AArch64", &["qemu-aarch64", "--version"]),
        ],
        linker: Some((
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )),
        emulator: Emulator::Processor(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        ),
        debug: STACK,
        release: &["dtact-switch"],
    },
    Target {
        triple: "riscv64gc-unknown-linux-gnu",
        tools: &[
            library(
                "the standard library for riscv64gc-unknown-linux-gnu",
                &library_is_here("riscv64gc-unknown-linux-gnu"),
                "rustup target add riscv64gc-unknown-linux-gnu",
            ),
            Tool {
                name: "a C compiler and library for RISC-V 64",
                probe: &[
                    "sh",
                    "-c",
                    "riscv64-linux-gnu-gcc --version && test -e /usr/riscv64-linux-gnu/lib/crt1.o",
                ],
                get: "apt-get update && apt-get install -y --no-install-recommends \
                      gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
                may_lack: false,
            },
            emulator("an emulator of RISC-V 64", &["qemu-riscv64", "--version"]),
        ],
        linker: Some((
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER",
            "riscv64-linux-gnu-gcc",
        )),
        emulator: Emulator::Processor(
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-riscv64 -L /usr/riscv64-linux-gnu",
        ),
        debug: STACK,
        // Optimised across modules, assembly loses the target's features, and must name its own.
        release: &["dtact-switch"],
    },
];

/// The probe for a target's standard library: rustc names the folder whether or not it is there.
const fn library_is_here(triple: &'static str) -> [&'static str; 4] {
    [
        "sh",
        "-c",
        "test -e \"$(rustc --print target-libdir --target $0)\"",
        triple,
    ]
}

const fn library(name: &'static str, probe: &'static [&'static str], get: &'static str) -> Tool {
    Tool {
        name,
        probe,
        get,
        may_lack: false,
    }
}

const fn emulator(name: &'static str, probe: &'static [&'static str]) -> Tool {
    Tool {
        name,
        probe,
        get: "apt-get update && apt-get install -y --no-install-recommends qemu-user",
        may_lack: false,
    }
}

/// A variable and its value.
type Var = (&'static str, &'static str);

/// What to set for a target that an emulator runs, when all tools are there: linker and emulator.
pub(crate) fn emulated(shell: &Shell, triple: &str) -> Result<(Var, Var), Halt> {
    let target = ready(shell, triple)?;
    let (Some(linker), Emulator::Processor(name, emulator)) = (target.linker, &target.emulator)
    else {
        return Err(Halt::Unsupported(format!("nothing emulates {triple}")));
    };
    Ok((linker, (name, emulator)))
}

/// The target of that name, with its tools at hand.
fn ready(shell: &Shell, triple: &str) -> Result<&'static Target, Halt> {
    let Some(target) = TARGETS.iter().find(|target| target.triple == triple) else {
        return Err(Halt::Unsupported(format!("nothing is set up for {triple}")));
    };
    for tool in target.tools {
        shell.need(tool)?;
    }
    Ok(target)
}

/// Builds the crates for the target of that name, and runs their tests.
pub(crate) fn run(shell: &Shell, triple: &str) -> Result<(), Halt> {
    let target = ready(shell, triple)?;
    match target.emulator {
        Emulator::None => test(shell, target, &[]),
        Emulator::Processor(name, emulator) => test(shell, target, &under(name, emulator)),
        Emulator::Wine(name) => {
            let wine = Wine::set_up(shell)?;
            let runner = wine.runner();
            let own = wine.vars();
            let mut vars = vec![(name, runner.as_str())];
            vars.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
            let tested = test(shell, target, &vars);
            // Whatever the tests said.
            let stopped = wine.stop(shell);
            tested.and(stopped)
        }
    }
}

/// Runs the tests of one crate for the target of that name, under an emulator of the caller's.
pub(crate) fn test_under(
    shell: &Shell,
    triple: &str,
    emulator: &str,
    name: &str,
) -> Result<(), Halt> {
    let (linker, (variable, _)) = emulated(shell, triple)?;
    let mut vars = under(variable, emulator).to_vec();
    vars.push(linker);
    shell.run_with(
        &vars,
        &[
            "cargo",
            "test",
            "--no-fail-fast",
            "--target",
            triple,
            "-p",
            name,
        ],
    )
}

/// What to set for programs that an emulator runs: for cargo, for tests that start themselves
/// again, and for those that would take minutes.
const fn under<'a>(name: &'static str, emulator: &'a str) -> [(&'static str, &'a str); 3] {
    [
        (name, emulator),
        ("DTACT_RUNNER", emulator),
        ("DTACT_EMULATED", "1"),
    ]
}

/// Runs the tests in debug and in release.
fn test(shell: &Shell, target: &Target, vars: &[(&str, &str)]) -> Result<(), Halt> {
    let mut vars = vars.to_vec();
    vars.extend(target.linker);
    let test = |profile: &[&'static str], crates: &[&'static str]| {
        let mut line = vec!["cargo", "test", "--no-fail-fast", "--target", target.triple];
        line.extend(profile);
        line.extend(crates.iter().flat_map(|name| ["-p", name]));
        shell.run_with(&vars, &line)
    };
    let debug = test(&[], target.debug);
    if target.release.is_empty() {
        return debug;
    }
    let release = test(&["--release"], target.release);
    debug.and(release)
}
