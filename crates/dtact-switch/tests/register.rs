//! Every callee-saved register comes back as it was left, on both sides, in every pairing of forms.
#![cfg(not(miri))]
#![allow(unsafe_code, reason = "the tests load registers and call the switch")]

mod support;

use core::arch::asm;
use core::mem::offset_of;

use dtact_switch::{Context, Transfer};
use support::{Form, HeapStack, Numbers, for_each_pairing, word};

const ROUNDS: usize = 200;

/// The callee-saved registers of the System V ABI, rsp apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Saved {
    rbx: u64,
    rbp: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
}

impl Saved {
    fn random(numbers: &mut Numbers) -> Self {
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
unsafe fn switch_with(
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
    // SAFETY: the switch returned the context that was left, as a `Transfer` in rax and rdx.
    let from = unsafe { Context::from_raw(from_non_null(from)) };
    Transfer {
        from,
        message: answer,
    }
}

fn from_non_null(pointer: *mut ()) -> std::ptr::NonNull<()> {
    std::ptr::NonNull::new(pointer).expect("a context is never null")
}

struct Start {
    form: Form,
    seed: u64,
}

/// Keeps random registers over each suspension; answers with how often they all came back.
unsafe extern "C" fn keeper(first: Transfer) -> ! {
    // SAFETY: the first message is a `Start`, alive until the first answer.
    let Start { form, seed } = unsafe { first.message.cast::<Start>().read() };
    let mut numbers = Numbers(seed);
    let mut transfer = first;
    let mut kept = 0;
    loop {
        let before = Saved::random(&mut numbers);
        let mut registers = before;
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        transfer = unsafe { switch_with(form, transfer.from, word(kept), &mut registers) };
        kept += usize::from(registers == before);
    }
}

#[test]
fn callee_saved_registers_are_kept_on_both_sides_in_every_pairing() {
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    for_each_pairing(|resumer, fiber| {
        let stack = HeapStack::new();
        let mut start = Start {
            form: fiber,
            seed: numbers.next(),
        };
        let mut context = stack.enter_at(keeper);
        let mut message = (&raw mut start).cast();
        for round in 0..ROUNDS {
            let before = Saved::random(&mut numbers);
            let mut registers = before;
            // SAFETY: the context is fresh or the one the fiber left, with a form of the same kind.
            let transfer = unsafe { switch_with(resumer, context, message, &mut registers) };
            assert_eq!(registers, before, "the resumer's registers, round {round}");
            assert_eq!(
                transfer.message,
                word(round),
                "rounds in which the fiber's were kept"
            );
            context = transfer.from;
            message = word(0);
        }
    });
}
