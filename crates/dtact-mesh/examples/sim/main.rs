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

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        None => Ok(tables()?),
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
