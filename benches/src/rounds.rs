//! Runs everything: each contestant in a process of its own, in turning order.
//!
//! ```text
//!   round 1:  workload a: dtact tokio smol   workload b: dtact tokio smol   ...
//!   round 2:  workload a: tokio smol dtact   workload b: tokio smol dtact   ...
//! ```
//!
//! So what else the machine does hits all alike, and no contestant inherits another's heap.

use std::{
    env,
    io::{self, Read as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    options::Options,
    results::{Key, Results},
    runtime,
    workload::{self, Workload},
};

/// Far longer than any run takes: what has not ended by then never will.
const TIME_MAX: Duration = Duration::from_secs(30);

/// All chosen workloads, for each number of workers, so many rounds.
///
/// # Errors
///
/// When a process cannot be started.
#[expect(clippy::print_stderr, reason = "says how far it is")]
pub(crate) fn run(options: &Options) -> io::Result<Results> {
    let mut results = Results::default();
    let names = runtime::NAMES;
    let all = workers(options.workers);
    for round in 0..options.rounds {
        for &workers in &all {
            for workload in workload::ALL {
                let is_largest = all.last() == Some(&workers);
                let is_chosen = workload.name.starts_with(&options.only);
                if !is_chosen || !workload.is_scaled && !is_largest {
                    continue;
                }
                for turn in 0..names.len() {
                    let name = names[(turn + round) % names.len()];
                    let key = Key::new(workload.name, workers, name);
                    if !workload.is_done_by(name) || !workload.is_for(workers) {
                        continue;
                    }
                    match child(name, workload, workers)? {
                        Some(text) => results.add(&key, &text),
                        None => eprintln!("{name} has not finished {}", workload.name),
                    }
                }
            }
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    Ok(results)
}

/// 1, 2, and as many as there are processors.
fn workers(only: Option<usize>) -> Vec<usize> {
    let most = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut workers = only.map_or_else(|| vec![1, 2, most], |only| vec![only]);
    workers.sort_unstable();
    workers.dedup();
    workers
}

/// What one run of its own prints, if it comes to its end.
fn child(name: &str, workload: &Workload, workers: usize) -> io::Result<Option<String>> {
    let mut child = Command::new(env::current_exe()?)
        .args(["--contestant", name, "--workload", workload.name])
        .args(["--workers", &workers.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > TIME_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output.read_to_string(&mut text)?;
    }
    // A runtime that it has not heard of has printed nothing.
    Ok(status.success().then_some(text))
}
