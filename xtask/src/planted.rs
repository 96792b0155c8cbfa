//! A tool against bugs that are planted: one that finds nothing in the tests has to show that it
//! would.

use crate::outcome::Halt;
use crate::shell::Shell;

/// A bug of the example `planted_bugs`, and what the tool says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bug {
    /// The argument of the example.
    pub(crate) name: &'static str,
    /// A part of the report.
    pub(crate) report: &'static str,
}

/// Runs the example by `command`, with each bug and without one.
///
/// # Errors
///
/// When a bug is not reported, or what is right is.
pub(crate) fn check(
    shell: &Shell,
    vars: &[(&str, &str)],
    command: &[&str],
    bugs: &[Bug],
) -> Result<(), Halt> {
    let with = |argument| [command, &[argument]].concat();
    shell.run_with(vars, &with("right"))?;
    for bug in bugs {
        let (is_success, said) = shell.attempt(vars, &with(bug.name))?;
        if is_success || !said.contains(bug.report) {
            return Err(Halt::failed(format!(
                "the planted bug `{}` was not reported as \"{}\":\n{said}",
                bug.name, bug.report
            )));
        }
        println!("found, as it must be: {}", bug.report);
    }
    Ok(())
}

/// Runs tests by name, each of which has a mistake planted into the code under test, and has to end
/// by the panic that it expects.
///
/// # Errors
///
/// When one does not, or is not there.
pub(crate) fn panics(
    shell: &Shell,
    vars: &[(&str, &str)],
    command: &[&str],
    names: &[&str],
) -> Result<(), Halt> {
    let mut lines = Vec::new();
    let line = [command, &["--"], names].concat();
    let is_success = shell.run_lines(vars, &line, |text| {
        lines.push(text.to_owned());
        true
    })?;
    let has_panicked = |name: &&&str| {
        let end = format!("{name} - should panic ... ok");
        lines.iter().any(|line| line.ends_with(&end))
    };
    match names.iter().find(|name| !has_panicked(name)) {
        None if is_success => Ok(()),
        None => Err(Halt::failed("a test failed beside")),
        Some(name) => Err(Halt::failed(format!("`{name}` did not panic as it must"))),
    }
}
