//! What all fibers are doing: names, states, and where each was spawned.
//!
//! ```sh
//! cargo run --example dump
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use std::{thread, time::Duration};

use dtact::{Builder, FiberStatus, spawn_with, task, time::sleep, wait};

#[task(name = "heartbeat")]
async fn heartbeat() {
    loop {
        sleep(Duration::from_mins(1)).await;
    }
}

pub(crate) fn main() {
    // SAFETY: nothing here waits in a thread-local's initialiser or a scoped thread-local.
    let builder = unsafe { Builder::new().enable_stackful() };
    let runtime = builder
        .workers(2)
        .build()
        .expect("the machine has two threads");
    drop(runtime.spawn(heartbeat()));
    runtime.block_on(async {
        drop(
            spawn_with()
                .name("reader")
                .spawn_fn(|| wait(std::future::pending::<()>())),
        );
    });
    let is_parked = || {
        let dump = runtime.dump();
        dump.fibers()
            .iter()
            .all(|fiber| fiber.status() == FiberStatus::Parked)
    };
    while !is_parked() {
        thread::yield_now();
    }
    let text = runtime.dump().to_string();
    print!("{text}");
    assert!(text.contains("\"heartbeat\": parked"));
    assert!(text.contains("\"reader\": parked, suspended in wait() on worker"));
}
