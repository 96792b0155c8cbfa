//! A plot of dots as SVG: for each workload, how many times as fast as tokio each contestant is.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    process::float,
    report::ratio,
    results::{Key, Results},
    runtime, workload,
};

const LEFT: f64 = 150.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 84.0;
const ROW: f64 = 22.0;
/// Okabe and Ito's colours, which people of all colour visions tell apart.
const COLOURS: [&str; 5] = ["#D55E00", "#555555", "#0072B2", "#009E73", "#CC79A7"];
const BASELINE: &str = "tokio";
/// From a tenth to a hundred times, on a logarithmic scale.
const TICKS: [f64; 4] = [0.1, 1.0, 10.0, 100.0];

/// Draws the results of so many workers.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write(file: &Path, results: &Results, workers: usize) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, svg(results, workers))
}

fn svg(results: &Results, workers: usize) -> String {
    let mut rows = Vec::new();
    for workload in workload::ALL {
        let Some(&figure) = results.figures(workload.name, workers).first() else {
            continue;
        };
        let values = |name: &str| results.values(&Key::new(workload.name, workers, name), figure);
        let Some(baseline) = values(BASELINE) else {
            continue;
        };
        let times = |name: &&str| values(name).map(|values| ratio(baseline, values));
        let times: Vec<_> = runtime::NAMES.iter().map(times).collect();
        // What is 0 for all, such as the time of a runtime that sleeps, has no ratio.
        if times
            .iter()
            .flatten()
            .all(|times| times.is_finite() && *times > 0.0)
        {
            rows.push((workload.name, times));
        }
    }
    let bottom = ROW.mul_add(float(rows.len()), TOP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">\
         How many times as fast as {BASELINE}: {workers} workers; further right is better</text>\n",
        RIGHT + 40.0,
        bottom + 36.0,
    );
    for (at, name) in runtime::NAMES.iter().enumerate() {
        let x = 90.0_f64.mul_add(float(at), LEFT);
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.0}\" cy=\"48\" r=\"5\" fill=\"{0}\"/>\
             <text x=\"{1:.0}\" y=\"53\" fill=\"{0}\">{name}</text>",
            colour(at),
            x + 10.0,
        );
    }
    for tick in TICKS {
        let x = place(tick);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {TOP:.0}V{bottom:.0}\" stroke=\"#bbb\"/>\
             <text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#444\">{tick}×</text>",
            bottom + 20.0,
        );
    }
    for (at, (name, times)) in rows.iter().enumerate() {
        let y = ROW.mul_add(float(at), TOP + ROW / 2.0);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT:.0} {y:.1}H{RIGHT:.0}\" stroke=\"#eee\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{name}</text>",
            LEFT - 10.0,
            y + 4.5,
        );
        // The first one last, on top of the others.
        for (which, times) in times.iter().enumerate().rev() {
            if let Some(times) = times {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{}\"/>",
                    place(*times),
                    colour(which)
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

fn colour(which: usize) -> &'static str {
    COLOURS[which % COLOURS.len()]
}

/// Where a ratio lies; beyond the scale, at its end.
fn place(times: f64) -> f64 {
    let [least, most] = [TICKS[0], TICKS[TICKS.len() - 1]];
    let share = (times.clamp(least, most) / least).log(most / least);
    share.mul_add(RIGHT - LEFT, LEFT)
}

#[cfg(test)]
mod tests {
    use super::{LEFT, RIGHT, place, svg};
    use crate::results::{Key, Results};

    #[test]
    fn the_scale_ends_where_the_plot_does() {
        assert!((place(0.01) - LEFT).abs() < 0.1);
        assert!((place(1e6) - RIGHT).abs() < 0.1);
    }

    #[test]
    fn a_workload_without_the_baseline_is_left_out() {
        let mut results = Results::default();
        results.add(&Key::new("yield/1", 2, "dtact"), "4.5\tns\n");
        results.add(&Key::new("skynet", 2, "dtact"), "4.5\tns\n");
        results.add(&Key::new("skynet", 2, "tokio"), "9\tns\n");
        let svg = svg(&results, 2);
        assert!(svg.contains("skynet") && !svg.contains("yield/1"));
    }
}
