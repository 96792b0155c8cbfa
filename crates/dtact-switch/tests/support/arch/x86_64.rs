//! What the tests do with registers by name, on x86-64.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use dtact_switch::{Context, Transfer};

use crate::support::{Form, Numbers, from_raw};

/// What a call pushes: at the first instruction of a function sp is that far below its alignment.
pub(crate) const CALL_BYTES: usize = 8;

/// What a fresh stack has above the call of its entry.
pub(crate) const FOOT_BYTES: usize = 0;

/// The callee-saved registers of the System V ABI, rsp apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Saved {
    rbx: u64,
    rbp: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
}

impl Saved {
    pub(crate) fn random(numbers: &mut Numbers) -> Self {
        let mut next = || numbers.next();
        Self {
            rbx: next(),
            rbp: next(),
            r12: next(),
            r13: next(),
            r14: next(),
            r15: next(),
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
    // SAFETY: rbx and rbp, which cannot be named as operands, are pushed and popped; the others are
    // outputs. Three pushes and one reserved word keep the stack aligned for the call. The switch
    // itself is sound by the contract of this function.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "push r8",
            "sub rsp, 8",
            "mov rbx, [r8 + {rbx}]",
            "mov rbp, [r8 + {rbp}]",
            "mov r12, [r8 + {r12}]",
            "mov r13, [r8 + {r13}]",
            "mov r14, [r8 + {r14}]",
            "mov r15, [r8 + {r15}]",
            "call r9",
            "add rsp, 8",
            "pop r8",
            "mov [r8 + {rbx}], rbx",
            "mov [r8 + {rbp}], rbp",
            "mov [r8 + {r12}], r12",
            "mov [r8 + {r13}], r13",
            "mov [r8 + {r14}], r14",
            "mov [r8 + {r15}], r15",
            "pop rbp",
            "pop rbx",
            rbx = const offset_of!(Saved, rbx),
            rbp = const offset_of!(Saved, rbp),
            r12 = const offset_of!(Saved, r12),
            r13 = const offset_of!(Saved, r13),
            r14 = const offset_of!(Saved, r14),
            r15 = const offset_of!(Saved, r15),
            inlateout("rdi") to.into_raw().as_ptr() => _,
            inlateout("rsi") message => _,
            inlateout("r8") &raw mut *registers => _,
            inlateout("r9") form => _,
            lateout("rax") from,
            lateout("rdx") answer,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("C"),
        );
    }
    Transfer {
        // SAFETY: the switch returned the context that was left, as a `Transfer` in rax and rdx.
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
    naked_asm!("mov rdx, rsp", "jmp {report}", report = sym crate::support::report_sp)
}

/// Uses the stack in the way that is most particular about alignment.
pub(crate) fn use_aligned() {
    // SAFETY: reserves an aligned place on the stack by hand and gives it back.
    unsafe {
        asm!(
            "sub rsp, 16",
            "movaps [rsp], xmm0", // faults unless aligned
            "add rsp, 16",
        );
    }
}
