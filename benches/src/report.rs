//! Medians, spreads and ratios, as tables.

use std::fmt::Write as _;

use crate::{
    results::{Key, Results},
    runtime,
    workload::{self, Workload},
};

/// What comes before the name of a figure of processor time, beside one of wall time.
const CPU: &str = "CPU ";

/// A table for each number of workers.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = String::new();
    for workers in results.workers() {
        let _ = write!(
            text,
            "Workers: {workers}.\n\n| workload | {} | best peer | tokio |\n|",
            runtime::NAMES.join(" | ")
        );
        text.push_str(&" --- |".repeat(3 + runtime::NAMES.len()));
        for workload in workload::ALL {
            for figure in results.figures(workload.name, workers) {
                let wall = figure.strip_prefix(CPU);
                let is_beside = wall.is_some_and(|wall| {
                    let figures = results.figures(workload.name, workers);
                    figures.contains(&wall)
                });
                if !is_beside {
                    row(&mut text, results, workload, workers, figure);
                }
            }
        }
        text.push_str("\n\n");
    }
    text.push_str(&absent());
    text
}

fn row(text: &mut String, results: &Results, workload: &Workload, workers: usize, figure: &str) {
    let values = |name: &str, figure: &str| {
        let key = Key::new(workload.name, workers, name);
        results.values(&key, figure)
    };
    let _ = write!(text, "\n| `{}`, {figure} |", workload.name);
    for name in runtime::NAMES {
        let Some(all) = values(name, figure) else {
            text.push_str(" – |");
            continue;
        };
        let [low, middle, high] = percentiles(all);
        let [low, middle, high] = [low, middle, high].map(number);
        let _ = write!(text, " {middle} ({low}–{high})");
        if let Some(cpu) = values(name, &format!("{CPU}{figure}")) {
            let _ = write!(text, " [{}]", number(percentiles(cpu)[1]));
        }
        text.push_str(" |");
    }
    let own = values(runtime::NAMES[0], figure);
    let times = |name| Some(ratio(values(name, figure)?, own?));
    let peers = runtime::NAMES[1..].iter();
    let best = peers.filter_map(|name| times(name)).min_by(f64::total_cmp);
    for times in [best, times("tokio")] {
        match times.filter(|times| times.is_finite()) {
            Some(times) => {
                let _ = write!(text, " {times:.2}× |");
            }
            None => text.push_str(" – |"),
        }
    }
}

/// Who does not take part in what, and why.
fn absent() -> String {
    let mut text = String::new();
    for workload in workload::ALL {
        for (name, reason) in workload.without {
            if runtime::NAMES.contains(name) {
                let _ = writeln!(text, "- `{}` without {name}: {reason}.", workload.name);
            }
        }
    }
    text
}

/// The median of the ratios within each round.
pub(crate) fn ratio(these: &[f64], those: &[f64]) -> f64 {
    let ratios: Vec<_> = these.iter().zip(those).map(|(a, b)| a / b).collect();
    percentiles(&ratios)[1]
}

/// The 10th, 50th and 90th percentile.
pub(crate) fn percentiles(figures: &[f64]) -> [f64; 3] {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let Some(last) = figures.len().checked_sub(1) else {
        return [f64::NAN; 3];
    };
    [last / 10, last / 2, last - last / 10].map(|index| figures[index])
}

/// Three digits of it, or more before the point.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if digits > 0 && text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{number, percentiles, ratio};

    #[test]
    fn percentiles_of_one_figure_are_that_figure() {
        assert_eq!(
            percentiles(&[3.0]).map(f64::to_bits),
            [3.0_f64.to_bits(); 3]
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((percentiles(&[9.0, 1.0, 5.0])[1] - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ratio = ratio(&[2.0, 40.0, 6.0], &[1.0, 20.0, 1.0]);
        assert!((ratio - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_mean() {
        assert_eq!(
            [1234.5, 12.34, 1.234, 4.0, 0.0].map(number),
            ["1234", "12.3", "1.23", "4", "0"]
        );
    }
}
