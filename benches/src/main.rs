//! Dtact beside its peers: the same work, in one run, interleaved, each in a process of its own.
//!
//! ```text
//! cargo xtask bench [--rounds N] [--workers N] [--only PREFIX]
//!    |
//!    +-- rounds.rs: starts this program again for each contestant and workload
//!    |      +-- benches --contestant dtact --workload yield/1 --workers 2
//!    |             prints `4.5 <tab> ns`: a value and what it is, to a line
//!    +-- results.rs: keeps the figures of all rounds in a file
//! cargo xtask bench-report [--write]
//!    +-- report.rs, plot.rs: medians and spreads out of that file, for docs/benchmarks.md
//! cargo xtask bench --instructions
//!    +-- instructions.rs: the same runs, counted by callgrind
//! ```
//!
//! The peers are there with the feature `peers`; without it Dtact is measured alone.

mod instructions;
mod options;
mod page;
mod plot;
mod process;
mod report;
mod results;
mod rounds;
mod runtime;
mod stackful;
mod workload;

use std::{
    env,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use options::{Options, Task};
use results::Results;

/// What was measured last, beside the program.
const FILE: &str = "bench-results.tsv";
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that reports"
)]
fn main() -> ExitCode {
    let options = match options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<String> {
    match &options.task {
        Task::One {
            contestant,
            workload,
        } => one(contestant, workload, options),
        Task::Instructions => {
            let table = instructions::run(options)?;
            if options.is_written {
                page::write(&page(), "bench --instructions", &table)?;
            }
            Ok(table)
        }
        Task::Report => {
            let (circumstances, results) = Results::load(&file()?)?;
            let mut text = format!("{circumstances}\n\n{}", report::tables(&results));
            if options.is_written {
                for workers in results.workers() {
                    let name = format!("plots/peers-{workers}.svg");
                    plot::write(&Path::new(DOCS).join(&name), &results, workers)?;
                    let _ = write!(
                        text,
                        "\n![How many times as fast as tokio, with {workers} workers]({name})\n"
                    );
                }
                page::write(&page(), "bench-report", text.trim_end())?;
            }
            Ok(text)
        }
        Task::Measure => {
            let results = rounds::run(options)?;
            results.save(&file()?, &page::circumstances(options.rounds))?;
            Ok(report::tables(&results))
        }
    }
}

/// One run, in this process.
fn one(contestant: &str, workload: &str, options: &Options) -> io::Result<String> {
    let missing = || io::Error::other(format!("{contestant} does not do {workload}"));
    let workload = workload::find(workload).ok_or_else(missing)?;
    let count = options.count.unwrap_or(workload.count);
    let workers = options.workers.unwrap_or(2);
    let is_warm = !options.is_cold;
    let figures = runtime::run(
        contestant,
        workload,
        &workload::Size {
            workers,
            count,
            is_warm,
        },
    );
    let mut text = String::new();
    for figure in figures.ok_or_else(missing)? {
        let _ = writeln!(text, "{}\t{}", figure.value, figure.name);
    }
    Ok(text)
}

fn page() -> PathBuf {
    Path::new(DOCS).join("benchmarks.md")
}

fn file() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(FILE))
}
