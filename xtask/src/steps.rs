//! The table of steps: what `ci` runs, in this order, the cheap ones first.

use crate::outcome::Halt;
use crate::shell::Shell;
use crate::{
    alone, cabi, cpus, cross, deny, doc, fmt, foreign, lint, loom, miri, pages, sanitizer, shuttle,
    test, tidy,
};

/// One step of `ci`, and the command by which it runs alone.
#[derive(Debug)]
pub(crate) struct Step {
    /// The word after `cargo xtask`; several steps may share one.
    pub(crate) command: &'static str,
    /// What sets it apart from the other steps of the same command; may be empty.
    detail: &'static str,
    run: fn(&Shell, &str) -> Result<(), Halt>,
}

impl Step {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// When what it checks does not hold, or it could not check.
    pub(crate) fn run(&self, shell: &Shell) -> Result<(), Halt> {
        (self.run)(shell, self.detail)
    }

    /// What to call it.
    pub(crate) fn name(&self) -> String {
        [self.command, self.detail].join(" ").trim_end().to_owned()
    }
}

const fn step(command: &'static str, run: fn(&Shell, &str) -> Result<(), Halt>) -> Step {
    Step {
        command,
        detail: "",
        run,
    }
}

const fn on(target: &'static str) -> Step {
    Step {
        command: "cross",
        detail: target,
        run: cross::run,
    }
}

/// Every step, in the order of `ci`.
pub(crate) const ALL: &[Step] = &[
    step("tidy", |shell, _| tidy::run(shell)),
    step("fmt", |shell, _| fmt::check(shell)),
    step("lint", |shell, _| lint::run(shell)),
    step("alone", |shell, _| alone::run(shell)),
    step("test", |shell, _| test::run(shell)),
    step("doc", |shell, _| doc::run(shell)),
    step("loom", |shell, _| loom::run(shell)),
    step("shuttle", |shell, _| shuttle::run(shell)),
    step("cabi", |shell, _| cabi::run(shell)),
    step("deny", |shell, _| deny::run(shell)),
    step("miri", |shell, _| miri::run(shell)),
    step("asan", |shell, _| sanitizer::ADDRESS.some(shell)),
    on("x86_64-unknown-linux-musl"),
    on("aarch64-unknown-linux-gnu"),
    step("cpus", |shell, _| cpus::run(shell)),
    on("riscv64gc-unknown-linux-gnu"),
    on("x86_64-pc-windows-gnu"),
    step("foreign", |shell, _| foreign::run(shell)),
    Step {
        command: "pages",
        detail: "16384",
        run: pages::run,
    },
    Step {
        command: "pages",
        detail: "65536",
        run: pages::run,
    },
];

/// The steps of one command.
pub(crate) fn of(command: &str) -> impl Iterator<Item = &'static Step> {
    ALL.iter().filter(move |step| step.command == command)
}
