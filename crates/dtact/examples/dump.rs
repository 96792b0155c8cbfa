//! What all fibers are doing: names, states, ages, where each was spawned and where it waits, as
//! text and as JSON.
//!
//! ```sh
//! cargo run --example dump
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use std::{thread, time::Duration};

use dtact::{Builder, Dump, FiberStatus, NoStack, spawn_with, task, time::sleep, wait};

/// Any depth of plain calls may wait; the dump shows them.
#[inline(never)]
fn reads() {
    wait(std::future::pending::<()>());
}

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
        .spawn_times(true)
        .build()
        .expect("the machine has two threads");
    drop(runtime.spawn(heartbeat()));
    runtime.block_on(async {
        drop(spawn_with().name("reader").spawn_fn(reads));
    });
    let is_told = |dump: &Dump| {
        let mut fibers = dump.fibers().iter();
        fibers.all(|fiber| {
            let is_parked = fiber.status() == FiberStatus::Parked;
            is_parked && dump.stack(fiber).err() != Some(NoStack::Busy)
        })
    };
    let mut dump = runtime.dump();
    while !is_told(&dump) {
        thread::yield_now();
        dump = runtime.dump();
    }
    let text = dump.to_string();
    print!("{text}");
    assert!(text.contains("\"heartbeat\": parked"));
    assert!(text.contains("\"reader\": parked, suspended in wait() on worker"));
    let can_walk = dump.fibers().iter().any(|fiber| dump.stack(fiber).is_ok());
    assert_eq!(text.contains("reads at "), can_walk);
    let json = dump.to_json();
    print!("{json}");
    assert!(json.contains(r#""state":"parked","age_ns":"#));
}
