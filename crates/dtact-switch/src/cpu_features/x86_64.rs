//! The features of x86-64, by `cpuid`, `xgetbv` and `rdsspq`.
//!
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, "CPUID", "XGETBV",
//! "RDSSPD/RDSSPQ"; volume 1, section 13.3 for the bits of XCR0.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

use super::CpuFeatures;

/// Leaf 1, ecx: the system has switched `xgetbv` on.
const OSXSAVE: u32 = 1 << 27;
/// Leaf 7, ecx: shadow stacks.
const CET_SS: u32 = 1 << 7;
/// Leaf 7, edx: indirect branch tracking.
const CET_IBT: u32 = 1 << 20;
/// Leaf 7, ebx: AVX-512 foundation.
const AVX512F: u32 = 1 << 16;
/// Leaf 7, edx: tiles.
const AMX_TILE: u32 = 1 << 24;
/// XCR0: SSE, AVX, and the three parts of AVX-512.
const XCR0_AVX512: u64 = 0b1110_0110;
/// XCR0: configuration and data of tiles.
const XCR0_AMX: u64 = 0b11 << 17;

/// What the CPU offers and the system has switched on, and whether a shadow stack is possible.
pub(super) fn hardware() -> (CpuFeatures, bool) {
    let mut features = CpuFeatures::empty();
    if __cpuid(0).eax < 7 {
        return (features, false);
    }
    let leaf = __cpuid_count(7, 0);
    let xcr0 = if __cpuid(1).ecx & OSXSAVE == 0 {
        0
    } else {
        // SAFETY: the system has switched the instruction on.
        unsafe { xcr0() }
    };
    let has = |bits: u64| xcr0 & bits == bits;
    features.set(CpuFeatures::BRANCH_TARGETS, leaf.edx & CET_IBT != 0);
    features.set(
        CpuFeatures::WIDE_VECTORS,
        leaf.ebx & AVX512F != 0 && has(XCR0_AVX512),
    );
    features.set(
        CpuFeatures::MATRIX_TILES,
        leaf.edx & AMX_TILE != 0 && has(XCR0_AMX),
    );
    (features, leaf.ecx & CET_SS != 0)
}

/// Which parts of the state the system saves.
///
/// # Safety
///
/// `cpuid` says that the system has switched `xgetbv` on.
unsafe fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register into two; the instruction is there (the caller).
    unsafe {
        asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") high,
            options(nomem, nostack, preserves_flags),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Whether the calling thread has a shadow stack: it then has a pointer that is not zero.
pub(super) fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: reads a register; where shadow stacks are off the instruction does nothing, and the
    // zero stays.
    unsafe {
        asm!(
            "rdsspq {}",
            inlateout(reg) 0_u64 => pointer,
            options(nomem, nostack, preserves_flags),
        );
    }
    pointer != 0
}
