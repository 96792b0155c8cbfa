//! Rust for the C program beside it: a function that waits, exported to C, and the C ABI with it.
//!
//! The library that this becomes has all of `dtact-ffi` in it: link it, and not `libdtact_ffi`.
#![allow(unsafe_code, reason = "exports a symbol")]

use std::time::Duration;

use dtact::{export_async, time::sleep};
// For its symbols, which C calls.
use dtact_ffi as _;

/// How much a thing weighs; it takes a while to find out.
#[export_async]
async fn weight(thing: u32) -> u32 {
    sleep(Duration::from_micros(50)).await;
    thing * 7919 % 101
}
