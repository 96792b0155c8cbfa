//! With AVX2: eight words at a time.
//!
//! `low <= word < low + bytes` is one unsigned comparison: `last - word < bytes`, where `last` is
//! the last address of the range. There are signed ones only (`VPCMPGTQ`, in the second volume of
//! Intel's manual), so both sides are moved by half of all numbers.

#![allow(unsafe_code, reason = "reads words that others may write to")]

use core::arch::asm;

use super::{Range, WORD};

const HALF: usize = 1 << 63;

/// How many words are looked at together.
const GROUP: usize = 8;

pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// See [`Scan`](super::Scan).
///
/// # Safety
///
/// - As there, and the processor is one that [`is_supported`].
pub(super) unsafe fn scan(start: *const usize, words: usize, range: Range) -> bool {
    if words < GROUP {
        // SAFETY: as the caller promises.
        return unsafe { super::scan(start, words, range) };
    }
    let last = range.low.wrapping_add(range.bytes).wrapping_sub(1);
    let found: u8;
    // Group after group, and then the last one, which may have words of the one before.
    // Assembly, since others may write to the words meanwhile, which no plain load of the language
    // may meet, and an atomic one takes them one by one.
    // SAFETY: it reads whole groups of the words only, by instructions that are there, and leaves
    // the upper halves of the registers as they are expected to be.
    unsafe {
        asm!(
            "vmovq xmm0, {last_word}",
            "vpbroadcastq ymm0, xmm0",
            "vmovq xmm1, {bound_word}",
            "vpbroadcastq ymm1, xmm1",
            "vpxor xmm2, xmm2, xmm2",
            "2:",
            "vpsubq ymm3, ymm0, ymmword ptr [{at}]",
            "vpsubq ymm4, ymm0, ymmword ptr [{at} + 32]",
            "vpcmpgtq ymm3, ymm1, ymm3",
            "vpcmpgtq ymm4, ymm1, ymm4",
            "vpor ymm3, ymm3, ymm4",
            "vpor ymm2, ymm2, ymm3",
            "add {at}, {bytes}",
            "cmp {at}, {end}",
            "jb 2b",
            "vpsubq ymm3, ymm0, ymmword ptr [{end}]",
            "vpsubq ymm4, ymm0, ymmword ptr [{end} + 32]",
            "vpcmpgtq ymm3, ymm1, ymm3",
            "vpcmpgtq ymm4, ymm1, ymm4",
            "vpor ymm3, ymm3, ymm4",
            "vpor ymm2, ymm2, ymm3",
            "vptest ymm2, ymm2",
            "setnz {found}",
            "vzeroupper",
            bytes = const GROUP * WORD,
            at = inout(reg) start => _,
            end = in(reg) start.wrapping_add(words - GROUP),
            last_word = in(reg) last ^ HALF,
            bound_word = in(reg) range.bytes ^ HALF,
            found = out(reg_byte) found,
            // By `vzeroupper`, all of them.
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
            out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(readonly, nostack),
        );
    }
    found != 0
}
