//! Fibers that borrow: a picture is blurred in place, each row by a fiber of its own.
//!
//! ```sh
//! cargo run --example scope
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use dtact::{Runtime, scope};

pub(crate) fn main() {
    let runtime = Runtime::new().expect("the defaults suit every machine");
    let before: Vec<Vec<u32>> = (0..64)
        .map(|row| (0..64).map(|column| (row * column) % 256).collect())
        .collect();
    let mut after = before.clone();
    runtime.block_on(async {
        scope(|scope| {
            for (above, target) in before.windows(2).zip(&mut after[1..]) {
                // Both are borrowed from this frame, and nothing is counted or cloned.
                drop(scope.spawn(async move {
                    for (pixel, (one, two)) in target.iter_mut().zip(above[0].iter().zip(&above[1]))
                    {
                        *pixel = u32::midpoint(*one, *two);
                    }
                }));
            }
        });
    });
    println!(
        "the last pixel was {} and is {}",
        before[63][63], after[63][63]
    );
    assert_eq!(after[63][63], u32::midpoint(before[62][63], before[63][63]));
}
