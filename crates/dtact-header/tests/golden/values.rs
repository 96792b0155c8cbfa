//! Numbers, pointers and types of the sources, by value and behind pointers.

use std::ffi::{c_char, c_int, c_void};

use dtact::{export_async, export_fiber};

const LEN: usize = 4;
const TWICE: usize = LEN * 2;
const NIGHT: u8 = 0x10;

/// A place in the plane.
///
/// What ends a comment of C, `*/`, does not end this one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Point {
    /// To the right.
    x: f64,
    y: f32,
    name: [u8; TWICE],
    next: *const Point,
    on_change: Option<extern "C" fn(*mut Point, c_int) -> bool>,
    colour: Colour,
    bits: Bits,
}

/// How it looks.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Colour {
    Red = 1,
    /// Of the night.
    DarkBlue = NIGHT,
    Green,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub union Bits {
    whole: u32,
    parts: [u16; 2],
}

#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Meters(f64);

pub type Count = usize;

/// C has pointers to it, and sees nothing of it.
pub struct Secret {
    text: String,
    all: Vec<Secret>,
}

#[repr(C)]
pub struct Hidden {
    nothing: [u8; 0],
}

/// Nobody exports it.
#[repr(C)]
pub struct Unused {
    x: u8,
}

#[export_fiber]
fn numbers(a: u8, b: i16, c: u32, d: i64, e: usize, f: isize, g: f32, h: f64, i: bool) -> u64 {
    0
}

#[export_async]
async fn of_c(text: *const c_char, number: c_int, what: *mut c_void) -> *const c_char {
    text
}

/// Moves a point.
///
/// # Safety
///
/// `from` points to one.
#[export_async(priority = "High")]
async unsafe fn moved(from: *const Point, by: Meters, times: Count) -> Point {
    *from
}

#[export_fiber]
fn opaque(secret: *mut Secret, hidden: *const Hidden, all: *const [u8; LEN]) -> *mut Secret {
    secret
}

#[export_fiber(name = "nothing", stack = "64K")]
fn nothing() {}

#[export_async]
async fn unit(colour: Colour, bits: Bits) -> () {}
