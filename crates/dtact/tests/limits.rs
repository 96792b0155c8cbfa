//! As many runtimes as there can be. Alone in its process: it takes all the places.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::bounded;
use dtact::Builder;

#[test]
fn as_many_runtimes_as_there_can_be_are_an_error_beyond() {
    bounded(|| {
        let mut runtimes = Vec::new();
        let error = loop {
            match Builder::new()
                .workers(1)
                .fibers(16)
                .stacks(4)
                .stack("16K")
                .build()
            {
                Ok(runtime) => runtimes.push(runtime),
                Err(error) => break error,
            }
            assert!(runtimes.len() <= 256);
        };
        assert!(
            matches!(error, dtact::BuildError::TooManyRuntimes),
            "{error}"
        );
        drop(runtimes.pop());
        drop(
            Builder::new()
                .workers(1)
                .fibers(16)
                .stack("64K")
                .build()
                .unwrap(),
        );
    });
}
