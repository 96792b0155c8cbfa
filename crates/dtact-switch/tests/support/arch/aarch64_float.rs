//! FP control state and vector registers on AArch64.

use core::arch::asm;

/// FPCR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control(u64);

impl Control {
    pub(crate) const DEFAULTS: Self = Self(0);
    /// Default NaN, flush to zero, round toward zero.
    pub(crate) const ODD: Self = Self(0x03C0_0000);
    /// Round down, nothing else.
    pub(crate) const OTHER: Self = Self(0x0080_0000);

    pub(crate) fn read() -> Self {
        let control;
        // SAFETY: reads the control register.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack)) };
        Self(control)
    }

    pub(crate) fn load(self) {
        // SAFETY: writes the control register; no exception is trapped, and no floating-point
        // arithmetic is done until the defaults are back.
        unsafe { asm!("msr fpcr, {}", in(reg) self.0, options(nomem, nostack)) };
    }
}

/// Overwrites every vector register.
pub(crate) fn scribble() {
    // SAFETY: writes registers that are all declared.
    unsafe {
        asm!(
            ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
            "movi v\\n\\().2d, #0xffffffffffffffff",
            ".endr",
            ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
            "movi v\\n\\().2d, #0xffffffffffffffff",
            ".endr",
            clobber_abi("C"),
        );
    }
}
