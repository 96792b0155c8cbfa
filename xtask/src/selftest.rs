//! Each checker against a mistake that is planted for it: one that finds nothing in the project has
//! to show that it would.
//!
//! | what is planted | where | who has to find it |
//! | --- | --- | --- |
//! | a package full of mistakes, made in the target folder | `selftest/package.rs` | `fmt`, `lint`, `doc`, `deny`, `test`, `miri`, `careful`, `cross-test` |
//! | a repository that breaks each rule of the house | `selftest/package.rs` | `tidy` |
//! | an example with bugs in coroutines | `crates/dtact-switch/examples/planted_bugs.rs` | `asan`, `tsan`, `valgrind` |
//! | a step left out of a protocol, in the crate itself | the tests that are named below | `loom`, `shuttle`, `stress` |

mod package;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::outcome::Halt;
use crate::shell::Shell;
use crate::{careful, cross_test, loom, miri, sanitizer, shuttle, tidy, valgrind};

/// One checker, and what is planted for it.
struct Trial {
    checker: &'static str,
    planted: &'static str,
    run: fn(&Shell) -> Result<(), Halt>,
}

/// The models with a mistake, in switch, arena, mesh and bridge.
const MODELS: [&str; 12] = [
    "a_store_before_the_save_publishes_a_frame_that_is_not_complete",
    "a_store_that_orders_nothing_publishes_a_frame_that_is_not_seen",
    "without_the_version_a_reader_sees_a_mixture",
    "two_bits_of_tag_do_not_outlast_four_pushes",
    "one_bit_of_tag_does_not_outlast_two_pushes",
    "without_the_fences_a_worker_sleeps_beside_work",
    "without_the_second_look_a_worker_sleeps_beside_work",
    "without_the_barriers_they_are",
    "without_the_mark_a_worker_sleeps_beside_work",
    "if_thieves_cleared_bits_a_worker_would_sleep_beside_work",
    "without_a_look_after_the_clear_mail_is_not_told",
    "whoever_does_not_ask_again_puts_a_name_together",
];

/// The schedules with a mistake.
const SCHEDULES: [&str; 2] = [
    "without_the_second_look_a_wake_up_is_lost_and_random_schedules_find_it",
    "without_the_second_look_a_wake_up_is_lost_and_schedules_by_priority_find_it",
];

const TRIALS: &[Trial] = &[
    trial("tidy", "a breach of each rule", tidy),
    trial("fmt", "code laid out badly", |shell| {
        found(shell, &[], &["cargo", "fmt", "--check"], "badly_laid_out")
    }),
    trial("lint", "a return that is not needed", |shell| {
        let line = ["cargo", "clippy", "--", "-D", "warnings"];
        found(shell, &[], &line, "clippy::needless-return")
    }),
    trial("doc", "a link to nothing", |shell| {
        let vars = [("RUSTDOCFLAGS", "-D warnings")];
        found(shell, &vars, &["cargo", "doc"], "nothing_is_called_so")
    }),
    trial("test", "a test that fails, and one that dies", |shell| {
        found(shell, &[], &["cargo", "test", "fails"], "tests::fails")?;
        let dies = ["cargo", "test", "--test", "dies"];
        found(shell, &[], &dies, "SIGABRT")
    }),
    trial("deny", "a licence that is not allowed", |shell| {
        let line = [
            "cargo",
            "deny",
            "--offline",
            "--all-features",
            "check",
            "licenses",
        ];
        found(shell, &[], &line, "rejected")
    }),
    trial(
        "cross-test",
        "tests that fail, die, and skip, under an emulator",
        |shell| cross_test::planted(&planted(shell)?, package::NAME),
    ),
    trial("miri", "a read beyond an array", |shell| {
        let target = shell.target().join("miri");
        let vars = [
            ("MIRIFLAGS", miri::FLAGS),
            ("CARGO_TARGET_DIR", &*target.to_string_lossy()),
        ];
        miri::ready(shell)?;
        let line = ["cargo", "+nightly", "miri", "test", "beyond"];
        found(shell, &vars, &line, "Undefined Behavior")
    }),
    trial("careful", "references that are null", |shell| {
        let line = [&careful::line(shell)?[..], &["--lib", "of_nothing"]].concat();
        let folder = careful::folder(shell);
        found(shell, &careful::vars(&folder), &line, "zero-initialize")?;
        // The usual library lets it pass.
        planted(shell)?.run(&["cargo", "test", "--lib", "of_nothing"])
    }),
    trial("loom", "steps left out of protocols", |shell| {
        loom::planted(shell, &MODELS)
    }),
    trial("shuttle", "the second look left out", |shell| {
        shuttle::planted(shell, &SCHEDULES)
    }),
    trial("stress", "the second look left out", |shell| {
        let lost = "without_the_second_look_one_is_lost_and_found";
        // It passes where the stress finds it; where none is run, nothing was tried.
        let mut has_run = false;
        let line = ["cargo", "test", "-p", "dtact-mesh", "--lib", lost];
        let is_success = shell.run_lines(&[], &line, |text| {
            has_run |= text.ends_with(&format!("{lost} ... ok"));
            true
        })?;
        if is_success && has_run {
            Ok(())
        } else {
            Err(Halt::failed("the stress finds nothing, or is not there"))
        }
    }),
    trial("asan", "use after return and free, overflow", |shell| {
        sanitizer::ADDRESS.planted(shell)
    }),
    trial("tsan", "a race of two coroutines", |shell| {
        sanitizer::THREAD.planted(shell)
    }),
    trial("valgrind", "a read below a block", valgrind::planted),
];

const fn trial(
    checker: &'static str,
    planted: &'static str,
    run: fn(&Shell) -> Result<(), Halt>,
) -> Trial {
    Trial {
        checker,
        planted,
        run,
    }
}

/// Tries these checkers, or all if there are none, then prints a table.
///
/// # Errors
///
/// When one does not find what is planted, or there is none of that name.
pub(crate) fn run(shell: &Shell, names: &[&str]) -> Result<(), Halt> {
    if let Some(name) = names
        .iter()
        .find(|name| !TRIALS.iter().any(|trial| trial.checker == **name))
    {
        let known: Vec<_> = TRIALS.iter().map(|trial| trial.checker).collect();
        return Err(Halt::failed(format!(
            "no checker `{name}`: there are {}",
            known.join(", ")
        )));
    }
    let mut lines = Vec::new();
    let mut results = Vec::new();
    for trial in TRIALS
        .iter()
        .filter(|trial| names.is_empty() || names.contains(&trial.checker))
    {
        println!("\n== {}: {}", trial.checker, trial.planted);
        let start = Instant::now();
        let result = (trial.run)(shell);
        let note = match &result {
            Ok(()) => String::from("found"),
            Err(Halt::Failed(_)) => String::from("NOT FOUND"),
            Err(halt) => halt.to_string(),
        };
        if let Err(halt) = &result {
            println!("{halt}");
        }
        let seconds = start.elapsed().as_secs_f64();
        lines.push(format!(
            "{:<12}{:<54}{seconds:>7.1}  {note}",
            trial.checker, trial.planted
        ));
        results.push((trial.checker, result));
    }
    println!("\n{:<12}{:<54}seconds  result", "checker", "planted");
    println!("{}", lines.join("\n"));
    verdict(results)
}

/// A checker that is blind is a failure, and counts before one that is missing.
fn verdict(results: Vec<(&str, Result<(), Halt>)>) -> Result<(), Halt> {
    let mut blind = Vec::new();
    let mut missing = Ok(());
    for (checker, result) in results {
        match result {
            Ok(()) => {}
            Err(Halt::Failed(_)) => blind.push(checker),
            Err(halt) => missing = Err(halt),
        }
    }
    if blind.is_empty() {
        missing
    } else {
        Err(Halt::failed(format!(
            "what was planted is not found by {}",
            blind.join(", ")
        )))
    }
}

/// A shell in the package with the mistakes.
fn planted(shell: &Shell) -> Result<Shell, Halt> {
    Ok(shell.at(package::write(shell)?))
}

/// Runs a checker on the package, which has to fail, and to say why.
fn found(shell: &Shell, vars: &[(&str, &str)], line: &[&str], report: &str) -> Result<(), Halt> {
    let shell = planted(shell)?;
    let mut has_said = false;
    let is_success = shell.run_lines(vars, line, |text| {
        has_said |= text.contains(report);
        true
    })?;
    if is_success || !has_said {
        return Err(Halt::failed(format!("nobody said \"{report}\"")));
    }
    println!("found, as it must be: {report}");
    Ok(())
}

fn tidy(shell: &Shell) -> Result<(), Halt> {
    let root = package::write_untidy(shell)?;
    let mut found: BTreeMap<_, usize> = BTreeMap::new();
    for rule in tidy::broken(&root)? {
        *found.entry(rule).or_default() += 1;
    }
    println!("{found:?}");
    for rule in package::untidy_rules() {
        if !found.contains_key(rule) {
            return Err(Halt::failed(format!("the rule `{rule}` finds nothing")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_checker_is_a_failure_and_a_missing_one_no_success() {
        let missing = || Halt::Unsupported(String::from("nobody has it"));
        assert_eq!(verdict(vec![("a", Ok(()))]), Ok(()));
        assert_eq!(
            verdict(vec![("a", Ok(())), ("b", Err(missing()))]),
            Err(missing())
        );
        let blind = vec![("a", Err(Halt::failed("x"))), ("b", Err(missing()))];
        let text = verdict(blind).expect_err("one is blind").to_string();
        assert!(text.ends_with("found by a"), "{text}");
    }

    #[test]
    fn every_rule_of_the_house_finds_what_is_planted() {
        assert_eq!(tidy(&Shell::new(false)), Ok(()));
    }

    #[test]
    fn a_checker_that_is_not_known_is_refused() {
        let said = run(&Shell::new(false), &["nobody"]).expect_err("unknown");
        assert!(said.to_string().contains("valgrind"));
    }
}
