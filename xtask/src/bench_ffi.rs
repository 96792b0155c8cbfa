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
const COUNT: &str = "300000";

/// Builds the three programs, lets them take turns, and prints medians of nanoseconds, and of the
/// ratios to C within each round.
///
/// # Errors
///
/// When Boost is missing, or a program does not build or fails.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    shell.need(&BOOST)?;
    let build = ["cargo", "build", "--release", "-p", "dtact-ffi"];
    shell.run(&build)?;
    shell.run(&[&build[..], &["--example", "launch"]].concat())?;
    let target = shell.target();
    let release = target.join("release").to_string_lossy().into_owned();
    let folder = target.to_string_lossy();
    let programs = [
        format!("{folder}/launch-c"),
        format!("{release}/examples/launch"),
        format!("{folder}/launch-boost"),
    ];
    let line = format!(
        "cc -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -I crates/dtact-ffi/include \
         crates/dtact-ffi/benches/launch.c {release}/libdtact_ffi.a -lgcc_s -lutil -lrt -lpthread \
         -lm -ldl -o {0} && c++ -std=c++17 -O2 crates/dtact-ffi/benches/launch_boost.cpp \
         -lboost_fiber -lboost_context -lpthread -o {1}",
        programs[0], programs[2]
    );
    shell.run(&["sh", "-c", &line])?;

    println!("| launch, run and join | C ns | Rust ns | Boost.Fiber ns | C to Rust | Boost to C |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for mode in ["serial", "batch"] {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut times = [0.0; 3];
            for turn in 0..programs.len() {
                let which = (round + turn) % programs.len();
                times[which] = time(&programs[which], mode)?;
            }
            rounds.push(times);
        }
        let [c, rust, boost] = [0, 1, 2].map(|which| median(&rounds, |times| times[which]));
        let to_rust = median(&rounds, |times| times[0] / times[1]);
        let of_boost = median(&rounds, |times| times[2] / times[0]);
        println!("| {mode} | {c:.1} | {rust:.1} | {boost:.1} | {to_rust:.2} | {of_boost:.2} |");
    }
    Ok(())
}

/// What a program says that one fiber takes.
fn time(program: &str, mode: &str) -> Result<f64, Halt> {
    let output = std::process::Command::new(program)
        .args([mode, COUNT])
        .output()
        .map_err(|error| Halt::failed(format!("{program}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let errors = String::from_utf8_lossy(&output.stderr);
        Halt::failed(format!("{program} printed no time: {text}{errors}"))
    })
}

fn median(rounds: &[[f64; 3]], figure: impl Fn(&[f64; 3]) -> f64) -> f64 {
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
