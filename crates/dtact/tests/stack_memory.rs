//! Memory of the stacks of a burst goes back to the system when the burst is over.
//!
//! The sanitizers have memory of their own for each byte.
#![cfg(not(any(dtact_asan, dtact_tsan)))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    env, fs,
    future::poll_fn,
    hint::black_box,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{LIMIT, bounded, stackful};
use dtact::{Runtime, wait};

const FIBERS: usize = 1_000;

/// Whoever waits at it goes on when it opens.
#[derive(Default)]
struct Gate {
    is_open: bool,
    waiting: Vec<Waker>,
}

fn pass(gate: &Mutex<Gate>) {
    wait(poll_fn(|context| {
        let mut gate = gate.lock().unwrap();
        if gate.is_open {
            return Poll::Ready(());
        }
        gate.waiting.push(context.waker().clone());
        Poll::Pending
    }));
}

/// Has a frame that touches more than 32 KiB of the stack.
#[expect(clippy::large_stack_arrays, reason = "the stack is to be used")]
#[inline(never)]
fn use_stack() {
    let words = [1_u64; 4096];
    black_box(&words);
}

fn resident_kib() -> usize {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Has so many fibers use their stacks, all of them suspended at once.
fn burst(runtime: &Runtime, count: usize, at_the_height: impl FnOnce()) {
    let gate = Arc::new(Mutex::new(Gate::default()));
    let fibers: Vec<_> = (0..count)
        .map(|_| {
            let gate = Arc::clone(&gate);
            runtime.spawn_with_stack("64K", move || {
                use_stack();
                pass(&gate);
            })
        })
        .collect();
    let start = Instant::now();
    while gate.lock().unwrap().waiting.len() < count {
        assert!(start.elapsed() < LIMIT, "all come to the gate");
        thread::yield_now();
    }
    at_the_height();
    let waiting = {
        let mut gate = gate.lock().unwrap();
        gate.is_open = true;
        std::mem::take(&mut gate.waiting)
    };
    waiting.into_iter().for_each(Waker::wake);
    for fiber in fibers {
        fiber.wait().unwrap();
    }
}

#[test]
fn a_tenth_of_a_burst_is_left_at_most_soon_after_it() {
    if env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: the memory of an emulator is its own");
        return;
    }
    bounded(|| {
        let runtime = stackful().workers(2).stack("64K").build().unwrap();
        // Debug builds look at the place of a wait once, with the symbols of the whole program.
        burst(&runtime, 1, || ());
        let before = resident_kib();
        let mut used = 0;
        burst(&runtime, FIBERS, || used = resident_kib() - before);
        assert!(used > FIBERS * 32, "{used} KiB for {FIBERS} stacks");
        // A little work now and then, after which the workers look what they can do without.
        let start = Instant::now();
        while resident_kib().saturating_sub(before) > used / 10 {
            assert!(start.elapsed() < LIMIT, "the memory goes back");
            runtime.spawn(async {}).wait().unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    });
}
