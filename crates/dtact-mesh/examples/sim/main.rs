//! The simulator's comparisons: tables on the terminal, and plots.
//!
//! ```text
//! cargo run --release -p dtact-mesh --features sim --example sim              tables
//! cargo run --release -p dtact-mesh --features sim --example sim -- FOLDER    plots, into FOLDER
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod plots;
mod svg;

use std::{env, error::Error, path::Path};

use dtact_mesh::{
    Deflection,
    sim::{Costs, Machine, Policy, Report, Scenario, Setup, Violation, run},
};

/// For each line of a table, and each point of a plot.
const TASKS: u32 = 40_000;
const TASKS_A_POINT: u32 = 20_000;
/// For each line of the averages.
const SEEDS: u32 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        None => {
            tables()?;
            Ok(averages()?)
        }
        Some(folder) => plots::write(Path::new(&folder), TASKS_A_POINT),
    }
}

/// Who is compared: the defaults, and deflection that begins earlier.
fn setups(costs: Costs) -> Vec<(String, Setup)> {
    let mut setups = vec![
        ("ideal".to_owned(), Setup::new(Policy::Ideal)),
        ("steal".to_owned(), Setup::new(Policy::Steal)),
    ];
    for threshold in [1, 75] {
        let deflection = Deflection {
            threshold,
            ..Deflection::default()
        };
        for policy in [Policy::Deflect, Policy::Both] {
            let setup = Setup {
                deflection,
                ..Setup::new(policy)
            };
            setups.push((format!("{policy}, {threshold} %"), setup));
        }
    }
    let with_costs = |(name, setup)| (name, Setup { costs, ..setup });
    setups.into_iter().map(with_costs).collect()
}

fn tables() -> Result<(), Violation> {
    for (costs, name) in [
        (Costs::NONE, "nothing costs anything"),
        (Costs::default(), "usual costs"),
    ] {
        for load in [0.4, 0.9] {
            println!(
                "\nLoad {load}, {name}\n\n| scenario | policy {}",
                Report::HEADING
            );
            for scenario in Scenario::ALL {
                let machine = scenario.machine(Machine::grouped(64, 8, 32));
                let load = scenario.load(&machine, TASKS, load, 1);
                for (name, setup) in setups(costs) {
                    let report = run(&load, &machine, &setup)?;
                    println!("| {scenario:14} | {name:18} {report}");
                }
            }
        }
    }
    Ok(())
}

/// Both kinds of stealing side by side, each figure the average over some seeds: one seed's tail
/// tells little.
fn averages() -> Result<(), Violation> {
    println!(
        "\nbimodal, averages over {SEEDS} seeds\n\n| load, costs | policy | mean wait, us \
         | p99, us | messages a task |\n| --- | --- | ---: | ---: | ---: |"
    );
    let machine = Machine::grouped(64, 8, 32);
    for utilization in [0.9, 0.4] {
        for (costs, name) in [(Costs::NONE, "none"), (Costs::default(), "usual")] {
            for policy in [Policy::Ideal, Policy::Both] {
                let (mut mean, mut p99, mut messages) = (0, 0, 0);
                for seed in 1..=SEEDS {
                    let load = Scenario::Bimodal.load(&machine, TASKS, utilization, seed.into());
                    let setup = Setup {
                        costs,
                        seed,
                        ..Setup::new(policy)
                    };
                    let report = run(&load, &machine, &setup)?;
                    mean += report.waits.mean;
                    p99 += report.waits.p99;
                    messages += report.messages.total();
                }
                #[expect(clippy::cast_precision_loss, reason = "figures for people")]
                let average = |sum: u64, of: u32| sum as f64 / f64::from(SEEDS * of);
                println!(
                    "| {utilization}, {name} | {policy} | {:.2} | {:.1} | {:.1} |",
                    average(mean, 1000),
                    average(p99, 1000),
                    average(messages, TASKS),
                );
            }
        }
    }
    Ok(())
}
