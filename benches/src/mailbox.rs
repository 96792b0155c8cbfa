//! The mailbox between two workers by itself, uncontended: what a push and a pop cost.

use std::time::Instant;

const COUNT: u32 = 10_000_000;

/// The median time over so many rounds, and the least.
pub(crate) fn measure(rounds: usize) -> String {
    let rounds = (0..rounds).map(|_| {
        let begin = Instant::now();
        let sum = dtact_mesh::exercise_mailbox(COUNT);
        assert_eq!(sum, u64::from(COUNT) / 1000 * 499_500, "each task once");
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(COUNT)
    });
    let mut figures: Vec<_> = rounds.collect();
    figures.sort_by(f64::total_cmp);
    let median = figures[(figures.len() - 1) / 2];
    format!(
        "mailbox, push and pop: {median:.2} ns (least {:.2})",
        figures[0]
    )
}
