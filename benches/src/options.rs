//! The command line.

use crate::{runtime, workload};

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [--rounds N] [--workers N] [--only PREFIX]
       cargo xtask bench --instructions [--only PREFIX] [--write]
       cargo xtask bench-report [--write]
       benches --contestant NAME --workload NAME [--workers N] [--count N] [--cold]";

const ROUNDS_DEFAULT: usize = 5;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    Measure,
    Report,
    Instructions,
    /// One run in this process.
    One {
        contestant: String,
        workload: String,
    },
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) task: Task,
    /// With how many workers; unless said, 1, 2, and as many as there are processors.
    pub(crate) workers: Option<usize>,
    pub(crate) rounds: usize,
    /// Only workloads whose names begin so.
    pub(crate) only: String,
    pub(crate) count: Option<usize>,
    /// Whether to do without a warm-up.
    pub(crate) is_cold: bool,
    /// Whether to write into the docs.
    pub(crate) is_written: bool,
}

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        task: Task::Measure,
        workers: None,
        rounds: ROUNDS_DEFAULT,
        only: String::new(),
        count: None,
        is_cold: false,
        is_written: false,
    };
    let [mut contestant, mut workload] = [None, None];
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "report" => options.task = Task::Report,
            "--instructions" => options.task = Task::Instructions,
            "--workers" => options.workers = Some(number(&value()?)?),
            "--rounds" => options.rounds = number(&value()?)?,
            "--only" => options.only = value()?,
            "--contestant" => contestant = Some(value()?),
            "--workload" => workload = Some(value()?),
            "--count" => options.count = Some(number(&value()?)?),
            "--cold" => options.is_cold = true,
            "--write" => options.is_written = true,
            _ => return Err(format!("{arg} is not an option")),
        }
    }
    match (contestant, workload) {
        (None, None) => {}
        (Some(contestant), Some(workload)) => {
            check(&contestant, &workload)?;
            options.task = Task::One {
                contestant,
                workload,
            };
        }
        _ => return Err("--contestant and --workload go together".to_owned()),
    }
    let is_chosen = |one: &workload::Workload| one.name.starts_with(&options.only);
    if !workload::ALL.iter().any(is_chosen) {
        return Err(no_such_workload());
    }
    Ok(options)
}

fn check(contestant: &str, workload: &str) -> Result<(), String> {
    if workload::find(workload).is_none() {
        return Err(no_such_workload());
    }
    if !runtime::NAMES.contains(&contestant) {
        let names = runtime::NAMES.join(", ");
        return Err(format!("this build has no such runtime; it has: {names}"));
    }
    Ok(())
}

fn no_such_workload() -> String {
    let names: Vec<_> = workload::ALL.iter().map(|one| one.name).collect();
    format!("there is no such workload; there are: {}", names.join(", "))
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a positive number")),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::{Task, parse};

    fn of(line: &str) -> Result<super::Options, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_runtime_and_a_workload_go_together() {
        assert!(of("--contestant dtact").is_err());
        let one = of("--contestant dtact --workload yield/1").expect("both are there");
        assert!(matches!(one.task, Task::One { .. }));
    }

    #[test]
    fn what_is_no_workload_is_told() {
        assert!(of("--only yield").is_ok());
        assert!(of("--only nothing").unwrap_err().contains("yield/1000"));
        assert!(of("--rounds 0").is_err());
    }
}
