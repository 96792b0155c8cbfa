//! The table of steps: what `ci` runs, in this order, the cheap ones first.

use crate::outcome::Halt;
use crate::shell::Shell;
use crate::{
    alone, cabi, cross_test, deny, doc, fmt, lint, loom, miri, sanitizer, shuttle, test, tidy,
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
        command: "cross-test",
        detail: target,
        run: cross_test::one,
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
    step("shuttle", |shell, _| shuttle::all(shell)),
    step("cabi", |shell, _| cabi::run(shell)),
    step("deny", |shell, _| deny::run(shell)),
    step("miri", |shell, _| miri::run(shell)),
    step("asan", |shell, _| sanitizer::ADDRESS.some(shell)),
    on("x86_64-unknown-linux-musl"),
    on("aarch64-unknown-linux-gnu:max"),
    on("aarch64-unknown-linux-gnu:cortex-a57"),
    on("riscv64gc-unknown-linux-gnu"),
    on("x86_64-pc-windows-gnu"),
    Step {
        command: "cross-test",
        detail: "checked",
        run: |shell, _| cross_test::checked(shell),
    },
    on("aarch64-unknown-linux-gnu:16-KiB-pages"),
    on("aarch64-unknown-linux-gnu:64-KiB-pages"),
];

/// The steps of one command.
pub(crate) fn of(command: &str) -> impl Iterator<Item = &'static Step> {
    ALL.iter().filter(move |step| step.command == command)
}

/// The step of one command that has this detail.
pub(crate) fn one(command: &str, detail: &str) -> Option<&'static Step> {
    of(command).find(|step| step.detail == detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_runs_every_place_that_the_command_runs() {
        let steps: Vec<_> = of("cross-test").map(|step| step.detail).collect();
        for name in cross_test::names() {
            assert!(steps.contains(&name.as_str()), "{name} is no step");
        }
        assert!(steps.contains(&"checked"));
    }
}
