//! What `cargo test` prints, read line by line: what passed, failed and was skipped in each crate.
//!
//! ```text
//!      Running unittests src/lib.rs (target/…/deps/dtact_arena-0123)   of which crate it is
//! test guard::a_guard_is_there ... ok
//! test walk ... ignored, why                                           skipped, and why
//! successes:
//! ---- pages stdout ----
//! SKIPPED: why                                                         skipped by the test itself
//! test result: ok. 2 passed; 0 failed; 1 ignored; …; finished in 0.10s
//!      Running tests/cells.rs (target/…/deps/cells-0123)               of the same crate
//!    Doc-tests dtact_arena
//! ```

use std::collections::BTreeMap;

/// What stands for the reason of a skip that has none.
pub(crate) const UNEXPLAINED: &str = "no reason given";

/// What came of the tests of one crate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// The names of those that failed, as far as they are known.
    pub(crate) failures: Vec<String>,
    /// Each test that was left out, and why.
    pub(crate) skipped: Vec<(String, String)>,
    /// As the test programs count them, without what it took to build them.
    pub(crate) seconds: f64,
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The list of tests, and whatever they print past the harness.
    Tests,
    /// What the tests printed that passed.
    Successes,
    /// What the others printed, which could be anything.
    Failures,
}

/// A reader of the output of one `cargo test`.
#[derive(Debug)]
pub(crate) struct Reader {
    crates: BTreeMap<String, Outcome>,
    /// The crate whose tests run.
    current: String,
    /// The program that runs, unless it has come to its result.
    unended: Option<String>,
    part: Part,
    /// The test of whose output the lines are.
    speaker: String,
    /// How many tests of this program passed by saying that they skip.
    said: usize,
}

impl Reader {
    /// A reader for tests of these crates; what comes before any name belongs to the first.
    pub(crate) fn new(crates: &[&str]) -> Self {
        Self {
            crates: crates
                .iter()
                .map(|name| ((*name).to_owned(), Outcome::default()))
                .collect(),
            current: crates.first().map_or("", |name| name).to_owned(),
            unended: None,
            part: Part::Tests,
            speaker: String::new(),
            said: 0,
        }
    }

    /// Reads a line, and says whether it is worth showing.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        let text = line.trim();
        if let Some(program) = text.strip_prefix("Running ") {
            self.begin(program);
        } else if let Some(name) = text.strip_prefix("Doc-tests ") {
            self.begin(&format!("documentation of {name}"));
            self.enter(name);
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.part = Part::Tests;
            self.unended = None;
            self.result(counts);
        } else if line == "successes:" {
            self.part = Part::Successes;
        } else if line == "failures:" {
            self.part = Part::Failures;
        } else if self.part == Part::Tests {
            self.test(line);
        } else if self.part == Part::Successes {
            self.said(line);
        }
        self.part != Part::Successes
    }

    /// The outcomes by crate; `is_success` is what the exit status of cargo says.
    pub(crate) fn end(mut self, is_success: bool) -> BTreeMap<String, Outcome> {
        self.lost();
        let has_failure = self.crates.values().any(|outcome| outcome.failed > 0);
        if !is_success && !has_failure {
            // Something did not build, and nothing was tested.
            for outcome in self.crates.values_mut() {
                outcome.failed += 1;
                outcome.failures.push(String::from("cargo, see above"));
            }
        }
        self.crates
    }

    fn begin(&mut self, program: &str) {
        self.lost();
        self.part = Part::Tests;
        self.said = 0;
        self.unended = Some(program.to_owned());
        let (kind, path) = program.split_once(" (").unwrap_or((program, ""));
        if kind.starts_with("unittests ") {
            let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
            let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
            self.enter(name);
        }
    }

    /// Counts a program that ended without a result: it died.
    fn lost(&mut self) {
        if let Some(program) = self.unended.take() {
            let outcome = self.outcome();
            outcome.failed += 1;
            outcome.failures.push(format!("{program}: no result"));
        }
    }

    fn enter(&mut self, library: &str) {
        let name = library.replace('_', "-");
        if self.crates.contains_key(&name) {
            self.current = name;
        }
    }

    fn outcome(&mut self) -> &mut Outcome {
        self.crates.entry(self.current.clone()).or_default()
    }

    fn test(&mut self, line: &str) {
        let Some((name, end)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let name = name.trim_end_matches(" - should panic").to_owned();
        if let Some(reason) = end.strip_prefix("ignored") {
            let reason = reason.trim_start_matches(", ");
            let reason = if reason.is_empty() {
                UNEXPLAINED
            } else {
                reason
            };
            self.outcome().skipped.push((name, reason.to_owned()));
        } else if end.starts_with("FAILED") {
            self.outcome().failures.push(name);
        }
    }

    /// A line that a test printed which passed.
    fn said(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            name.clone_into(&mut self.speaker);
        } else if let Some(reason) = line.strip_prefix("SKIPPED: ") {
            let said = (self.speaker.clone(), reason.to_owned());
            let outcome = self.outcome();
            // A test that says so of several things is one test.
            if outcome
                .skipped
                .last()
                .is_none_or(|(name, _)| *name != said.0)
            {
                outcome.skipped.push(said);
                self.said += 1;
            }
        }
    }

    /// The counts of one program, which hold whatever else was read.
    fn result(&mut self, counts: &str) {
        let number = |what: &str| {
            let mut parts = counts.split([';', '.']).map(str::trim);
            parts
                .find_map(|part| part.strip_suffix(what))
                .and_then(|number| number.trim().parse::<usize>().ok())
                .unwrap_or(0)
        };
        let seconds = counts
            .rsplit_once("finished in ")
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('s'))
            .and_then(|seconds| seconds.parse::<f64>().ok());
        let filtered = number("filtered out");
        let said = core::mem::take(&mut self.said);
        let outcome = self.outcome();
        outcome.passed += number("passed").saturating_sub(said);
        outcome.failed += number("failed");
        outcome.seconds += seconds.unwrap_or(0.0);
        if filtered > 0 {
            let tests = format!("{filtered} by name");
            outcome
                .skipped
                .push((tests, String::from("see what is left out")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_success: bool) -> BTreeMap<String, Outcome> {
        let mut reader = Reader::new(&["dtact-arena", "dtact-switch"]);
        for line in text.lines() {
            reader.line(line);
        }
        reader.end(is_success)
    }

    const ARENA: &str =
        "     Running unittests src/lib.rs (target/x/debug/deps/dtact_arena-01ab)\n";
    const SWITCH: &str =
        "     Running unittests src/lib.rs (target\\x\\deps\\dtact_switch-01ab.exe)\n";

    #[test]
    fn tests_are_counted_for_the_crate_whose_programs_run() {
        let text = format!(
            "{ARENA}\nrunning 2 tests\ntest a ... ok\ntest b ... ignored, by Miri\n\n\
             test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.25s\n\
             \x20    Running tests/cells.rs (target/x/debug/deps/cells-01ab)\n\
             test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 1.50s\n\
             {SWITCH}test c - should panic ... ok\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.00s\n   Doc-tests dtact_arena\n\
             test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.00s\n"
        );
        let crates = read(&text, true);
        let arena = &crates["dtact-arena"];
        assert_eq!((arena.passed, arena.failed), (13, 0));
        assert_eq!(
            arena.skipped,
            [(String::from("b"), String::from("by Miri"))]
        );
        assert!((arena.seconds - 1.75).abs() < 1e-9);
        assert_eq!(crates["dtact-switch"].passed, 2);
    }

    #[test]
    fn a_test_that_says_it_skips_did_not_pass() {
        let text = format!(
            "{ARENA}test a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\n\
             SKIPPED: one node\nSKIPPED: no huge page\n\n---- b stdout ----\nfine\n\n\n\
             successes:\n    a\n    b\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; \
             0 measured; 3 filtered out; finished in 0.00s\n"
        );
        let arena = &read(&text, true)["dtact-arena"];
        assert_eq!(arena.passed, 1);
        let said = (String::from("a"), String::from("one node"));
        assert_eq!(arena.skipped[0], said);
        assert_eq!(arena.skipped[1].0, "3 by name");
        assert_eq!(arena.skipped.len(), 2);
    }

    #[test]
    fn a_failing_test_is_named_whatever_it_prints() {
        let text = format!(
            "{ARENA}test a ... FAILED\ntest b ... ok\n\nfailures:\n\n---- a stdout ----\n\
             test z ... FAILED\n\nfailures:\n    a\n\ntest result: FAILED. 1 passed; \
             1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
        );
        let arena = &read(&text, false)["dtact-arena"];
        assert_eq!((arena.passed, arena.failed), (1, 1));
        assert_eq!(arena.failures, ["a"]);
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let text = format!("{ARENA}running 9 tests\n{SWITCH}test result: ok. 2 passed; 0 failed\n");
        let crates = read(&text, false);
        assert_eq!(crates["dtact-arena"].failed, 1);
        assert!(crates["dtact-arena"].failures[0].ends_with("no result"));
        assert_eq!(crates["dtact-switch"].failed, 0);
    }

    #[test]
    fn what_does_not_build_fails_every_crate() {
        let crates = read("error: no\n", false);
        assert!(crates.values().all(|outcome| outcome.failed == 1));
        assert!(read("", true).values().all(|outcome| outcome.failed == 0));
    }

    #[test]
    fn the_output_of_tests_that_passed_is_not_shown() {
        let mut reader = Reader::new(&["dtact-arena"]);
        assert!(reader.line("test a ... ok"));
        assert!(!reader.line("successes:"));
        assert!(!reader.line("---- a stdout ----"));
        assert!(reader.line("test result: ok. 1 passed; 0 failed"));
    }
}
