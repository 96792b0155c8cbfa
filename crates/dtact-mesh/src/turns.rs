//! Owns whose turn it is among the priorities: the highest that has work, unless a lower one has
//! been passed over too often.

use core::cell::Cell;

/// How often in a row a priority with work is passed over. Then it is its turn, after those that
/// have waited longer.
pub(crate) const PASSES_MAX: u8 = 16;

/// For each priority, how often in a row it was passed over.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    passed: [Cell<u8>; 4],
}

impl Turns {
    /// Picks one of the priorities whose bits are set in `mask`, which is not 0.
    ///
    /// One that stays in the mask is picked at least once in `PASSES_MAX + 4` calls: it is due
    /// after `PASSES_MAX`, and of the three others each comes before it at most once then, since
    /// one that is picked starts again from 0, and is due later.
    pub(crate) fn pick(&self, mask: u8) -> usize {
        let waiting = (0..4).filter(|at| mask & 1 << at != 0);
        let due = waiting
            .clone()
            .filter(|&at| self.passed[at].get() >= PASSES_MAX);
        // Of those that have waited equally long, the lowest: nobody else looks after it.
        let longest = due.min_by_key(|&at| (u8::MAX - self.passed[at].get(), at));
        let pick = longest.or_else(|| waiting.max()).unwrap_or(0);
        for (at, passed) in self.passed.iter().enumerate() {
            let waits = at != pick && mask & 1 << at != 0;
            passed.set(if waits {
                passed.get().saturating_add(1)
            } else {
                0
            });
        }
        pick
    }
}

#[cfg(all(test, not(dtact_loom), not(dtact_shuttle)))]
mod tests {
    use super::{PASSES_MAX, Turns};

    #[test]
    fn the_highest_priority_is_picked() {
        let turns = Turns::default();
        assert_eq!(turns.pick(0b0001), 0);
        assert_eq!(turns.pick(0b0111), 2);
        assert_eq!(turns.pick(0b1111), 3);
    }

    #[test]
    fn none_is_passed_over_more_often_than_the_formula_says() {
        for mask in 1..16_u8 {
            let turns = Turns::default();
            let mut waits = [0_u32; 4];
            let mut longest = 0;
            for _ in 0..if cfg!(miri) { 200 } else { 10_000 } {
                let pick = turns.pick(mask);
                assert_ne!(mask & 1 << pick, 0);
                for (at, wait) in waits.iter_mut().enumerate() {
                    *wait = if at == pick { 0 } else { *wait + 1 };
                    if mask & 1 << at != 0 {
                        longest = longest.max(*wait);
                    }
                }
            }
            assert!(longest < u32::from(PASSES_MAX) + 4, "{mask:04b}: {longest}");
            if mask.count_ones() > 1 {
                assert!(longest >= u32::from(PASSES_MAX), "the bound says nothing");
            }
        }
    }
}
