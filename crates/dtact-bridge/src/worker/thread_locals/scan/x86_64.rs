//! With AVX: four words at a time, in the lower halves of the registers, whose upper halves may
//! have no power.
//!
//! `low <= word < low + bytes` is one unsigned comparison: `last - word < bytes`, where `last` is
//! the last address of the range. There are signed ones only (`VPCMPGTQ`, in the second volume of
//! Intel's manual), so both sides are moved by half of all numbers.

#![allow(unsafe_code, reason = "reads words that others may write to")]

use core::arch::asm;

use super::Range;

const HALF: usize = 1 << 63;

pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("avx")
}

/// See [`Scan`](super::Scan).
///
/// # Safety
///
/// - As there, and the processor is one that [`is_supported`].
pub(super) unsafe fn scan(start: *const usize, words: usize, range: Range) -> bool {
    let mut at = start;
    let last = range.low.wrapping_add(range.bytes).wrapping_sub(1);
    let found: u8;
    if words >= 4 {
        // Assembly, since others may write to the words meanwhile, which no plain load of the
        // language may meet, and an atomic one takes them one by one.
        // SAFETY: it reads whole groups of the words only, by instructions that are there.
        unsafe {
            asm!(
                "vmovq {last}, {last_word}",
                "vmovddup {last}, {last}",
                "vmovq {bound}, {bound_word}",
                "vmovddup {bound}, {bound}",
                "vpxor {all}, {all}, {all}",
                "2:",
                "vpsubq {one}, {last}, xmmword ptr [{at}]",
                "vpsubq {two}, {last}, xmmword ptr [{at} + 16]",
                "vpcmpgtq {one}, {bound}, {one}",
                "vpcmpgtq {two}, {bound}, {two}",
                "vpor {all}, {all}, {one}",
                "vpor {all}, {all}, {two}",
                "add {at}, 32",
                "dec {groups}",
                "jnz 2b",
                "vptest {all}, {all}",
                "setnz {found}",
                last = out(xmm_reg) _,
                last_word = in(reg) last ^ HALF,
                bound = out(xmm_reg) _,
                bound_word = in(reg) range.bytes ^ HALF,
                all = out(xmm_reg) _,
                one = out(xmm_reg) _,
                two = out(xmm_reg) _,
                at = inout(reg) at,
                groups = inout(reg) words / 4 => _,
                found = out(reg_byte) found,
                options(readonly, nostack),
            );
        }
    } else {
        found = 0;
    }
    // SAFETY: the rest of them.
    found != 0 || unsafe { super::scan(at, words % 4, range) }
}
