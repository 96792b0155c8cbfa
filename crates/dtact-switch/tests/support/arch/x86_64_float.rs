//! FP control state and vector registers on x86-64.

use core::arch::asm;

/// The status flags of MXCSR, which belong to nobody.
const MXCSR_STATUS: u32 = 0x3F;

/// The two control words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    mxcsr: u32,
    x87: u16,
}

impl Control {
    /// The precision of x87 is extended in the System V ABI, double on Windows.
    pub(crate) const DEFAULTS: Self = Self {
        mxcsr: 0x1F80,
        x87: if cfg!(windows) { 0x027F } else { 0x037F },
    };
    /// Flush to zero, denormals are zero, round toward zero; x87: double precision, round up.
    pub(crate) const ODD: Self = Self {
        mxcsr: 0xFFC0,
        x87: 0x0A7F,
    };
    /// Round down, nothing else; x87: single precision, round to nearest.
    pub(crate) const OTHER: Self = Self {
        mxcsr: 0x3F80,
        x87: 0x007F,
    };

    pub(crate) fn read() -> Self {
        let mut mxcsr = 0_u32;
        let mut x87 = 0_u16;
        // SAFETY: stores the two control words into two locals of their sizes.
        unsafe {
            asm!(
                "stmxcsr [{mxcsr}]",
                "fnstcw [{x87}]",
                mxcsr = in(reg) &raw mut mxcsr,
                x87 = in(reg) &raw mut x87,
                options(nostack),
            );
        }
        Self {
            mxcsr: mxcsr & !MXCSR_STATUS,
            x87,
        }
    }

    pub(crate) fn load(self) {
        let Self { mxcsr, x87 } = self;
        // SAFETY: loads the two control words from two locals of their sizes. All exceptions stay
        // masked, and no floating-point arithmetic is done until the defaults are back.
        unsafe {
            asm!(
                "ldmxcsr [{mxcsr}]",
                "fldcw [{x87}]",
                mxcsr = in(reg) &raw const mxcsr,
                x87 = in(reg) &raw const x87,
                options(nostack),
            );
        }
    }
}

/// Overwrites every vector register.
pub(crate) fn scribble() {
    // SAFETY: writes registers that are all declared.
    unsafe {
        asm!(
            "pcmpeqd xmm0, xmm0",
            "movaps xmm1, xmm0",
            "movaps xmm2, xmm0",
            "movaps xmm3, xmm0",
            "movaps xmm4, xmm0",
            "movaps xmm5, xmm0",
            "movaps xmm6, xmm0",
            "movaps xmm7, xmm0",
            "movaps xmm8, xmm0",
            "movaps xmm9, xmm0",
            "movaps xmm10, xmm0",
            "movaps xmm11, xmm0",
            "movaps xmm12, xmm0",
            "movaps xmm13, xmm0",
            "movaps xmm14, xmm0",
            "movaps xmm15, xmm0",
            clobber_abi("C"),
        );
    }
}
