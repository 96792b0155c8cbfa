//! The features of AArch64: from the system, and by `chkfeat`.

use core::arch::asm;

use super::CpuFeatures;

/// What the system says that there is, and whether a shadow stack is possible.
pub(super) fn hardware() -> (CpuFeatures, bool) {
    // `chkfeat` can be asked on every CPU.
    (from_system(), true)
}

#[cfg(not(feature = "std"))]
fn from_system() -> CpuFeatures {
    CpuFeatures::empty()
}

#[cfg(feature = "std")]
fn from_system() -> CpuFeatures {
    use std::arch::is_aarch64_feature_detected as has;

    let mut features = CpuFeatures::empty();
    features.set(CpuFeatures::BRANCH_TARGETS, has!("bti"));
    features.set(CpuFeatures::SIGNED_RETURNS, has!("paca"));
    features.set(CpuFeatures::MEMORY_TAGS, has!("mte"));
    features.set(CpuFeatures::WIDE_VECTORS, has!("sve"));
    features.set(CpuFeatures::MATRIX_TILES, has_sme());
    features
}

#[cfg(all(feature = "std", target_os = "linux"))]
fn has_sme() -> bool {
    /// `HWCAP2_SME` of Linux, `arch/arm64/include/uapi/asm/hwcap.h`.
    const HWCAP2_SME: usize = 1 << 23;
    rustix::param::linux_hwcap().1 & HWCAP2_SME != 0
}

/// Elsewhere no stable interface tells.
#[cfg(all(feature = "std", not(target_os = "linux")))]
fn has_sme() -> bool {
    false
}

/// Whether the calling thread has a shadow stack (a guarded control stack).
///
/// Arm Architecture Reference Manual, "CHKFEAT": the bits of x16 that stand for features which are
/// on are cleared. Where the instruction is not known it does nothing.
pub(super) fn has_shadow_stack() -> bool {
    let left: u64;
    // SAFETY: changes x16 alone.
    unsafe {
        asm!(
            "hint #40", // chkfeat x16
            inlateout("x16") 1_u64 => left,
            options(nomem, nostack, preserves_flags),
        );
    }
    left & 1 == 0
}
