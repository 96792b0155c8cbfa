//! The features of RISC-V 64: from the system.

use core::arch::asm;

use super::CpuFeatures;

/// What the system says that there is, and whether a shadow stack is possible.
pub(super) fn hardware() -> (CpuFeatures, bool) {
    (from_system(), has_prctl())
}

#[cfg(not(feature = "std"))]
fn from_system() -> CpuFeatures {
    CpuFeatures::empty()
}

#[cfg(feature = "std")]
fn from_system() -> CpuFeatures {
    /// The single-letter extensions are bits of `AT_HWCAP`, A first: Linux,
    /// `arch/riscv/include/uapi/asm/hwcap.h`.
    const HWCAP_V: usize = 1 << (b'V' - b'A');
    let mut features = CpuFeatures::empty();
    features.set(
        CpuFeatures::WIDE_VECTORS,
        rustix::param::linux_hwcap().0 & HWCAP_V != 0,
    );
    features
}

/// Whether the system knows of shadow stacks (Zicfiss).
fn has_prctl() -> bool {
    shadow_stack_status().is_some()
}

/// Whether the calling thread has a shadow stack. The instruction that reads its pointer is no
/// hint on older CPUs, so the system is asked.
pub(super) fn has_shadow_stack() -> bool {
    /// `PR_SHADOW_STACK_ENABLE`.
    const ENABLED: u64 = 1;
    shadow_stack_status().is_some_and(|status| status & ENABLED != 0)
}

/// `prctl(PR_GET_SHADOW_STACK_STATUS)` of Linux, which fails where there are none.
fn shadow_stack_status() -> Option<u64> {
    const PRCTL: usize = 167;
    const PR_GET_SHADOW_STACK_STATUS: usize = 74;
    let mut status = 0_u64;
    let result: isize;
    // SAFETY: a system call, which writes to `status` or fails.
    unsafe {
        asm!(
            "ecall",
            in("a7") PRCTL,
            inlateout("a0") PR_GET_SHADOW_STACK_STATUS => result,
            in("a1") &raw mut status,
            in("a2") 0,
            in("a3") 0,
            in("a4") 0,
            options(nostack),
        );
    }
    (result == 0).then_some(status)
}
