//! The same as `benches/launch.c` from Rust: launches, runs and joins empty fibers from inside a
//! fiber, and prints nanoseconds for one. One worker.
//!
//! Run with `cargo run --release -p dtact-ffi --example launch -- serial|batch COUNT`.
#![allow(unsafe_code, reason = "switches stackful suspension on, as C does")]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Instant;

use dtact::{Builder, spawn_with_stack};

const BATCH: usize = 1000;

fn launch(batch: usize, count: u32) -> f64 {
    let begin = Instant::now();
    let mut fibers = Vec::new();
    fibers.resize_with(batch, || None);
    for _ in 0..count as usize / batch {
        for fiber in &mut fibers {
            *fiber = Some(spawn_with_stack(1, || ()));
        }
        for fiber in fibers.iter_mut().filter_map(Option::take) {
            fiber.wait().expect("it does nothing");
        }
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let batch = match args.next().as_deref() {
        Some("serial") => 1,
        Some("batch") => BATCH,
        _ => return Err("usage: launch serial|batch COUNT".into()),
    };
    let count: u32 = args.next().unwrap_or_default().parse()?;
    let builder = Builder::new().workers(1).stack_bytes(65_536);
    // SAFETY: the fibers of this program do nothing, and the one that waits holds nothing.
    let runtime = unsafe { builder.enable_stackful() }.build()?;
    let ns = runtime
        .spawn_with_stack(1, move || launch(batch, count))
        .wait()?;
    println!("{ns:.1}");
    Ok(())
}
