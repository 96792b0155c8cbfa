//! Medians, spreads and ratios, as a table.

use std::fmt::Write as _;

/// What was measured: for each workload, a list of rounds, in each one figure per contestant.
#[derive(Debug)]
pub(crate) struct Table {
    contestants: Vec<&'static str>,
    rows: Vec<(&'static str, Vec<Vec<f64>>)>,
}

impl Table {
    pub(crate) fn new(contestants: Vec<&'static str>) -> Self {
        Self {
            contestants,
            rows: Vec::new(),
        }
    }

    /// Adds a round of one workload.
    pub(crate) fn add(&mut self, workload: &'static str, round: &[f64]) {
        match self.rows.iter_mut().find(|(name, _)| *name == workload) {
            Some((_, rounds)) => rounds.push(round.to_vec()),
            None => self.rows.push((workload, vec![round.to_vec()])),
        }
    }

    /// The table, with the first contestant as the measure of the others.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::from("| workload |");
        for name in &self.contestants {
            let _ = write!(text, " {name} ns/op (p10–p90) |");
        }
        for name in &self.contestants[1..] {
            let _ = write!(text, " {name} is faster |");
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(2 * self.contestants.len() - 1));
        for (name, rounds) in &self.rows {
            let _ = write!(text, "\n| {name} |");
            for which in 0..self.contestants.len() {
                let mut figures: Vec<_> = rounds.iter().map(|round| round[which]).collect();
                let [low, middle, high] = percentiles(&mut figures);
                let _ = write!(text, " {middle:.1} ({low:.1}–{high:.1}) |");
            }
            for which in 1..self.contestants.len() {
                let mut ratios: Vec<_> =
                    rounds.iter().map(|round| round[0] / round[which]).collect();
                let [_, middle, _] = percentiles(&mut ratios);
                let _ = write!(text, " {middle:.2}× |");
            }
        }
        text
    }
}

/// The 10th, 50th and 90th percentile.
fn percentiles(figures: &mut [f64]) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    let last = figures.len() - 1;
    [last / 10, last / 2, last - last / 10].map(|index| figures[index])
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    #[test]
    fn percentiles_of_one_figure_are_that_figure() {
        assert_eq!(
            percentiles(&mut [3.0]).map(f64::to_bits),
            [3.0_f64.to_bits(); 3]
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((percentiles(&mut [9.0, 1.0, 5.0])[1] - 5.0).abs() < f64::EPSILON);
    }
}
