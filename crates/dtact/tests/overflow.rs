//! A stack overflow ends the process by a signal, at the guard, before anything is overwritten.
//!
//! Each case runs in a child process; a control child does the same, less deep, and succeeds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{env, os::unix::process::ExitStatusExt as _, process::Output};

use common::{stackful, this_program};
use dtact::{WaitExt as _, wait, yield_now};

const DEPTH: &str = "DTACT_TEST_DEPTH";
const WHERE: &str = "DTACT_TEST_WHERE";
const SIGSEGV: i32 = 11;
const SIGBUS: i32 = 7;

#[inline(never)]
fn dig(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 64]);
    if depth == 0 {
        frame[0]
    } else {
        dig(depth - 1) + std::hint::black_box(frame)[63]
    }
}

/// The child's work: a neighbour whose memory the overflow would reach, then the digging.
fn child(depth: usize, place: &str) {
    let runtime = stackful().workers(1).stack("64K").build().unwrap();
    let (open, gate) = async_channel::bounded::<()>(1);
    let neighbours: Vec<_> = (0..4)
        .map(|_| {
            let gate = gate.clone();
            runtime.spawn_with_stack("64K", move || {
                let witness = std::hint::black_box([0xa5_u8; 8192]);
                assert!(gate.recv().wait().is_err());
                witness.iter().all(|&byte| byte == 0xa5)
            })
        })
        .collect();
    let digger = match place {
        "closure" => runtime.spawn_with_stack("64K", move || dig(depth)),
        "closure after wait" => runtime.spawn_with_stack("64K", move || {
            wait(yield_now());
            dig(depth)
        }),
        "large closure" => runtime.spawn_with_stack("1M", move || dig(depth)),
        "future" => runtime.spawn(async move {
            yield_now().await;
            dig(depth)
        }),
        other => panic!("{other} is no place"),
    };
    digger.wait().unwrap();
    drop(open);
    for neighbour in neighbours {
        assert!(
            neighbour.wait().unwrap(),
            "a neighbour's stack was overwritten"
        );
    }
}

fn run_child(depth: usize, place: &str) -> Output {
    this_program()
        .args(["--exact", "an_overflow_meets_the_guard_and_less_does_not"])
        .env(DEPTH, depth.to_string())
        .env(WHERE, place)
        .output()
        .unwrap()
}

#[test]
fn an_overflow_meets_the_guard_and_less_does_not() {
    if let (Ok(depth), Ok(place)) = (env::var(DEPTH), env::var(WHERE)) {
        child(depth.parse().unwrap(), &place);
        return;
    }
    for place in ["closure", "closure after wait", "large closure", "future"] {
        let control = run_child(10, place);
        assert!(
            control.status.success(),
            "{place}: less deep it succeeds: {control:?}"
        );
        let overflow = run_child(100_000, place);
        if cfg!(dtact_asan) {
            // The tool handles the signal, and knows what it means from the bounds it was told.
            let said = String::from_utf8_lossy(&overflow.stderr);
            assert!(said.contains("AddressSanitizer: stack-overflow"), "{said}");
            continue;
        }
        assert!(
            matches!(overflow.status.signal(), Some(SIGSEGV | SIGBUS)),
            "{place}: it ends by a signal: {overflow:?}"
        );
    }
}
