//! The tests on other targets than the one this machine builds for.
//!
//! ```text
//!  places.rs    targets whose tests run here, under an emulator where needed ──► report.rs reads
//!                                                                                what they print
//!  tools.rs     the compilers and emulators that they take
//!  checked.rs   targets that nothing here can run: linted, assembled, read             │
//!       │                                                                              │
//!       └──────────────► table.rs: a table of what came of it ◄────────────────────────┘
//! ```

mod checked;
mod places;
mod report;
mod table;
mod tools;

use std::time::Instant;

use crate::outcome::Halt;
use crate::shell::Shell;
use crate::wine::Wine;
pub(crate) use places::left_out;
use places::{CRATES, Emulator, PLACES, Place, Profile, Run};
use report::{Outcome, Reader};
pub(crate) use table::stale as stale_table;
use table::{Row, What};

/// What the command is asked for.
#[derive(Debug, Default)]
struct Wanted<'a> {
    /// Names of places or targets; all if there are none.
    targets: Vec<&'a str>,
    /// Names of crates; all if there are none.
    crates: Vec<&'a str>,
    /// Whether only that which `ci` has the time for.
    is_quick: bool,
}

impl Wanted<'_> {
    fn target(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|word| is_meant(word))
    }

    fn crates(&self, of: &[&'static str]) -> Vec<&'static str> {
        let mut crates = of.to_vec();
        crates.retain(|name| self.crates.is_empty() || self.crates.contains(name));
        crates
    }
}

const USAGE: &str =
    "usage: cargo xtask cross-test [--install] [--quick] [--write] [--target T]... [--crate C]...";

/// The command: all places and all checked targets, or those asked for; then the table. `--write`
/// writes what ran into the table of the README; `--quick` leaves out what `ci` has no time for.
///
/// # Errors
///
/// When a test fails, a tool is missing, or an argument says nothing known.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut wanted = Wanted::default();
    let mut is_write = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (*arg, args.as_slice().first()) {
            // The shell knows.
            ("--install", _) => {}
            ("--quick", _) => wanted.is_quick = true,
            ("--write", _) => is_write = true,
            ("--target", Some(target)) if is_target(target) => {
                wanted.targets.push(target);
                args.next();
            }
            ("--target", Some(target)) => {
                let known: Vec<_> = PLACES.iter().map(Place::name).collect();
                let known = known.join(", ");
                let checked = checked::triples().collect::<Vec<_>>().join(", ");
                return Err(Halt::failed(format!(
                    "no target `{target}`: tests run on {known}; {checked} are checked"
                )));
            }
            ("--crate", Some(name)) if CRATES.contains(name) => {
                wanted.crates.push(name);
                args.next();
            }
            ("--crate", Some(name)) => {
                let known = CRATES.join(", ");
                return Err(Halt::failed(format!(
                    "no crate `{name}`: there are {known}"
                )));
            }
            _ => return Err(Halt::failed(USAGE)),
        }
    }
    if is_write && !wanted.crates.is_empty() {
        return Err(Halt::failed("--write is for all crates: leave out --crate"));
    }
    let rows = rows(shell, &wanted);
    table::print(&rows);
    if is_write {
        table::write(shell, &rows)?;
    }
    table::verdict(&rows)
}

/// The names of all places, by which `ci` runs them.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = String> {
    PLACES.iter().map(Place::name)
}

fn is_target(word: &str) -> bool {
    PLACES.iter().any(|place| place.is_meant(word)) || checked::triples().any(|it| it == word)
}

/// One place, as a step of `ci`, with what there is time for.
///
/// # Errors
///
/// When a test fails, or a tool is missing.
pub(crate) fn one(shell: &Shell, name: &str) -> Result<(), Halt> {
    let wanted = Wanted {
        targets: vec![name],
        is_quick: true,
        ..Wanted::default()
    };
    // A triple that is only checked too would be checked by its own step.
    let rows: Vec<_> = PLACES
        .iter()
        .filter(|place| place.is_meant(name))
        .flat_map(|place| at(shell, place, &wanted))
        .collect();
    if rows.is_empty() {
        return Err(Halt::Unsupported(format!("nothing is set up for {name}")));
    }
    table::print(&rows);
    table::verdict(&rows)
}

/// All that is only checked, as a step of `ci`.
///
/// # Errors
///
/// When a check fails, or a tool is missing.
pub(crate) fn checked(shell: &Shell) -> Result<(), Halt> {
    let rows = checked::rows(shell, &Wanted::default());
    table::print(&rows);
    table::verdict(&rows)
}

/// Runs the package of `selftest` under an emulator: a test that fails is to be a failure, one that
/// dies as well, and each skip to be counted, the one without a reason as a failure.
///
/// # Errors
///
/// When it is not so.
pub(crate) fn planted(shell: &Shell, name: &'static str) -> Result<(), Halt> {
    let place = PLACES
        .iter()
        .find(|place| place.triple == "riscv64gc-unknown-linux-gnu")
        .ok_or_else(|| Halt::failed("there is no emulator"))?;
    place.ready(shell)?;
    let Emulator::Processor(runner, emulator) = &place.emulator else {
        return Err(Halt::failed("there is no emulator"));
    };
    let run = Run {
        profile: Profile::Debug,
        crates: &[],
        args: &["--lib", "--test", "dies", "--", "--skip", "reads_beyond"],
        in_ci: false,
    };
    let rows = test(shell, place, &run, &[name], &[(runner, emulator)]);
    table::print(&rows);
    let said = match table::verdict(&rows) {
        Err(Halt::Failed(text)) => text,
        other => {
            return Err(Halt::failed(format!(
                "{other:?}: tests that fail are no failure"
            )));
        }
    };
    for part in ["tests::fails", "dies.rs", "no result", report::UNEXPLAINED] {
        if !said.contains(part) {
            return Err(Halt::failed(format!("\"{part}\" is not in: {said}")));
        }
    }
    match table::counts(&rows) {
        // It passes, and so does what asks for references of nothing; three are skipped: by an
        // attribute, by itself, by name.
        [2, 2, 3] => Ok(()),
        counts => Err(Halt::failed(format!("passed, failed, skipped: {counts:?}"))),
    }
}

fn rows(shell: &Shell, wanted: &Wanted<'_>) -> Vec<Row> {
    let places = PLACES
        .iter()
        .filter(|place| wanted.target(|word| place.is_meant(word)));
    let mut rows: Vec<_> = places.flat_map(|place| at(shell, place, wanted)).collect();
    rows.extend(checked::rows(shell, wanted));
    rows
}

/// What came of the tests at one place.
fn at(shell: &Shell, place: &'static Place, wanted: &Wanted<'_>) -> Vec<Row> {
    let left_out = place.left_out.iter().filter(|(what, _)| {
        let name = what.split(':').next().unwrap_or(what);
        wanted.crates.is_empty() || wanted.crates.contains(&name)
    });
    let mut rows: Vec<_> = left_out
        .map(|(what, why)| Row::new(&place.name(), what, What::LeftOut((*why).to_owned())))
        .collect();
    let runs = || {
        place
            .runs
            .iter()
            .map(|run| (run, wanted.crates(run.crates)))
            .filter(|(run, crates)| !crates.is_empty() && (run.in_ci || !wanted.is_quick))
    };
    if runs().next().is_none() {
        return rows;
    }
    let mut all = |vars: &[(&str, &str)]| {
        for (run, crates) in runs() {
            rows.extend(test(shell, place, run, &crates, vars));
        }
    };
    let ended = match (place.ready(shell), &place.emulator) {
        (Err(halt), _) => Err(halt),
        (Ok(()), Emulator::None) => {
            all(&[]);
            Ok(())
        }
        (Ok(()), Emulator::Processor(name, emulator)) => {
            // For cargo, for tests that start themselves again, and for those that would take
            // minutes.
            all(&[
                (name, emulator),
                ("DTACT_RUNNER", emulator),
                ("DTACT_EMULATED", "1"),
            ]);
            Ok(())
        }
        (Ok(()), Emulator::Wine(name)) => Wine::set_up(shell).and_then(|wine| {
            let runner = wine.runner();
            let own = wine.vars();
            let mut vars = vec![(*name, runner.as_str())];
            vars.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
            all(&vars);
            wine.stop(shell)
        }),
    };
    if let Err(halt) = ended {
        rows.push(Row::new(&place.name(), "all", What::Halted(halt)));
    }
    rows
}

/// One `cargo test`, and a row for each of its crates.
fn test(
    shell: &Shell,
    place: &'static Place,
    run: &Run,
    crates: &[&'static str],
    vars: &[(&str, &str)],
) -> Vec<Row> {
    let mut vars = vars.to_vec();
    vars.extend(place.linker);
    vars.extend(place.vars);
    let mut line = vec!["cargo", "test", "--no-fail-fast", "--target", place.triple];
    match run.profile {
        Profile::Debug => {}
        Profile::Release => line.push("--release"),
        Profile::Parts => {
            line.push("--release");
            vars.extend([
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ]);
        }
    }
    line.extend(crates.iter().flat_map(|name| ["-p", name]));
    line.extend(run.args);
    if !run.args.contains(&"--") {
        line.push("--");
    }
    // What tests that pass print: some say that they skip.
    line.push("--show-output");
    let mut reader = Reader::new(crates);
    let start = Instant::now();
    let status = shell.run_lines(&vars, &line, |text| reader.line(text));
    let wall = start.elapsed().as_secs_f64();
    let profile = match run.profile {
        Profile::Debug => "debug",
        Profile::Release | Profile::Parts => "release",
    };
    match status {
        Ok(is_success) => {
            println!("{} {profile}: {wall:.1} s with building", place.name());
            let outcomes = reader.end(is_success);
            let row = |(name, outcome): (String, Outcome)| {
                Row::new(&place.name(), &name, What::Tested(profile, outcome))
            };
            outcomes.into_iter().map(row).collect()
        }
        Err(halt) => vec![Row::new(&place.name(), "all", What::Halted(halt))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(args: &[&str]) -> String {
        run(&Shell::new(false), args)
            .expect_err("nothing to run")
            .to_string()
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let said = refusal(&["--target", "pdp11"]);
        assert!(said.contains("`pdp11`") && said.contains("riscv64gc-unknown-linux-gnu"));
        assert!(refusal(&["--crate", "x"]).contains("dtact-arena"));
        assert!(refusal(&["--crate", "dtact", "--write"]).contains("--write"));
        for args in [&["--targets"][..], &["--target"], &["--crate"]] {
            assert!(refusal(args).contains("usage"), "{args:?}");
        }
    }

    #[test]
    fn a_target_is_all_of_its_places_and_a_place_is_itself() {
        assert!(is_target("aarch64-unknown-linux-gnu"));
        assert!(is_target("aarch64-unknown-linux-gnu:cortex-a57"));
        assert!(is_target("x86_64-unknown-freebsd"));
        assert!(!is_target("aarch64-unknown-linux-gnu:cortex"));
    }
}
