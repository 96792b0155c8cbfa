//! Launches fibers from C, from Rust and with Boost.Fiber, in one run, interleaved.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const BOOST: Tool = Tool {
    name: "Boost.Fiber",
    probe: &[
        "sh",
        "-c",
        "test -e /usr/include/boost/fiber/all.hpp && c++ --version",
    ],
    get: "apt-get update && apt-get install -y --no-install-recommends g++ libboost-fiber-dev",
    may_lack: true,
};

const ROUNDS: usize = 15;
const COUNT: &str = "100000";

/// A contestant: what it is called in the table, and how it is run, where `@` is cargo's
/// folder.
const CONTESTANTS: [(&str, &[&str]); 6] = [
    ("C", &["@/launch-c"]),
    ("Rust", &["@/release/examples/launch"]),
    ("Boost", &["@/launch-boost", "post", "default"]),
    ("Boost, pool", &["@/launch-boost", "post", "pooled"]),
    (
        "Boost, dispatch",
        &["@/launch-boost", "dispatch", "default"],
    ),
    (
        "Boost, dispatch, pool",
        &["@/launch-boost", "dispatch", "pooled"],
    ),
];

/// Builds the three programs, lets the contestants take turns, and prints medians of nanoseconds,
/// and of the ratios to C within each round.
///
/// # Errors
///
/// When Boost is missing, or a program does not build or fails.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    shell.need(&BOOST)?;
    let build = ["cargo", "build", "--release", "-p", "dtact-ffi"];
    shell.run(&build)?;
    shell.run(&[&build[..], &["--example", "launch"]].concat())?;
    let target = shell.target().to_string_lossy().into_owned();
    let line = format!(
        "cc -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -I crates/dtact-ffi/include \
         crates/dtact-ffi/benches/launch.c {target}/release/libdtact_ffi.a -lgcc_s -lutil -lrt \
         -lpthread -lm -ldl -o {target}/launch-c && c++ -std=c++17 -O2 \
         crates/dtact-ffi/benches/launch_boost.cpp -lboost_fiber -lboost_context -lpthread -o \
         {target}/launch-boost"
    );
    shell.run(&["sh", "-c", &line])?;

    println!("| launch, run and join | ns one by one | to C | ns 1,000 at a time | to C |");
    println!("| --- | --- | --- | --- | --- |");
    let modes = ["serial", "batch"].map(|mode| rounds(&target, mode));
    let [serial, batch] = modes;
    let (serial, batch) = (serial?, batch?);
    for (which, (name, _)) in CONTESTANTS.iter().enumerate() {
        print!("| {name} |");
        for rounds in [&serial, &batch] {
            let time = median(rounds, |times| times[which]);
            let ratio = median(rounds, |times| times[which] / times[0]);
            print!(" {time:.1} | {ratio:.2} |");
        }
        println!();
    }
    Ok(())
}

/// What each contestant takes in each round. They take turns in being the first.
fn rounds(target: &str, mode: &str) -> Result<Vec<[f64; CONTESTANTS.len()]>, Halt> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut times = [0.0; CONTESTANTS.len()];
        for turn in 0..CONTESTANTS.len() {
            let which = (round + turn) % CONTESTANTS.len();
            let (program, more) = CONTESTANTS[which].1.split_first().expect("a program");
            times[which] = time(&program.replace('@', target), mode, more)?;
        }
        rounds.push(times);
    }
    Ok(rounds)
}

/// What a program says that one fiber takes.
fn time(program: &str, mode: &str, more: &[&str]) -> Result<f64, Halt> {
    let output = std::process::Command::new(program)
        .args([mode, COUNT])
        .args(more)
        .output()
        .map_err(|error| Halt::failed(format!("{program}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let errors = String::from_utf8_lossy(&output.stderr);
        Halt::failed(format!("{program} printed no time: {text}{errors}"))
    })
}

fn median<const N: usize>(rounds: &[[f64; N]], figure: impl Fn(&[f64; N]) -> f64) -> f64 {
    let mut figures: Vec<_> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        let rounds = [[9.0, 1.0, 0.0], [1.0, 2.0, 0.0], [5.0, 3.0, 0.0]];
        assert!((median(&rounds, |times| times[0]) - 5.0).abs() < f64::EPSILON);
        assert!((median(&rounds, |times| times[1]) - 2.0).abs() < f64::EPSILON);
    }
}
