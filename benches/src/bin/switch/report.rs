//! Medians, spreads and ratios, as a table.

use std::fmt::Write as _;

/// What was measured: a list of rounds, in each one figure per contender.
pub(crate) struct Table {
    contenders: Vec<&'static str>,
    rounds: Vec<Vec<f64>>,
}

impl Table {
    pub(crate) fn new(contenders: Vec<&'static str>) -> Self {
        Self {
            contenders,
            rounds: Vec::new(),
        }
    }

    /// Adds a round.
    pub(crate) fn add(&mut self, figures: Vec<f64>) {
        self.rounds.push(figures);
    }

    /// The table, with the first contender as the measure of the others.
    pub(crate) fn to_markdown(&self, name: &str, step: &str) -> String {
        let measure = self.contenders[0];
        let mut text = format!(
            "`{name}`: {step}.\n\n| contender | ns (p10–p90) | ratio to {measure} |\n\
             | --- | --- | --- |"
        );
        for (which, contender) in self.contenders.iter().enumerate() {
            let [low, middle, high] = self.percentiles(|round| round[which]);
            let [_, ratio, _] = self.percentiles(|round| round[which] / round[0]);
            let _ = write!(
                text,
                "\n| {contender} | {middle:.2} ({low:.2}–{high:.2}) | {ratio:.2} |"
            );
        }
        text
    }

    /// The 10th, 50th and 90th percentile.
    fn percentiles(&self, figure: impl Fn(&Vec<f64>) -> f64) -> [f64; 3] {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len() - 1;
        [last / 10, last / 2, last - last / 10].map(|index| figures[index])
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut table = Table::new(vec!["a", "b"]);
        for round in [[1.0, 3.0], [10.0, 20.0], [100.0, 200.0]] {
            table.add(round.to_vec());
        }
        let text = table.to_markdown("w", "one step");
        assert!(
            text.contains("| b | 20.00 (3.00–200.00) | 2.00 |"),
            "{text}"
        );
    }
}
