//! The line below a stack without a guard, which tells that the stack has overflowed.
//!
//! ```text
//!   … stack below │ canary, one line │ bottom ............ top │
//!                 └ the word checked ┘◄── an overflow comes this way
//! ```
//!
//! A stack grows down, so what overflows writes the highest word of the line first. That word is
//! the one that is checked: its address, mixed with a constant, so that neither zeroes nor a copied
//! canary of another stack pass for it. A frame may leave holes, and a canary in a hole survives:
//! it is a smoke detector, and no wall.
#![allow(unsafe_code, reason = "reads and writes memory of a slot")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// An odd constant without zero bytes: the fraction of the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The canary below `bottom`.
///
/// # Safety
///
/// - The 8 bytes below `bottom` are mapped for as long as the result is used, aligned to 8, and
///   written by this module alone, but for stacks that overflow.
unsafe fn word<'slot>(bottom: NonNull<u8>) -> &'slot AtomicU64 {
    // SAFETY: mapped, as the caller promises.
    let word = unsafe { bottom.cast::<AtomicU64>().sub(1) };
    // SAFETY: aligned and mapped, as the caller promises; all bytes are a valid word.
    unsafe { word.as_ref() }
}

/// What the canary below `bottom` holds while it is alive.
fn value(bottom: NonNull<u8>) -> u64 {
    (bottom.addr().get() as u64) ^ MIX
}

/// Puts the canary there.
///
/// # Safety
///
/// As for [`word`].
pub(crate) unsafe fn put(bottom: NonNull<u8>) {
    // Relaxed: read by the holder of the stack, to whom it is handed after this.
    // SAFETY: as the caller promises.
    unsafe { word(bottom) }.store(value(bottom), Ordering::Relaxed);
}

/// Whether the canary is still there.
///
/// # Safety
///
/// As for [`word`], and it was [put](put) there.
#[inline]
pub(crate) unsafe fn is_intact(bottom: NonNull<u8>) -> bool {
    // Relaxed: what this thread wrote, it sees.
    // SAFETY: as the caller promises.
    unsafe { word(bottom) }.load(Ordering::Relaxed) == value(bottom)
}
