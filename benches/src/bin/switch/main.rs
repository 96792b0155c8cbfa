//! The switch beside its peers: the same loop, in one run, interleaved.
//!
//! ```text
//! cargo xtask bench-switch [--rounds N] [--only WORKLOAD] [--write] [--once CONTENDER [--count N]]
//! ```
//!
//! A round runs every contender of a workload, one after the other, in an order that turns with
//! each round. Printed are the median of each, the spread (10th to 90th percentile), and the median
//! of the ratios to the first that each round gave.
//!
//! What this does not show: cold stacks, callers with many live values, large values.
//!
//! `--once` runs one contender alone, for `valgrind --tool=callgrind`: the difference between two
//! runs, divided by that of their `--count`, is what a step takes.
//! `--write` puts the tables into `docs/benchmarks.md`.

mod coroutines;
mod naked;
#[path = "../../page.rs"]
mod page;
mod report;

use std::time::Instant;
use std::{env, path::Path, process::ExitCode};

const USAGE: &str = "\
usage: cargo xtask bench-switch [--rounds N] [--only WORKLOAD] [--write]
                                [--once CONTENDER [--count N]]";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
const ROUNDS_DEFAULT: usize = 301;
/// Steps of a contender in a round: short enough that it is seldom interrupted on a busy machine.
const STEPS: u64 = 20_000;

/// Does the number of steps that it is told.
type Run = Box<dyn FnMut(u64)>;

/// One way to do the work.
struct Contender {
    name: &'static str,
    prepare: fn() -> Run,
}

/// What is compared; the first contender is the measure.
struct Workload {
    name: &'static str,
    step: &'static str,
    contenders: Vec<Contender>,
}

fn workloads() -> Vec<Workload> {
    vec![
        coroutines::round_trips(),
        coroutines::lives(),
        naked::ping_pong(),
    ]
}

/// What the command line asks for.
struct Options {
    rounds: usize,
    only: Option<String>,
    once: Option<String>,
    count: u64,
    is_written: bool,
}

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that reports"
)]
fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut chosen = workloads();
    if let Some(only) = &options.only {
        chosen.retain(|workload| workload.name == only.as_str());
    }
    if let Some(once) = &options.once {
        let contender = chosen
            .iter()
            .flat_map(|workload| &workload.contenders)
            .find(|contender| contender.name == once);
        let Some(contender) = contender else {
            eprintln!("no contender is called {once}\n{USAGE}");
            return ExitCode::from(2);
        };
        (contender.prepare)()(options.count);
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        eprintln!("there is no such workload\n{USAGE}");
        return ExitCode::from(2);
    }
    let mut text = page::circumstances(options.rounds);
    for workload in &chosen {
        text.push_str("\n\n");
        text.push_str(&compare(workload, options.rounds));
    }
    println!("{text}");
    if options.is_written
        && let Err(error) = page::write(Path::new(PAGE), "bench-switch", &text)
    {
        eprintln!("{PAGE}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Lets the contenders take turns; the table of what came of it.
fn compare(workload: &Workload, rounds: usize) -> String {
    let contenders = &workload.contenders;
    let mut runs: Vec<Run> = contenders.iter().map(|one| (one.prepare)()).collect();
    let mut table = report::Table::new(contenders.iter().map(|one| one.name).collect());
    // The first round warms up.
    for round in 0..=rounds {
        let mut figures = vec![0.0; runs.len()];
        for turn in 0..runs.len() {
            let which = (turn + round) % runs.len();
            let started = Instant::now();
            runs[which](STEPS);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a number of steps that a float holds"
            )]
            let steps = STEPS as f64;
            figures[which] = started.elapsed().as_secs_f64() * 1e9 / steps;
        }
        if round > 0 {
            table.add(figures);
        }
    }
    table.to_markdown(workload.name, workload.step)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        rounds: ROUNDS_DEFAULT,
        only: None,
        once: None,
        count: 1_000_000,
        is_written: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} what?"));
        match word.as_str() {
            "--rounds" => options.rounds = number(&value()?)?,
            "--count" => options.count = number(&value()?)?,
            "--only" => options.only = Some(value()?),
            "--once" => options.once = Some(value()?),
            "--write" => options.is_written = true,
            _ => return Err(format!("{word} is not known")),
        }
    }
    if options.rounds == 0 {
        return Err(String::from("a median of no rounds"));
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}
