//! The plots of `docs/scheduling.md`: what is on them, and how it is simulated.

use std::{fs, path::Path};

use dtact_mesh::sim::{Machine, Policy, Report, Scenario, Setup, Violation, run};

use crate::svg::{Chart, Line, Scale, Style};

const POLICIES: [Policy; 4] = [Policy::Ideal, Policy::Both, Policy::Steal, Policy::Deflect];
const WORKERS: u16 = 64;

/// Writes all plots into a folder, with so many tasks a point.
pub(crate) fn write(folder: &Path, tasks: u32) -> Result<(), Box<dyn std::error::Error>> {
    let loads = sweep_loads(tasks)?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let us = |ns: u64| ns as f64 / 1000.0;
    save(
        folder,
        "mean-wait",
        &Chart {
            title: "Mean wait, 64 workers, bimodal",
            x: ("load", Scale::Linear),
            y: ("us", Scale::Log),
            lines: lines(&loads, |report| us(report.waits.mean)),
        },
    )?;
    save(
        folder,
        "p99-wait",
        &Chart {
            title: "99th percentile of the wait, 64 workers, bimodal",
            x: ("load", Scale::Linear),
            y: ("us", Scale::Log),
            lines: lines(&loads, |report| us(report.waits.p99)),
        },
    )?;
    save(
        folder,
        "messages",
        &Chart {
            title: "Messages for each task, 64 workers, bimodal",
            x: ("load", Scale::Linear),
            y: (
                "queues of others looked at, tasks passed on, and wake-ups",
                Scale::Linear,
            ),
            lines: lines(&loads, Report::messages_per_task),
        },
    )?;
    save(
        folder,
        "hot-core",
        &Chart {
            title: "One task spawns 20,000 of 1 us: makespan",
            x: ("workers", Scale::Log),
            y: ("multiple of the bound", Scale::FromOne),
            lines: sweep_workers()?,
        },
    )
}

fn save(folder: &Path, name: &str, chart: &Chart) -> Result<(), Box<dyn std::error::Error>> {
    let path = folder.join(format!("sim-{name}.svg"));
    Ok(fs::write(path, chart.svg())?)
}

type Sweep = Vec<(Policy, Vec<(f64, Report)>)>;

fn sweep_loads(tasks: u32) -> Result<Sweep, Violation> {
    let machine = Machine::grouped(WORKERS, 8, 32);
    let mut sweep: Sweep = POLICIES
        .iter()
        .map(|&policy| (policy, Vec::new()))
        .collect();
    for percent in (10..=95).step_by(5) {
        let at = f64::from(percent) / 100.0;
        let load = Scenario::Bimodal.load(&machine, tasks, at, 1);
        for (policy, reports) in &mut sweep {
            let setup = Setup::new(*policy);
            reports.push((at, run(&load, &machine, &setup)?));
        }
    }
    Ok(sweep)
}

fn sweep_workers() -> Result<Vec<Line>, Violation> {
    let mut lines = Vec::new();
    for policy in POLICIES {
        let mut points = Vec::new();
        for workers in (0..=9).map(|power| 1_u16 << power) {
            let machine = Machine::grouped(workers, 8, 32);
            let load = Scenario::HotCore.load(&machine, 20_000, 1.0, 1);
            let report = run(&load, &machine, &Setup::new(policy))?;
            points.push((f64::from(workers), report.stretch()));
        }
        lines.push(line(policy, points));
    }
    Ok(lines)
}

fn lines(sweep: &Sweep, value: impl Fn(&Report) -> f64) -> Vec<Line> {
    let lines = sweep.iter().map(|(policy, reports)| {
        let points = reports.iter().map(|(at, report)| (*at, value(report)));
        line(*policy, points.collect())
    });
    lines.collect()
}

fn line(policy: Policy, points: Vec<(f64, f64)>) -> Line {
    Line {
        name: policy.to_string(),
        style: match policy {
            Policy::Ideal => Style::Dashed,
            Policy::Both => Style::Wide,
            _ => Style::Plain,
        },
        points,
    }
}
