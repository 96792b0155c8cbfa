//! Without guards, a fiber that has overflowed its stack ends the process when it is suspended.
//!
//! The overflow breaks the promise that the level asks for, so it is done in a child process, in
//! which nothing runs afterwards but the check.
//!
//! AddressSanitizer keeps locals elsewhere than on the stack that is to overflow.
#![cfg(not(dtact_asan))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "makes the promise that it goes on to break")]

mod common;

use std::{env, os::unix::process::ExitStatusExt as _};

use common::{stackful, this_program};
use dtact::{SafetyLevel, Unguarded, spawn_with, wait, yield_now};

const DEPTH: &str = "DTACT_TEST_DEPTH";
const SIGABRT: i32 = 6;
const STACK: usize = 64 * 1024;

/// Uses so many bytes of stack below `top`, and writes to nearly all of them.
#[inline(never)]
fn dig(top: usize, bytes: usize) -> u64 {
    // By reference, so that there are no copies, which would be holes in the frame.
    let mut frame = [2_u64; 256];
    let frame = std::hint::black_box(&mut frame);
    if top - (&raw const *frame).addr() >= bytes {
        return frame[0];
    }
    dig(top, bytes) + std::hint::black_box(frame)[255]
}

fn child(bytes: usize) {
    // SAFETY: broken on purpose by the child that digs too deep; the process ends for it.
    let promise = unsafe { Unguarded::promise() };
    let level = SafetyLevel::Safety0(promise);
    let builder = stackful().workers(1).stack("64K").safety(level);
    let runtime = builder.build().unwrap();
    // It keeps the first stack, so that the next fiber has one below which there is another.
    // While it is there, a yield is a suspension.
    let (done, is_done) = async_channel::bounded::<()>(1);
    let neighbour = runtime.spawn_with_stack("64K", move || {
        while is_done.try_recv() == Err(async_channel::TryRecvError::Empty) {
            wait(yield_now());
        }
    });
    let digger = runtime.block_on(async {
        [spawn_with().name("digger").spawn_fn(move || {
            for _ in 0..10 {
                wait(yield_now());
            }
            let top = 0_u8;
            let dug = dig((&raw const top).addr(), bytes);
            wait(yield_now());
            drop(done);
            dug
        })]
    });
    for digger in digger {
        assert!(digger.wait().unwrap() > 0);
    }
    neighbour.wait().unwrap();
}

#[test]
fn a_dead_canary_ends_the_process_at_the_next_suspension() {
    if let Ok(bytes) = env::var(DEPTH) {
        child(bytes.parse().unwrap());
        return;
    }
    let run = |bytes: usize| {
        this_program()
            .args([
                "--exact",
                "a_dead_canary_ends_the_process_at_the_next_suspension",
                "--nocapture",
            ])
            .env(DEPTH, bytes.to_string())
            .output()
            .unwrap()
    };
    let control = run(STACK / 4);
    assert!(control.status.success(), "{control:?}");
    // More than the page by which tops differ.
    let overflow = run(STACK + 8 * 1024);
    let said = String::from_utf8_lossy(&overflow.stderr);
    assert_eq!(overflow.status.signal(), Some(SIGABRT), "{overflow:?}");
    assert!(said.contains("\"digger\""), "{said}");
    assert!(
        said.contains("has overflowed its stack of 65536 bytes"),
        "{said}"
    );
}
