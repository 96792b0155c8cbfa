//! FP control state and floating-point registers on RISC-V 64.

use core::arch::asm;

/// The status flags of fcsr, which any arithmetic may raise.
const FFLAGS: u64 = 0x1F;

/// fcsr without its flags: the rounding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control(u64);

impl Control {
    pub(crate) const DEFAULTS: Self = Self(0);
    /// Round toward zero.
    pub(crate) const ODD: Self = Self(1 << 5);
    /// Round down.
    pub(crate) const OTHER: Self = Self(2 << 5);

    pub(crate) fn read() -> Self {
        let control: u64;
        // SAFETY: reads the control and status register.
        unsafe { asm!("frcsr {}", out(reg) control, options(nomem, nostack)) };
        Self(control & !FFLAGS)
    }

    pub(crate) fn load(self) {
        // SAFETY: writes the control and status register; no floating-point arithmetic is done
        // until the defaults are back.
        unsafe { asm!("fscsr {}", in(reg) self.0, options(nomem, nostack)) };
    }
}

/// Overwrites every floating-point register.
pub(crate) fn scribble() {
    // SAFETY: writes registers that are all declared.
    unsafe {
        asm!(
            "li t0, -1",
            ".irp r, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11",
            "fmv.d.x \\r, t0",
            ".endr",
            ".irp r, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7",
            "fmv.d.x \\r, t0",
            ".endr",
            ".irp r, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11",
            "fmv.d.x \\r, t0",
            ".endr",
            out("fs0") _,
            out("fs1") _,
            out("fs2") _,
            out("fs3") _,
            out("fs4") _,
            out("fs5") _,
            out("fs6") _,
            out("fs7") _,
            out("fs8") _,
            out("fs9") _,
            out("fs10") _,
            out("fs11") _,
            clobber_abi("C"),
        );
    }
}
