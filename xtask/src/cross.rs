//! The crates on other targets than the one this machine builds for, under an emulator where the
//! machine cannot run them itself.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

/// A target, what it takes to build for it and to run there, and what is tested.
struct Target {
    triple: &'static str,
    tools: &'static [Tool],
    /// What `CARGO_TARGET_…_LINKER` is set to, and under which name; none where `cc` does.
    linker: Option<(&'static str, &'static str)>,
    /// What `CARGO_TARGET_…_RUNNER` is set to, and under which name; none where the machine does.
    emulator: Option<(&'static str, &'static str)>,
    /// The crates whose tests run in debug.
    debug: &'static [&'static str],
    /// The crates whose tests run again in release.
    release: &'static [&'static str],
}

/// The crates whose behaviour depends on the architecture.
const STACK: &[&str] = &[
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

static TARGETS: [Target; 3] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        tools: &[library(
            "the standard library for x86_64-unknown-linux-musl",
            &library_is_here("x86_64-unknown-linux-musl"),
            "rustup target add x86_64-unknown-linux-musl",
        )],
        linker: None,
        emulator: None,
        debug: &["dtact-switch", "dtact-arena", "dtact-mesh"],
        release: &[],
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
        emulator: Some((
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        )),
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
        emulator: Some((
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-riscv64 -L /usr/riscv64-linux-gnu",
        )),
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

/// Builds the crates for the target of that name, and runs their tests.
pub(crate) fn run(shell: &Shell, triple: &str) -> Result<(), Halt> {
    let target = ready(shell, triple)?;
    let vars = target.vars(target.emulator.map(|(_, emulator)| emulator));
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

/// Runs the tests of one crate for the target of that name, under an emulator of the caller's.
pub(crate) fn test_under(
    shell: &Shell,
    triple: &str,
    emulator: &str,
    name: &str,
) -> Result<(), Halt> {
    let target = ready(shell, triple)?;
    let line = ["cargo", "test", "--no-fail-fast", "--target", triple];
    shell.run_with(
        &target.vars(Some(emulator)),
        &[&line[..], &["-p", name]].concat(),
    )
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

impl Target {
    /// The environment in which its tests are built, and run by `emulator`, if any.
    fn vars<'a>(&self, emulator: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let mut vars: Vec<(&'static str, &'a str)> = self.linker.into_iter().collect();
        if let (Some((name, _)), Some(emulator)) = (self.emulator, emulator) {
            vars.push((name, emulator));
            // For tests that start themselves again, and for those that would take minutes.
            vars.push(("DTACT_RUNNER", emulator));
            vars.push(("DTACT_EMULATED", "1"));
        }
        vars
    }
}
