//! The same on x86-64: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
//! "CPUID" and "CLDEMOTE".

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// Leaf 7, ecx.
const CLDEMOTE: u32 = 1 << 25;
/// Leaf 7, edx.
const UINTR: u32 = 1 << 5;

pub(super) fn has_cldemote() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx & CLDEMOTE != 0
}

pub(super) fn has_uintr() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & UINTR != 0
}

/// On processors without it, an instruction that does nothing.
#[inline]
pub(super) fn cldemote(line: *const u8) {
    // SAFETY: it changes nothing that a program sees, and faults at no address.
    unsafe {
        asm!(
            "cldemote byte ptr [{}]",
            in(reg) line,
            options(nostack, preserves_flags),
        );
    }
}
