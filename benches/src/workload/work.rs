//! Work of a known length, which does not read the clock.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// How many turns of the loop are a microsecond here.
#[derive(Clone, Copy)]
pub(super) struct Work {
    turns_per_us: u64,
}

impl Work {
    pub(super) fn calibrate() -> Self {
        const TURNS: u64 = 500_000;
        let once = |_| {
            let begin = Instant::now();
            turn(TURNS);
            begin.elapsed()
        };
        let least: Duration = (0..7).map(once).min().unwrap_or_default();
        let us = least.as_nanos().max(1);
        let turns = u128::from(TURNS) * 1000 / us;
        Self {
            turns_per_us: u64::try_from(turns).unwrap_or(1).max(1),
        }
    }

    /// Works for so many microseconds.
    pub(super) fn run(self, us: u64) {
        turn(self.turns_per_us * us);
    }
}

fn turn(turns: u64) {
    let mut number = 1_u64;
    for _ in 0..turns {
        number = black_box(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    black_box(number);
}
