//! A pipeline: numbers go through three stages, each a fiber, by channels that know no runtime.
//!
//! ```sh
//! cargo run --example pipeline
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use dtact::{Runtime, WaitExt as _, spawn, spawn_with};

pub(crate) fn main() {
    let runtime = Runtime::new().expect("the defaults suit every machine");
    let sum = runtime.block_on(async {
        let (numbers, to_square) = async_channel::bounded::<u64>(8);
        let (squares, to_sum) = async_channel::bounded::<u64>(8);

        // A future: it awaits, and has no stack meanwhile.
        let source = spawn_with().name("source").spawn(async move {
            for number in 1..=1_000 {
                if numbers.send(number).await.is_err() {
                    break;
                }
            }
        });
        // Plain code: it waits, at whatever depth.
        let middle = spawn_with().name("square").spawn_fn(move || {
            while let Ok(number) = to_square.recv().wait() {
                if squares.send(number * number).wait().is_err() {
                    break;
                }
            }
        });
        let sink = spawn(async move {
            let mut sum = 0;
            while let Ok(square) = to_sum.recv().await {
                sum += square;
            }
            sum
        });
        source.await.expect("it does not panic");
        middle.await.expect("it does not panic");
        sink.await.expect("it does not panic")
    });
    println!("the sum of the first thousand squares is {sum}");
    assert_eq!(sum, 333_833_500);
}
