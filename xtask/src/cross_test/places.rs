//! Where tests run that are not of the target this machine builds for: each target, what it takes
//! to build for it and to run there, and what is tested.
//!
//! A target can be several places: one for each processor or page size that its emulator pretends.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};
use crate::wine;

/// One place: a target under one emulator.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) triple: &'static str,
    /// What sets it apart from the other places of the target; empty where it is the only one.
    pub(crate) variant: &'static str,
    /// How it is run, in words, for the table in the README.
    pub(crate) how: &'static str,
    tools: &'static [Tool],
    /// What `CARGO_TARGET_…_LINKER` is set to, and under which name; none where `cc` does.
    pub(crate) linker: Option<Var>,
    pub(crate) emulator: Emulator,
    /// Set beside.
    pub(crate) vars: &'static [Var],
    pub(crate) runs: &'static [Run],
    /// Every crate that no run has, and every part of one, and why.
    pub(crate) left_out: &'static [(&'static str, &'static str)],
}

/// A variable and its value.
pub(crate) type Var = (&'static str, &'static str);

/// What runs the programs of a target.
#[derive(Debug)]
pub(crate) enum Emulator {
    /// The machine.
    None,
    /// An emulator of the processor: what `CARGO_TARGET_…_RUNNER` is set to, and under which name.
    Processor(&'static str, &'static str),
    /// Wine, an emulator of the system: under which name it is set.
    Wine(&'static str),
}

/// One `cargo test`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) profile: Profile,
    pub(crate) crates: &'static [&'static str],
    /// What Cargo is told beside.
    pub(crate) args: &'static [&'static str],
    /// Whether `ci` has the time.
    pub(crate) in_ci: bool,
}

/// How the tests are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    /// As users build it, optimised across modules: assembly loses the target's features there, and
    /// must name its own.
    Release,
    /// Optimised in parts: each of many programs as a whole would take minutes.
    Parts,
}

/// All crates whose tests are asked for everywhere.
pub(crate) const CRATES: &[&str] = &[SWITCH, ARENA, MESH, BRIDGE, DTACT, MACROS, FFI];

const SWITCH: &str = "dtact-switch";
const ARENA: &str = "dtact-arena";
const MESH: &str = "dtact-mesh";
const BRIDGE: &str = "dtact-bridge";
const DTACT: &str = "dtact";
const MACROS: &str = "dtact-macros";
const FFI: &str = "dtact-ffi";

/// The crates whose behaviour depends on the architecture.
const STACK: &[&str] = &[SWITCH, ARENA, MESH, BRIDGE, DTACT];

const fn run(profile: Profile, crates: &'static [&'static str]) -> Run {
    Run {
        profile,
        crates,
        args: &[],
        in_ci: true,
    }
}

/// The same, by the command alone.
const fn slow(profile: Profile, crates: &'static [&'static str]) -> Run {
    Run {
        in_ci: false,
        ..run(profile, crates)
    }
}

/// The runtime with all that it stands on.
const WHOLE: &[Run] = &[
    run(Profile::Debug, STACK),
    run(Profile::Release, &[SWITCH]),
    slow(Profile::Parts, &[ARENA, MESH, BRIDGE, DTACT]),
];

const AT_BUILD: (&str, &str) = (
    MACROS,
    "they run where the compiler runs, not on the target",
);
const COMPILES_C: (&str, &str) = (
    FFI,
    "its tests start the C compiler of the machine they run on",
);
const NOT_OF_PAGES: &str = "nothing in it knows the size of a page";
const NOT_OF_CPU: &str = "nothing in it asks what the processor can do";
const NOT_UNDER_WINE: &[&str] = &["--", "--skip", "a_pinned_thread_runs_where_it_was_put"];
const NO_PORT: &str = "does not compile there yet";

/// Every place, in the order of `ci`.
pub(crate) static PLACES: [Place; 7] = [
    Place {
        triple: "x86_64-unknown-linux-musl",
        variant: "",
        how: "on the machine itself",
        tools: &MUSL_TOOLS,
        linker: None,
        emulator: Emulator::None,
        vars: &[],
        runs: &[
            run(Profile::Debug, &[SWITCH, ARENA, MESH]),
            slow(Profile::Debug, &[BRIDGE, DTACT]),
            slow(Profile::Release, &[SWITCH]),
            slow(Profile::Parts, &[ARENA, MESH, BRIDGE, DTACT]),
        ],
        left_out: &[AT_BUILD, COMPILES_C],
    },
    Place {
        variant: "max",
        how: "under qemu, all that it knows of the processor: BTI, PAC",
        ..AARCH64
    },
    Place {
        variant: "cortex-a57",
        how: "under qemu, an old processor: neither BTI nor PAC",
        emulator: Emulator::Processor(
            AARCH64_RUNNER,
            "qemu-aarch64 -cpu cortex-a57 -L /usr/aarch64-linux-gnu",
        ),
        runs: &[run(Profile::Debug, &[SWITCH])],
        left_out: &[
            (ARENA, NOT_OF_CPU),
            (MESH, NOT_OF_CPU),
            (BRIDGE, NOT_OF_CPU),
            (DTACT, NOT_OF_CPU),
            AT_BUILD,
            (FFI, NOT_OF_CPU),
        ],
        ..AARCH64
    },
    Place {
        triple: "riscv64gc-unknown-linux-gnu",
        variant: "",
        how: "under qemu",
        tools: &RISCV64_TOOLS,
        linker: Some((
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER",
            "riscv64-linux-gnu-gcc",
        )),
        emulator: Emulator::Processor(
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-riscv64 -L /usr/riscv64-linux-gnu",
        ),
        vars: &[],
        runs: WHOLE,
        left_out: &[AT_BUILD, COMPILES_C],
    },
    Place {
        triple: "x86_64-pc-windows-gnu",
        variant: "",
        how: "under Wine",
        tools: &WINDOWS_TOOLS,
        linker: Some(("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", wine::GCC)),
        emulator: Emulator::Wine("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER"),
        vars: &[],
        runs: &[
            Run {
                args: NOT_UNDER_WINE,
                ..run(Profile::Debug, &[SWITCH, ARENA, MESH])
            },
            run(Profile::Release, &[SWITCH]),
            Run {
                args: NOT_UNDER_WINE,
                ..slow(Profile::Parts, &[ARENA, MESH])
            },
        ],
        left_out: &[
            (
                "dtact-mesh: a_pinned_thread_runs_where_it_was_put",
                "Wine lists processors that are not online, and refuses a thread there",
            ),
            (BRIDGE, NO_PORT),
            (DTACT, NO_PORT),
            AT_BUILD,
            (FFI, NO_PORT),
        ],
    },
    Place {
        variant: "16-KiB-pages",
        how: "under qemu, pages of 16 KiB",
        emulator: Emulator::Processor(
            AARCH64_RUNNER,
            "qemu-aarch64 -p 16384 -L /usr/aarch64-linux-gnu",
        ),
        ..LARGE_PAGES
    },
    Place {
        variant: "64-KiB-pages",
        how: "under qemu, pages of 64 KiB",
        emulator: Emulator::Processor(
            AARCH64_RUNNER,
            "qemu-aarch64 -p 65536 -L /usr/aarch64-linux-gnu",
        ),
        ..LARGE_PAGES
    },
];

const AARCH64_RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";

const AARCH64: Place = Place {
    triple: "aarch64-unknown-linux-gnu",
    variant: "",
    how: "",
    tools: &AARCH64_TOOLS,
    linker: Some((
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "aarch64-linux-gnu-gcc",
    )),
    emulator: Emulator::Processor(
        AARCH64_RUNNER,
        "qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu",
    ),
    vars: &[],
    runs: WHOLE,
    left_out: &[AT_BUILD, COMPILES_C],
};

/// AArch64 has pages of 4, 16 and 64 KiB, and the emulator pretends each.
const LARGE_PAGES: Place = Place {
    // The standard library maps files to name frames, at offsets that are no such pages.
    vars: &[("RUST_BACKTRACE", "0")],
    runs: &[Run {
        profile: Profile::Debug,
        crates: &[ARENA],
        // What `/proc` says is of this machine's own pages.
        args: &[
            "--lib",
            "--test",
            "cells",
            "--test",
            "corosensei",
            "--test",
            "guard",
            "--test",
            "locked",
            "--test",
            "model",
            "--test",
            "overflow",
            "--test",
            "stacks",
            "--",
            "--skip",
            "both_ways_of_asking",
        ],
        in_ci: true,
    }],
    left_out: &[
        (
            "dtact-arena: giving_back, many, placement, residency, both_ways_of_asking",
            "they read what the system says of pages, and that is of the machine's own",
        ),
        (
            "dtact-arena: levels, switch",
            "their large frames are small beside stacks of such pages",
        ),
        (
            "dtact-arena: documentation examples",
            "their stacks are of usual pages",
        ),
        (SWITCH, NOT_OF_PAGES),
        (MESH, NOT_OF_PAGES),
        (BRIDGE, NOT_OF_PAGES),
        (DTACT, "its tests count on stacks of a few usual pages"),
        AT_BUILD,
        (FFI, NOT_OF_PAGES),
    ],
    ..AARCH64
};

const MUSL_TOOLS: [Tool; 1] = [library(
    "the standard library for x86_64-unknown-linux-musl",
    &library_is_here("x86_64-unknown-linux-musl"),
    "rustup target add x86_64-unknown-linux-musl",
)];

const WINDOWS_TOOLS: [Tool; 3] = [
    library(
        "the standard library for x86_64-pc-windows-gnu",
        &library_is_here("x86_64-pc-windows-gnu"),
        "rustup target add x86_64-pc-windows-gnu",
    ),
    wine::MINGW,
    wine::WINE,
];

const AARCH64_TOOLS: [Tool; 3] = [
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
];

const RISCV64_TOOLS: [Tool; 3] = [
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

impl Place {
    /// What to call it: the target, and what sets this place apart.
    pub(crate) fn name(&self) -> String {
        if self.variant.is_empty() {
            self.triple.to_owned()
        } else {
            format!("{}:{}", self.triple, self.variant)
        }
    }

    /// Whether somebody who says so means it: by its name, or by its target.
    pub(crate) fn is_meant(&self, word: &str) -> bool {
        word == self.triple || word == self.name()
    }

    /// Makes sure of its tools.
    ///
    /// # Errors
    ///
    /// When one is missing in the end.
    pub(crate) fn ready(&self, shell: &Shell) -> Result<(), Halt> {
        self.tools.iter().try_for_each(|tool| shell.need(tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_is_tested_at_every_place_or_left_out_for_a_reason() {
        for place in &PLACES {
            for name in CRATES {
                let runs = place.runs.iter().filter(|run| run.crates.contains(name));
                let is_left_out = place.left_out.iter().any(|(other, _)| other == name);
                let is_run = runs.count() > 0;
                assert!(is_run != is_left_out, "{name} on {}", place.name());
            }
        }
    }

    #[test]
    fn names_are_unique_and_mean_their_place() {
        for place in &PLACES {
            let same = PLACES.iter().filter(|other| other.is_meant(&place.name()));
            let is_alone = PLACES
                .iter()
                .filter(|other| other.triple == place.triple)
                .count()
                == 1;
            assert!(
                is_alone != (place.name() != place.triple),
                "{}",
                place.name()
            );
            assert_eq!(same.count(), 1, "{}", place.name());
        }
    }
}
