//! Where tests run that are not of the target this machine builds for: each target, what it takes
//! to build for it and to run there, and what is tested.
//!
//! A target can be several places: one for each processor or page size that its emulator pretends.

use std::fmt::Write as _;

use super::tools;
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

/// All crates whose tests are asked for everywhere. `dtact-header` is none of them: it runs where
/// the compiler does, and what it writes is compiled for each target by the tests of `dtact-ffi`.
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

/// Everything in debug; in release the switch as users build it, and what it carries in parts.
const fn all(ffi: Run) -> [Run; 5] {
    [
        run(Profile::Debug, STACK),
        EXPANSIONS,
        ffi,
        run(Profile::Release, &[SWITCH]),
        slow(Profile::Parts, &[ARENA, MESH, BRIDGE, DTACT, FFI]),
    ]
}

/// What the macros write, compiled for the target. They themselves run where the compiler does.
const EXPANSIONS: Run = Run {
    args: &["--test", "accepted", "--test", "refused"],
    ..run(Profile::Debug, &[MACROS])
};

const NOT_OF_MACROS: (&str, &str) = (
    "dtact-macros: unit tests",
    "the macros run where the compiler runs, and so do these, by `cargo xtask test`",
);
const NO_CPP: (&str, &str) = (
    "dtact-ffi: c_abi",
    "programs are linked statically there, and there is no C++ library to link",
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
        tools: &tools::MUSL,
        linker: None,
        emulator: Emulator::None,
        vars: &[],
        runs: &[
            run(Profile::Debug, &[SWITCH, ARENA, MESH]),
            slow(Profile::Debug, &[BRIDGE, DTACT]),
            Run {
                in_ci: false,
                ..EXPANSIONS
            },
            Run {
                args: &["--lib"],
                ..slow(Profile::Debug, &[FFI])
            },
            slow(Profile::Release, &[SWITCH]),
            slow(Profile::Parts, &[ARENA, MESH, BRIDGE, DTACT]),
        ],
        left_out: &[NOT_OF_MACROS, NO_CPP],
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
            (MACROS, NOT_OF_CPU),
            (FFI, NOT_OF_CPU),
        ],
        ..AARCH64
    },
    Place {
        triple: "riscv64gc-unknown-linux-gnu",
        variant: "",
        how: "under qemu",
        tools: &tools::RISCV64,
        linker: Some((
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER",
            "riscv64-linux-gnu-gcc",
        )),
        emulator: Emulator::Processor(
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-riscv64 -L /usr/riscv64-linux-gnu",
        ),
        vars: &[
            ("CC", "riscv64-linux-gnu-gcc"),
            ("CXX", "riscv64-linux-gnu-g++"),
        ],
        runs: &all(slow(Profile::Debug, &[FFI])),
        left_out: &[NOT_OF_MACROS],
    },
    Place {
        triple: "x86_64-pc-windows-gnu",
        variant: "",
        how: "under Wine",
        tools: &tools::WINDOWS,
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
            (
                MACROS,
                "what it writes names the runtime, which does not compile there yet",
            ),
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
    tools: &tools::AARCH64,
    linker: Some((
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "aarch64-linux-gnu-gcc",
    )),
    emulator: Emulator::Processor(
        AARCH64_RUNNER,
        "qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu",
    ),
    vars: &[
        ("CC", "aarch64-linux-gnu-gcc"),
        ("CXX", "aarch64-linux-gnu-g++"),
    ],
    runs: &all(run(Profile::Debug, &[FFI])),
    left_out: &[NOT_OF_MACROS],
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
        (MACROS, NOT_OF_PAGES),
        (FFI, NOT_OF_PAGES),
    ],
    ..AARCH64
};

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

/// What each place leaves out, and why, as a table of `docs/porting.md`.
pub(crate) fn left_out() -> String {
    let mut rows: Vec<((&str, &str), Vec<String>)> = Vec::new();
    for place in &PLACES {
        for key in place.left_out {
            let name = format!("`{}`", place.name());
            match rows.iter_mut().find(|(other, _)| other == key) {
                Some((_, places)) => places.push(name),
                None => rows.push((*key, vec![name])),
            }
        }
    }
    rows.sort();
    let mut table = String::from("| crate, or what of it | left out on | why |\n");
    table += "| --- | --- | --- |\n";
    for ((what, why), places) in rows {
        let _ = writeln!(table, "| {what} | {} | {why} |", places.join(", "));
    }
    table
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
    fn what_several_places_leave_out_for_one_reason_is_one_line() {
        let table = left_out();
        let of_pages = table.lines().filter(|line| line.contains(NOT_OF_PAGES));
        for line in of_pages {
            assert!(line.contains("16-KiB") && line.contains("64-KiB"), "{line}");
        }
        assert!(table.contains(NO_CPP.1));
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
