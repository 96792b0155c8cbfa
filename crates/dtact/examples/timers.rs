//! Time: an interval, a timeout, a sleep in plain code; and a clock that a test moves.
//!
//! ```sh
//! cargo run --example timers
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use std::{
    future::pending,
    thread,
    time::{Duration, Instant},
};

use dtact::{
    Builder, Runtime, WaitExt as _, spawn,
    time::{VirtualClock, interval, now, sleep, timeout},
};

/// Tries something until it works, with a pause that doubles each time.
async fn retry(mut attempts: u32) -> Duration {
    let begin = now();
    let mut pause = Duration::from_mins(1);
    while attempts > 1 {
        sleep(pause).await;
        pause *= 2;
        attempts -= 1;
    }
    now() - begin
}

pub(crate) fn main() {
    let runtime = Runtime::new().expect("the defaults suit every machine");
    let begin = Instant::now();
    runtime.block_on(async {
        let mut ticks = interval(Duration::from_millis(2));
        for tick in 0..3 {
            let due = ticks.tick().await;
            println!(
                "tick {tick} was due after {:?}",
                due.saturating_duration_since(begin)
            );
        }
        let late = timeout(Duration::from_millis(2), pending::<()>()).await;
        println!("{}", late.expect_err("it is never ready"));
        // Plain code sleeps too, and holds up nobody.
        sleep(Duration::from_millis(1)).wait();
    });
    assert!(begin.elapsed() >= Duration::from_millis(7));

    // In a test, time passes when it is told to.
    let clock = VirtualClock::new();
    let runtime = Builder::new()
        .workers(1)
        .clock(&clock)
        .build()
        .expect("one thread");
    let retried = runtime
        .block_on(async { Some(spawn(retry(4))) })
        .expect("it was spawned");
    while !retried.is_finished() {
        if clock.sleeping() > 0 {
            clock.advance(Duration::from_mins(1));
        }
        thread::yield_now();
    }
    let took = retried.wait().expect("it does not panic");
    println!("three pauses took {took:?}, and no time at all");
    assert!(took >= Duration::from_mins(7));
}
