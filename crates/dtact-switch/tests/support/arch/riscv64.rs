//! What the tests do with registers by name, on RISC-V 64.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use dtact_switch::{Context, Transfer};

use crate::support::{Form, Numbers, from_raw};

/// What a call pushes: nothing.
pub(crate) const CALL_BYTES: usize = 0;

/// What a fresh stack has above the call of its entry.
pub(crate) const FOOT_BYTES: usize = 0;

/// The callee-saved registers of LP64D, sp apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Saved {
    /// fs0 to fs11.
    float: [u64; 12],
    /// s0 to s11.
    general: [u64; 12],
}

impl Saved {
    pub(crate) fn random(numbers: &mut Numbers) -> Self {
        Self {
            float: std::array::from_fn(|_| numbers.next()),
            general: std::array::from_fn(|_| numbers.next()),
        }
    }
}

/// Loads `registers`, calls `form`, and stores there what came back.
///
/// # Safety
///
/// Those of the switch behind `form`.
pub(crate) unsafe fn switch_with(
    form: Form,
    to: Context,
    message: *mut (),
    registers: &mut Saved,
) -> Transfer {
    let from: *mut ();
    let answer: *mut ();
    // SAFETY: s0 and s1, which cannot be named as operands, are pushed and popped; the others are
    // outputs. The stack stays aligned. The switch itself is sound by the contract of this
    // function.
    unsafe {
        asm!(
            "addi sp, sp, -32",
            "sd s0, 0(sp)",
            "sd s1, 8(sp)",
            "sd t0, 16(sp)",
            "fld fs0, {float}(t0)",
            "fld fs1, {float} + 8(t0)",
            "fld fs2, {float} + 16(t0)",
            "fld fs3, {float} + 24(t0)",
            "fld fs4, {float} + 32(t0)",
            "fld fs5, {float} + 40(t0)",
            "fld fs6, {float} + 48(t0)",
            "fld fs7, {float} + 56(t0)",
            "fld fs8, {float} + 64(t0)",
            "fld fs9, {float} + 72(t0)",
            "fld fs10, {float} + 80(t0)",
            "fld fs11, {float} + 88(t0)",
            "ld s0, {general}(t0)",
            "ld s1, {general} + 8(t0)",
            "ld s2, {general} + 16(t0)",
            "ld s3, {general} + 24(t0)",
            "ld s4, {general} + 32(t0)",
            "ld s5, {general} + 40(t0)",
            "ld s6, {general} + 48(t0)",
            "ld s7, {general} + 56(t0)",
            "ld s8, {general} + 64(t0)",
            "ld s9, {general} + 72(t0)",
            "ld s10, {general} + 80(t0)",
            "ld s11, {general} + 88(t0)",
            "jalr t1",
            "ld t0, 16(sp)",
            "fsd fs0, {float}(t0)",
            "fsd fs1, {float} + 8(t0)",
            "fsd fs2, {float} + 16(t0)",
            "fsd fs3, {float} + 24(t0)",
            "fsd fs4, {float} + 32(t0)",
            "fsd fs5, {float} + 40(t0)",
            "fsd fs6, {float} + 48(t0)",
            "fsd fs7, {float} + 56(t0)",
            "fsd fs8, {float} + 64(t0)",
            "fsd fs9, {float} + 72(t0)",
            "fsd fs10, {float} + 80(t0)",
            "fsd fs11, {float} + 88(t0)",
            "sd s0, {general}(t0)",
            "sd s1, {general} + 8(t0)",
            "sd s2, {general} + 16(t0)",
            "sd s3, {general} + 24(t0)",
            "sd s4, {general} + 32(t0)",
            "sd s5, {general} + 40(t0)",
            "sd s6, {general} + 48(t0)",
            "sd s7, {general} + 56(t0)",
            "sd s8, {general} + 64(t0)",
            "sd s9, {general} + 72(t0)",
            "sd s10, {general} + 80(t0)",
            "sd s11, {general} + 88(t0)",
            "ld s1, 8(sp)",
            "ld s0, 0(sp)",
            "addi sp, sp, 32",
            float = const offset_of!(Saved, float),
            general = const offset_of!(Saved, general),
            inlateout("a0") to.into_raw().as_ptr() => from,
            inlateout("a1") message => answer,
            inlateout("t0") &raw mut *registers => _,
            inlateout("t1") form => _,
            lateout("s2") _,
            lateout("s3") _,
            lateout("s4") _,
            lateout("s5") _,
            lateout("s6") _,
            lateout("s7") _,
            lateout("s8") _,
            lateout("s9") _,
            lateout("s10") _,
            lateout("s11") _,
            lateout("fs0") _,
            lateout("fs1") _,
            lateout("fs2") _,
            lateout("fs3") _,
            lateout("fs4") _,
            lateout("fs5") _,
            lateout("fs6") _,
            lateout("fs7") _,
            lateout("fs8") _,
            lateout("fs9") _,
            lateout("fs10") _,
            lateout("fs11") _,
            clobber_abi("C"),
        );
    }
    Transfer {
        // SAFETY: the switch returned the context that was left, as a `Transfer` in a0 and a1.
        from: unsafe { from_raw(from) },
        message: answer,
    }
}

/// Goes on in `report_sp` with the stack pointer as it is at the first instruction of an entry.
///
/// # Safety
///
/// Entered by a switch.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn sp_at_entry(_: Transfer) -> ! {
    naked_asm!("mv a2, sp", "tail {report}", report = sym crate::support::report_sp)
}

/// Does nothing: no instruction here asks for an aligned stack pointer.
pub(crate) fn use_aligned() {}
