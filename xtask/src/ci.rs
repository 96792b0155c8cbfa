//! Runs every step, whatever the earlier ones said, and counts.

use std::process::ExitCode;
use std::time::Instant;

use crate::outcome::{Count, count};
use crate::shell::Shell;
use crate::steps;

/// Runs all steps. The last line of its output is `N passed, N failed, N skipped`.
pub(crate) fn run(shell: &Shell) -> ExitCode {
    let mut totals = Totals::default();
    let mut table = Vec::new();
    for step in steps::ALL {
        println!("\n== {}", step.name());
        let start = Instant::now();
        let result = step.run(shell);
        let seconds = start.elapsed().as_secs_f64();
        let counted = count(&result, shell.installs());
        let note = match (&result, counted) {
            (Ok(()), _) => String::from("ok"),
            (Err(halt), Count::Failed) => {
                format!(
                    "FAILED: {}",
                    halt.to_string().trim_start_matches("FAILED: ")
                )
            }
            (Err(halt), _) => halt.to_string(),
        };
        println!("{note} ({seconds:.1} s)");
        totals.add(counted);
        table.push(format!("{:<34} {seconds:>7.1} s  {note}", step.name()));
    }
    println!("\n{}\n\n{}", table.join("\n"), totals.line());
    if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[derive(Debug, Default)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Totals {
    fn add(&mut self, counted: Count) {
        match counted {
            Count::Passed => self.passed += 1,
            Count::Failed => self.failed += 1,
            Count::Skipped => self.skipped += 1,
        }
    }

    fn line(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_each_kind() {
        let mut totals = Totals::default();
        assert_eq!(totals.line(), "0 passed, 0 failed, 0 skipped");
        for counted in [Count::Passed, Count::Passed, Count::Failed, Count::Skipped] {
            totals.add(counted);
        }
        assert_eq!(totals.line(), "2 passed, 1 failed, 1 skipped");
    }
}
