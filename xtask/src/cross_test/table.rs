//! What came of it: a table on the terminal, and the table of targets in the README.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::checked;
use super::places::{PLACES, Place};
use super::report::Outcome;
use crate::outcome::Halt;
use crate::shell::Shell;

/// One line: what came of these crates there.
#[derive(Debug)]
pub(super) struct Row {
    place: String,
    crates: String,
    what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Tests ran, built in this way.
    Tested(&'static str, Outcome),
    /// Linted, assembled, and read.
    Checked,
    /// It never runs there, for this reason.
    LeftOut(String),
    /// It could not run, or a check does not hold.
    Halted(Halt),
}

impl Row {
    pub(super) fn new(place: &str, crates: &str, what: What) -> Self {
        Self {
            place: place.to_owned(),
            crates: crates.to_owned(),
            what,
        }
    }

    fn text(&self) -> String {
        let (profile, numbers, note) = match &self.what {
            What::Tested(profile, outcome) => {
                let failures = outcome.failures.join(", ");
                let numbers = [outcome.passed, outcome.failed, outcome.skipped.len()]
                    .map(|number| format!("{number:>8}"))
                    .concat();
                let note = match outcome.failed {
                    0 => String::new(),
                    _ => format!("  FAILED: {failures}"),
                };
                (*profile, format!("{numbers}{:>9.1}", outcome.seconds), note)
            }
            What::Checked => ("", String::new(), String::from("  linted and assembled")),
            What::LeftOut(why) => ("", String::new(), format!("  left out: {why}")),
            What::Halted(halt) => ("", String::new(), format!("  {halt}")),
        };
        let text = format!(
            "{:<38} {:<8}{:<26}{numbers}{note}",
            self.place, profile, self.crates
        );
        text.trim_end().to_owned()
    }
}

/// Prints the table, then what was skipped and why.
pub(super) fn print(rows: &[Row]) {
    println!(
        "\n{:<38} {:<8}{:<26}{:>8}{:>8}{:>8}{:>9}",
        "target", "build", "crate", "passed", "failed", "skipped", "seconds"
    );
    for row in rows {
        println!("{}", row.text());
    }
    let skipped = skipped(rows);
    if !skipped.is_empty() {
        println!("\nskipped, and why:");
    }
    for ((name, test, why), places) in skipped {
        println!("  {name} {test}: {why}\n      {}", places.join(", "));
    }
}

/// How many passed, failed and were skipped in all.
pub(super) fn counts(rows: &[Row]) -> [usize; 3] {
    let mut counts = [0; 3];
    for row in rows {
        if let What::Tested(_, outcome) = &row.what {
            counts[0] += outcome.passed;
            counts[1] += outcome.failed;
            counts[2] += outcome.skipped.len();
        }
    }
    counts
}

/// Crate, test and reason of each skip, with where.
fn skipped(rows: &[Row]) -> BTreeMap<(&str, &str, &str), Vec<String>> {
    let mut skipped: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        if let What::Tested(profile, outcome) = &row.what {
            for (test, why) in &outcome.skipped {
                let key = (row.crates.as_str(), test.as_str(), why.as_str());
                let place = format!("{} {profile}", row.place);
                skipped.entry(key).or_default().push(place);
            }
        }
    }
    skipped
}

/// How all of it counts: one failure is a failure, and so is a skip that nobody explains.
pub(super) fn verdict(rows: &[Row]) -> Result<(), Halt> {
    let mut failed = Vec::new();
    let mut missing = None;
    for row in rows {
        match &row.what {
            What::Tested(_, outcome) if outcome.failed > 0 => failed.push(row.text()),
            What::Tested(..) | What::Checked | What::LeftOut(_) => {}
            What::Halted(Halt::Failed(_)) => failed.push(row.text()),
            What::Halted(halt) => missing = Some(halt.clone()),
        }
    }
    let unexplained = skipped(rows)
        .into_keys()
        .filter(|(.., why)| *why == super::report::UNEXPLAINED);
    failed.extend(unexplained.map(|(name, test, why)| format!("{name} {test}: {why}")));
    match (failed.is_empty(), missing) {
        (false, _) => Err(Halt::failed(failed.join("\n"))),
        (true, Some(halt)) => Err(halt),
        (true, None) => Ok(()),
    }
}

const BEGIN: &str = "<!-- written by `cargo xtask cross-test --write`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask cross-test --write`: end -->";
const HEAD: &str = "| target | how | crates | tests passed |\n| --- | --- | --- | --- |\n";

/// What stands for a target that has not run since the table is written.
const NOT_YET: &str = "not run yet";

/// The part of a page that is written, with its place in the page.
fn part(page: &str) -> Option<(usize, usize)> {
    let start = page.find(BEGIN)? + BEGIN.len();
    let end = start + page[start..].find(END)?;
    Some((start, end))
}

/// Writes what ran into the README; lines of targets that did not run stay.
///
/// # Errors
///
/// When something failed, or the README cannot be read or written.
pub(super) fn write(shell: &Shell, rows: &[Row]) -> Result<(), Halt> {
    verdict(rows)?;
    let path = shell.root().join("README.md");
    let failed = |error: std::io::Error| Halt::failed(format!("README.md: {error}"));
    let page = std::fs::read_to_string(&path).map_err(failed)?;
    let Some((start, end)) = part(&page) else {
        return Err(Halt::failed(format!("README.md has no {BEGIN}")));
    };
    let table = merged(&page[start..end], rows);
    let page = format!("{}{table}{}", &page[..start], &page[end..]);
    std::fs::write(&path, page).map_err(failed)
}

/// The old table with the lines of what ran in place of theirs.
fn merged(old: &str, rows: &[Row]) -> String {
    let mut table = String::from(HEAD);
    for key in keys() {
        let new = lines_of(&key, rows);
        let old = old.lines().find(|line| line.starts_with(&first_cell(&key)));
        if let Some(line) = new.as_deref().or(old) {
            table += line;
        } else {
            let _ = write!(table, "{} {NOT_YET} | {NOT_YET} | none |", first_cell(&key));
        }
        table.push('\n');
    }
    table
}

/// What each line of the table is about: all places, then what is only checked.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> = PLACES.iter().map(Place::name).collect();
    for triple in checked::triples() {
        if !keys.iter().any(|key| key == triple) {
            keys.push(triple.to_owned());
        }
    }
    keys
}

fn first_cell(key: &str) -> String {
    format!("| `{key}` |")
}

/// The line of one target, if any of its rows ran.
fn lines_of(key: &str, rows: &[Row]) -> Option<String> {
    let rows = || rows.iter().filter(|row| row.place == key);
    let mut passed = 0;
    let mut crates: Vec<String> = Vec::new();
    for row in rows() {
        if let What::Tested(profile, outcome) = &row.what {
            passed += outcome.passed;
            let mut name = format!("`{}`", row.crates);
            if *profile == "release" {
                crates.retain(|other| *other != name);
                name += " (release too)";
            }
            crates.push(name);
        }
    }
    let mut line = first_cell(key);
    if let Some(place) = PLACES.iter().find(|place| place.name() == key) {
        if crates.is_empty() {
            return None;
        }
        let _ = write!(line, " {} | {} | {passed} |", place.how, crates.join(", "));
    } else {
        let row = rows().next()?;
        let how = match &row.what {
            What::Checked => "linted and assembled, never run",
            What::LeftOut(why) => why,
            What::Tested(..) | What::Halted(_) => return None,
        };
        let is_checked = matches!(row.what, What::Checked);
        let names = row.crates.split(", ").map(|name| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(", ");
        let names = if is_checked { names.as_str() } else { "none" };
        let _ = write!(line, " {how} | {names} | none |");
    }
    Some(line)
}

/// What is wrong with the table of this page, as far as can be told without running anything.
pub(crate) fn stale(page: &str) -> Option<String> {
    let (start, end) = part(page)?;
    let lines: Vec<&str> = page[start..end].lines().skip(2).collect();
    let again = "; run `cargo xtask cross-test --write`";
    let keys = keys();
    let is_known = |line: &&&str| keys.iter().any(|key| line.starts_with(&first_cell(key)));
    if let Some(line) = lines.iter().find(|line| !is_known(line)) {
        return Some(format!("no target is called so: {line}{again}"));
    }
    for key in &keys {
        let Some(line) = lines.iter().find(|line| line.starts_with(&first_cell(key))) else {
            return Some(format!("`{key}` is missing{again}"));
        };
        let place = PLACES.iter().find(|place| place.name() == *key);
        let Some(place) = place.filter(|_| !line.contains(NOT_YET)) else {
            continue;
        };
        // What takes longer than `ci` has may have been left out.
        let all = place.runs.iter().filter(|run| run.in_ci);
        let all = all.flat_map(|run| run.crates);
        let wanted = super::CRATES
            .iter()
            .filter(|name| all.clone().any(|it| it == *name));
        for name in wanted {
            if !line.contains(&format!("`{name}`")) {
                return Some(format!("`{key}` lacks `{name}`{again}"));
            }
        }
        if !line.contains(place.how) {
            return Some(format!("`{key}` runs \"{}\"{again}", place.how));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(place: &str, name: &str, failed: usize, skipped: &[(&str, &str)]) -> Row {
        let outcome = Outcome {
            passed: 5,
            failed,
            failures: vec![String::from("t"); failed],
            skipped: skipped
                .iter()
                .map(|(test, why)| ((*test).to_owned(), (*why).to_owned()))
                .collect(),
            seconds: 1.25,
        };
        Row::new(place, name, What::Tested("debug", outcome))
    }

    const RISCV: &str = "riscv64gc-unknown-linux-gnu";

    #[test]
    fn a_failing_test_is_a_failure_of_the_whole() {
        assert_eq!(verdict(&[tested(RISCV, "dtact", 0, &[])]), Ok(()));
        let rows = [
            tested(RISCV, "dtact", 0, &[]),
            tested(RISCV, "dtact", 1, &[]),
        ];
        let text = verdict(&rows).expect_err("one failed").to_string();
        assert!(text.contains("FAILED: t"), "{text}");
    }

    #[test]
    fn a_skip_needs_a_reason() {
        let row = |why| [tested(RISCV, "dtact", 0, &[("t", why)])];
        assert_eq!(verdict(&row("no node")), Ok(()));
        assert!(verdict(&row(super::super::report::UNEXPLAINED)).is_err());
    }

    #[test]
    fn a_missing_tool_is_no_success() {
        let missing = Halt::Missing {
            why: String::from("no qemu"),
            get: "get qemu",
            may_lack: false,
        };
        let row = Row::new(RISCV, "all", What::Halted(missing.clone()));
        assert!(row.text().contains("get it with: get qemu"));
        assert_eq!(verdict(&[row]), Err(missing));
    }

    #[test]
    fn a_line_that_did_not_run_stays_as_it_was() {
        let old = format!("{HEAD}| `{RISCV}` | x | y | 1 |\n| `gone` | x | y | 1 |\n");
        let rows = [tested("x86_64-unknown-linux-musl", "dtact-mesh", 0, &[])];
        let table = merged(&old, &rows);
        assert!(table.contains(
            "| `x86_64-unknown-linux-musl` | on the machine itself | `dtact-mesh` | 5 |\n"
        ));
        assert!(table.contains(&format!("| `{RISCV}` | x | y | 1 |\n")));
        assert!(!table.contains("gone"));
        assert!(table.contains("| `x86_64-unknown-freebsd` | not run yet |"));
    }

    #[test]
    fn a_table_is_stale_that_lacks_what_runs() {
        assert_eq!(stale("no table"), None);
        let rows: Vec<_> = PLACES
            .iter()
            .flat_map(|place| {
                let all = place.runs.iter().flat_map(|run| run.crates);
                all.map(|name| tested(&place.name(), name, 0, &[]))
            })
            .chain(checked::triples().map(|it| Row::new(it, "dtact-switch", What::Checked)))
            .collect();
        let page = |rows: &[Row]| format!("# A\n{BEGIN}{}{END}\n", merged("", rows));
        assert_eq!(stale(&page(&rows)), None);
        let without = page(&rows).replace("`dtact-mesh`", "");
        assert!(stale(&without).is_some_and(|text| text.contains("lacks")));
        let few = page(&rows).replace(&first_cell(RISCV), "| `x");
        let few: String = few
            .lines()
            .filter(|line| !line.contains("`x"))
            .fold(String::new(), |text, line| text + line + "\n");
        assert!(stale(&few).is_some_and(|text| text.contains("is missing")));
        let odd = page(&rows).replace(RISCV, "riscv");
        assert!(stale(&odd).is_some_and(|text| text.contains("no target")));
    }
}
