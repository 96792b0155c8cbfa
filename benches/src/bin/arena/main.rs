//! The arena beside its peers: what stacks cost to take, to make, to keep and to switch between.
//!
//! ```text
//! cargo xtask bench-arena [--rounds N]
//! ```
//!
//! Each question is asked of every contestant in every round, one after the other in turning
//! order, so that what else the machine does hits all alike; printed are medians, and the median of
//! the ratios to the first contestant within a round. What is counted and not timed (memory,
//! mappings) is asked once.
//!
//! What this does not show: more than two threads, and machines with more than one node.

mod colour;
mod lists;
mod memory;
mod stacks;

use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const ROUNDS_DEFAULT: usize = 15;

/// One way to do what is measured: its name, and nanoseconds an operation.
type Contestant<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

#[expect(clippy::print_stderr, reason = "a program that reports")]
fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    let rounds = match words.as_slice() {
        [] => Some(ROUNDS_DEFAULT),
        ["--rounds", number] => number.parse().ok().filter(|&rounds| rounds > 0),
        _ => None,
    };
    let Some(rounds) = rounds else {
        eprintln!("usage: cargo xtask bench-arena [--rounds N]");
        return ExitCode::from(2);
    };
    lists::run(rounds);
    stacks::run(rounds);
    colour::run(rounds);
    memory::run();
    ExitCode::SUCCESS
}

/// Measures contestants in turning order and prints a line for each.
#[expect(clippy::print_stdout, reason = "a program that reports")]
fn compare(question: &str, rounds: usize, mut contestants: Vec<Contestant<'_>>) {
    let mut all = vec![Vec::new(); contestants.len()];
    // The first round warms caches, memory and frequency, and is not counted.
    for round in 0..=rounds {
        for turn in 0..contestants.len() {
            let which = (turn + round) % contestants.len();
            let nanoseconds = contestants[which].1();
            if round > 0 {
                all[which].push(nanoseconds);
            }
        }
    }
    println!("\n{question}\n");
    println!("| contestant | ns of processor time, median (p10–p90) | ÷ the first |");
    println!("| --- | --- | --- |");
    for ((name, _), times) in contestants.iter().zip(&all) {
        let ratios = times.iter().zip(&all[0]).map(|(time, first)| time / first);
        println!(
            "| {name} | {:.1} ({:.1}–{:.1}) | {:.2}× |",
            quantile(times, 50),
            quantile(times, 10),
            quantile(times, 90),
            quantile(&ratios.collect::<Vec<_>>(), 50),
        );
    }
}

fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Nanoseconds of this thread's processor time, the kernel's on its behalf included, for each of
/// `count` operations that `work` does: what others do meanwhile does not count.
fn time(count: u32, work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).expect("processor time is not negative")
    };
    let started = now();
    work();
    now().saturating_sub(started).as_secs_f64() * 1e9 / f64::from(count)
}

/// Nanoseconds for each of `count` operations that `work` does on each of two threads at once.
fn time_on_two(count: u32, work: impl Fn() + Sync) -> f64 {
    let barrier = std::sync::Barrier::new(2);
    let one = || {
        barrier.wait();
        time(count, &work)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(one);
        let mine = one();
        mine.max(other.join().expect("the work does not panic"))
    })
}
