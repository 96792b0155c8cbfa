//! Why a step stopped short, and how that counts.

use core::fmt;

/// What ended a step before it had succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// What it checks does not hold, or a program it ran said so.
    Failed(String),
    /// A tool is missing, and the command that gets it.
    Missing {
        /// What is missing.
        why: String,
        /// The command that a person types to get it.
        get: &'static str,
        /// Whether a machine may rightly be without it even after trying to install it.
        may_lack: bool,
    },
    /// The project itself has nothing to run here, on any machine.
    Unsupported(String),
}

/// How a step counts in the last line of `ci`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// It ran, and what it checks holds.
    Passed,
    /// It ran and failed, or should have been able to run and was not.
    Failed,
    /// It did not run, and said why.
    Skipped,
}

impl Halt {
    /// A failure with this explanation.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// Whether nothing is missing that anybody could get.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => write!(f, "FAILED: {text}"),
            Self::Missing { why, get, .. } => write!(f, "SKIPPED: {why}; get it with: {get}"),
            Self::Unsupported(text) => write!(f, "SKIPPED: {text}"),
        }
    }
}

/// Counts one result. After `--install` a tool that can be had everywhere has to be there.
pub(crate) fn count(result: &Result<(), Halt>, installing: bool) -> Count {
    match result {
        Ok(()) => Count::Passed,
        Err(Halt::Failed(_)) => Count::Failed,
        Err(Halt::Missing {
            may_lack: false, ..
        }) if installing => Count::Failed,
        Err(Halt::Missing { .. } | Halt::Unsupported(_)) => Count::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(may_lack: bool) -> Result<(), Halt> {
        Err(Halt::Missing {
            why: String::from("no cc"),
            get: "apt-get install gcc",
            may_lack,
        })
    }

    #[test]
    fn a_missing_tool_is_skipped_and_says_how_to_get_it() {
        let result = missing(false);
        assert_eq!(count(&result, false), Count::Skipped);
        let text = result.expect_err("missing").to_string();
        assert_eq!(text, "SKIPPED: no cc; get it with: apt-get install gcc");
    }

    #[test]
    fn a_missing_tool_fails_once_it_should_have_been_installed() {
        assert_eq!(count(&missing(false), true), Count::Failed);
        assert_eq!(count(&missing(true), true), Count::Skipped);
    }

    #[test]
    fn what_the_project_does_not_support_is_never_a_failure() {
        let result = Err(Halt::Unsupported(String::from("no assembly")));
        assert_eq!(count(&result, true), Count::Skipped);
        assert_eq!(count(&Err(Halt::failed("broken")), false), Count::Failed);
        assert_eq!(count(&Ok(()), true), Count::Passed);
    }
}
