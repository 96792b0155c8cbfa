//! What the tests do with registers by name, on AArch64.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use dtact_switch::{Context, Transfer};

use crate::support::{Form, Numbers, from_raw};

/// What a call pushes: nothing.
pub(crate) const CALL_BYTES: usize = 0;

/// What a fresh stack has above the call of its entry: on Windows the end of the walk, and the
/// activation contexts.
pub(crate) const FOOT_BYTES: usize = if cfg!(windows) { 48 } else { 0 };

/// The callee-saved registers of AAPCS64, sp apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Saved {
    /// d8 to d15.
    float: [u64; 8],
    /// x19 to x29.
    general: [u64; 11],
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
    // SAFETY: x19 and x29, which cannot be named as operands, are pushed and popped; the others are
    // outputs. The stack stays aligned. The switch itself is sound by the contract of this
    // function.
    unsafe {
        asm!(
            "stp x19, x29, [sp, #-16]!",
            "str x8, [sp, #-16]!",
            "ldp d8, d9, [x8, {float}]",
            "ldp d10, d11, [x8, {float} + 16]",
            "ldp d12, d13, [x8, {float} + 32]",
            "ldp d14, d15, [x8, {float} + 48]",
            "ldp x19, x20, [x8, {general}]",
            "ldp x21, x22, [x8, {general} + 16]",
            "ldp x23, x24, [x8, {general} + 32]",
            "ldp x25, x26, [x8, {general} + 48]",
            "ldp x27, x28, [x8, {general} + 64]",
            "ldr x29, [x8, {general} + 80]",
            "blr x9",
            "ldr x8, [sp], #16",
            "stp d8, d9, [x8, {float}]",
            "stp d10, d11, [x8, {float} + 16]",
            "stp d12, d13, [x8, {float} + 32]",
            "stp d14, d15, [x8, {float} + 48]",
            "stp x19, x20, [x8, {general}]",
            "stp x21, x22, [x8, {general} + 16]",
            "stp x23, x24, [x8, {general} + 32]",
            "stp x25, x26, [x8, {general} + 48]",
            "stp x27, x28, [x8, {general} + 64]",
            "str x29, [x8, {general} + 80]",
            "ldp x19, x29, [sp], #16",
            float = const offset_of!(Saved, float),
            general = const offset_of!(Saved, general),
            inlateout("x0") to.into_raw().as_ptr() => from,
            inlateout("x1") message => answer,
            inlateout("x8") &raw mut *registers => _,
            inlateout("x9") form => _,
            lateout("x20") _,
            lateout("x21") _,
            lateout("x22") _,
            lateout("x23") _,
            lateout("x24") _,
            lateout("x25") _,
            lateout("x26") _,
            lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    Transfer {
        // SAFETY: the switch returned the context that was left, as a `Transfer` in x0 and x1.
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
    naked_asm!("hint #34", "mov x2, sp", "b {report}", report = sym crate::support::report_sp)
}

/// Uses the stack in the way that is most particular about alignment.
pub(crate) fn use_aligned() {
    // SAFETY: reserves an aligned place on the stack by hand and gives it back.
    unsafe {
        asm!(
            "str q0, [sp, #-16]!", // the processor faults unless sp is aligned
            "add sp, sp, #16",
        );
    }
}
