//! Rust for the C program beside it: a function of each kind that C can spawn, and the C ABI.
#![allow(unsafe_code, reason = "exports symbols, and uses pointers of C")]

use dtact::{export_async, export_fiber, foreign::CValue, yield_now};
// For its symbols, which C calls.
use dtact_ffi as _;

/// How many letters a name has.
const LETTERS: usize = 3;

/// A place in the plane.
#[derive(Clone, Copy)]
#[repr(C)]
struct Point {
    /// To the right.
    x: f64,
    /// Upwards.
    y: f32,
    name: [u8; LETTERS],
    colour: Colour,
}

/// How a place is shown.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Colour {
    Red,
    DarkBlue = 7,
}

// SAFETY: numbers, laid out as in C.
unsafe impl CValue for Point {}

/// Counts, somewhere that C sees nothing of.
struct Counter {
    counts: Vec<u32>,
}

/// Mirrors a place, and changes its colour.
#[export_async]
async fn mirror(point: Point) -> Point {
    yield_now().await;
    Point {
        x: -point.x,
        y: -point.y,
        colour: match point.colour {
            Colour::Red => Colour::DarkBlue,
            Colour::DarkBlue => Colour::Red,
        },
        ..point
    }
}

/// A counter, which is freed by `counter_free`.
#[export_fiber]
fn counter_new() -> *mut Counter {
    Box::into_raw(Box::new(Counter { counts: Vec::new() }))
}

/// Counts.
///
/// # Safety
///
/// The counter is one, and nobody else uses it meanwhile.
#[export_fiber(stack = "64K")]
unsafe fn count(counter: *mut Counter, by: u32) -> usize {
    // SAFETY: as the caller promises.
    let counter = unsafe { &mut *counter };
    counter.counts.push(by);
    counter.counts.iter().map(|by| *by as usize).sum()
}

/// Frees a counter.
///
/// # Safety
///
/// The counter is one, and nobody uses it any more.
#[export_fiber]
unsafe fn counter_free(counter: *mut Counter) {
    // SAFETY: it is of `counter_new`, and whole, as the caller promises.
    drop(unsafe { Box::from_raw(counter) });
}
