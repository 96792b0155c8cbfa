//! What the tests do with registers by name, on x86-64 Windows.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use dtact_switch::{Context, Transfer};

use crate::support::{Form, Numbers};

/// What a call pushes: at the first instruction of a function sp is that far below its alignment.
pub(crate) const CALL_BYTES: usize = 8;

/// What a fresh stack has above the call of its entry: home space, the message, the end of the
/// walk, and the activation contexts.
pub(crate) const FOOT_BYTES: usize = 96;

/// The callee-saved registers of the x64 ABI, rsp apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Saved {
    xmm6: [[u64; 2]; 10],
    rbx: u64,
    rbp: u64,
    rdi: u64,
    rsi: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
}

impl Saved {
    pub(crate) fn random(numbers: &mut Numbers) -> Self {
        let mut next = || numbers.next();
        Self {
            xmm6: core::array::from_fn(|_| [next(), next()]),
            rbx: next(),
            rbp: next(),
            rdi: next(),
            rsi: next(),
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
    let mut result = core::mem::MaybeUninit::<Transfer>::uninit();
    // SAFETY: rbx and rbp, which cannot be named as operands, are pushed and popped; the others are
    // outputs. Three pushes and 40 bytes, of which 32 are the home space, keep the stack aligned
    // for the call. The switch itself is sound by the contract of this function.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "push rax",
            "sub rsp, 40",
            "movups xmm6, [rax + {xmm6}]",
            "movups xmm7, [rax + {xmm6} + 0x10]",
            "movups xmm8, [rax + {xmm6} + 0x20]",
            "movups xmm9, [rax + {xmm6} + 0x30]",
            "movups xmm10, [rax + {xmm6} + 0x40]",
            "movups xmm11, [rax + {xmm6} + 0x50]",
            "movups xmm12, [rax + {xmm6} + 0x60]",
            "movups xmm13, [rax + {xmm6} + 0x70]",
            "movups xmm14, [rax + {xmm6} + 0x80]",
            "movups xmm15, [rax + {xmm6} + 0x90]",
            "mov rbx, [rax + {rbx}]",
            "mov rbp, [rax + {rbp}]",
            "mov rdi, [rax + {rdi}]",
            "mov rsi, [rax + {rsi}]",
            "mov r12, [rax + {r12}]",
            "mov r13, [rax + {r13}]",
            "mov r14, [rax + {r14}]",
            "mov r15, [rax + {r15}]",
            "call r9",
            "add rsp, 40",
            "pop rax",
            "movups [rax + {xmm6}], xmm6",
            "movups [rax + {xmm6} + 0x10], xmm7",
            "movups [rax + {xmm6} + 0x20], xmm8",
            "movups [rax + {xmm6} + 0x30], xmm9",
            "movups [rax + {xmm6} + 0x40], xmm10",
            "movups [rax + {xmm6} + 0x50], xmm11",
            "movups [rax + {xmm6} + 0x60], xmm12",
            "movups [rax + {xmm6} + 0x70], xmm13",
            "movups [rax + {xmm6} + 0x80], xmm14",
            "movups [rax + {xmm6} + 0x90], xmm15",
            "mov [rax + {rbx}], rbx",
            "mov [rax + {rbp}], rbp",
            "mov [rax + {rdi}], rdi",
            "mov [rax + {rsi}], rsi",
            "mov [rax + {r12}], r12",
            "mov [rax + {r13}], r13",
            "mov [rax + {r14}], r14",
            "mov [rax + {r15}], r15",
            "pop rbp",
            "pop rbx",
            xmm6 = const offset_of!(Saved, xmm6),
            rbx = const offset_of!(Saved, rbx),
            rbp = const offset_of!(Saved, rbp),
            rdi = const offset_of!(Saved, rdi),
            rsi = const offset_of!(Saved, rsi),
            r12 = const offset_of!(Saved, r12),
            r13 = const offset_of!(Saved, r13),
            r14 = const offset_of!(Saved, r14),
            r15 = const offset_of!(Saved, r15),
            inlateout("rcx") result.as_mut_ptr() => _,
            inlateout("rdx") to.into_raw().as_ptr() => _,
            inlateout("r8") message => _,
            inlateout("rax") &raw mut *registers => _,
            inlateout("r9") form => _,
            lateout("rdi") _,
            lateout("rsi") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            lateout("xmm6") _,
            lateout("xmm7") _,
            lateout("xmm8") _,
            lateout("xmm9") _,
            lateout("xmm10") _,
            lateout("xmm11") _,
            lateout("xmm12") _,
            lateout("xmm13") _,
            lateout("xmm14") _,
            lateout("xmm15") _,
            clobber_abi("C"),
        );
    }
    // SAFETY: the switch has written its result there.
    unsafe { result.assume_init() }
}

/// Goes on in `report_sp` with the stack pointer as it is at the first instruction of an entry.
///
/// # Safety
///
/// Entered by a switch.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn sp_at_entry(_: Transfer) -> ! {
    // rcx points to the transfer, and rdx is the next argument.
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
