//! Dtact beside tokio: the same work, in one run, interleaved.
//!
//! ```text
//! cargo xtask bench [--workers N] [--rounds N] [--only NAME] [--write]
//!                   [--once RUNTIME [--count N]]
//! ```
//!
//! A round runs every workload on every runtime, one after the other, in an order that turns with
//! each round; so what else the machine does hits all alike. Printed are the median time of an
//! operation, the spread (10th to 90th percentile), and the median of the ratios that each round
//! gave: absolute times on a shared machine prove little, ratios within a round a little more.
//!
//! What this does not show: many cores, real input and output, tails of latency.
//!
//! `--once RUNTIME` runs the chosen workloads once on one runtime, for `valgrind` and profilers;
//! `--count N` makes it so many operations.
//! `--only mailbox` times the mailbox between two workers, by itself.
//! `--write` puts the table into `docs/benchmarks.md`.

mod burst;
mod contestant;
mod hand_over;
mod mailbox;
mod page;
mod report;
mod workload;

use std::{env, path::Path, process::ExitCode};

use contestant::Contestant;
use report::Table;
use workload::Workload;

const USAGE: &str = "\
usage: cargo xtask bench [--workers N] [--rounds N] [--only NAME] [--write]
                         [--once RUNTIME [--count N]]";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
const ROUNDS_DEFAULT: usize = 11;

/// What the command line asks for.
struct Options {
    workers: usize,
    rounds: usize,
    only: Option<String>,
    once: Option<String>,
    count: Option<usize>,
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
    let chosen: Vec<_> = workload::ALL
        .into_iter()
        .filter(|workload| {
            options
                .only
                .as_deref()
                .is_none_or(|only| workload.name == only)
        })
        .collect();
    if options.only.as_deref() == Some("mailbox") {
        println!("{}", mailbox::measure(options.rounds));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        let names: Vec<_> = workload::ALL
            .into_iter()
            .map(|workload| workload.name)
            .collect();
        eprintln!("there is no such workload; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    if let Some(name) = options.once {
        let Some(contestant) = contestant::by_name(&name, options.workers) else {
            eprintln!("there is no runtime `{name}`; there are: dtact, tokio");
            return ExitCode::from(2);
        };
        for workload in chosen {
            let ns = run(
                &contestant,
                workload,
                options.count.unwrap_or(workload.count),
            );
            println!("{} {}: {ns:.1} ns", workload.name, contestant.name());
        }
        return ExitCode::SUCCESS;
    }
    let table = measure(&chosen, options.workers, options.rounds).to_markdown();
    println!("{table}");
    if options.is_written {
        let circumstances = page::circumstances(options.workers, options.rounds);
        if let Err(error) = page::write(
            Path::new(PAGE),
            "bench",
            &format!("{circumstances}\n\n{table}"),
        ) {
            eprintln!("the page was not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(chosen: &[&'static Workload], workers: usize, rounds: usize) -> Table {
    let contestants = contestant::all(workers);
    let mut table = Table::new(contestants.iter().map(Contestant::name).collect());
    // The first round warms caches, memory and frequency, and is not counted.
    for round in 0..=rounds {
        for workload in chosen {
            let mut row = vec![0.0; contestants.len()];
            for turn in 0..contestants.len() {
                let which = (turn + round) % contestants.len();
                row[which] = run(&contestants[which], workload, workload.count);
            }
            if round > 0 {
                table.add(workload.name, &row);
            }
        }
    }
    table
}

/// Nanoseconds an operation.
fn run(contestant: &Contestant, workload: &Workload, count: usize) -> f64 {
    let elapsed = contestant.run(workload.kind, count);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = count as f64;
    elapsed.as_secs_f64() * 1e9 / count
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut options = Options {
        workers,
        rounds: ROUNDS_DEFAULT,
        only: None,
        once: None,
        count: None,
        is_written: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--workers" => options.workers = number(&value()?)?,
            "--rounds" => options.rounds = number(&value()?)?,
            "--only" => options.only = Some(value()?),
            "--once" => options.once = Some(value()?),
            "--count" => options.count = Some(number(&value()?)?),
            "--write" => options.is_written = true,
            _ => return Err(format!("{arg} is not an option")),
        }
    }
    Ok(options)
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a positive number")),
        Ok(number) => Ok(number),
    }
}
