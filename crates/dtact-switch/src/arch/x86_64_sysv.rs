//! The switch for x86-64 under the System V ABI: the frame, the two forms, the start of a fresh
//! stack.
//!
//! # Pictures
//!
//! Stacks grow down; addresses fall from top to bottom of each picture. A context is the address of
//! its [`Frame`].
//!
//! ```text
//!         fresh                    left by the inline form      left by the naked form
//!
//! top ─►  ┌──────────────┐         │ caller's frame   │         │ caller's frame   │
//!         │ resume: start│         ├──────────────────┤         ├──────────────────┤
//!         │ rbp: 0       │         │ resume: in caller│         │ return address   │
//!         │ rbx: entry   │         │ rbp              │         │ r12 r13 r14 r15  │
//!         │ FP: defaults │         │ rbx              │         ├──────────────────┤
//! context►└──────────────┘         │ FP               │         │ resume: in naked │
//!         │ untouched    │ context►└──────────────────┘         │ rbp              │
//!                                                               │ rbx              │
//!                                                               │ FP               │
//!                                                       context►└──────────────────┘
//!
//!         running: there is no frame. Whoever resumes restores rbx, rbp and FP, takes the frame
//!         off (rsp = context + size of the frame) and jumps to `resume` with
//!
//!         rax = context left   rdx = message       = Transfer, as a function returns it
//! ```
//!
//! Code at `resume` puts back what else it took: the inline form nothing, because the compiler
//! spilled what it needs; the naked form r12–r15; the start of a fresh stack hands rax and rdx on
//! to `entry`.
//!
//! # Registers
//!
//! System V ABI, AMD64 supplement, section 3.2.1 "Registers" and figure 3.4 "Register Usage".
//!
//! | register              | by the ABI      | inline form             | naked form       |
//! |-----------------------|-----------------|-------------------------|------------------|
//! | rbx, rbp              | callee saves    | frame (LLVM keeps them) | frame            |
//! | r12–r15               | callee saves    | clobbered               | pushed above     |
//! | rsp                   | callee saves    | the context itself      | the context      |
//! | MXCSR control, x87 CW | callee saves    | frame, if `FLOAT`       | frame, if float  |
//! | all others, flags     | caller saves    | `clobber_abi("C")`      | not saved        |
//! | DF                    | clear at calls  | clear on both sides     | same             |
//! | fs, gs                | the thread's    | not touched             | same             |
//!
//! `[frame.I2]` here is section 3.2.2 "The Stack Frame"; the red zone of `[frame.I4]` is 128 bytes.
//!
//! # Why a jump and not `ret`
//!
//! The return-stack buffer holds the call of the side that is left. A `ret` would be predicted to
//! go there and miss every time; an indirect jump is predicted from its own history.
//!
//! # Walking the stack
//!
//! The naked form carries unwind information that is right at every instruction, on both stacks.
//! The start of a fresh stack ends the walk: its return address is undefined, and rbp is zero
//! there. One byte of `int3` precedes each address that is only ever jumped to, because a walker
//! looks an address up at one byte less, where it expects the call. Between its first and last
//! instruction the inline form moves rsp under the caller's unwind information, so a walk from a
//! signal handler that lands there goes astray.
#![allow(
    unsafe_code,
    reason = "the switch is assembly, and the first frame is written to raw memory"
)]

use core::arch::{asm, naked_asm};
use core::mem::{align_of, offset_of, size_of};
use core::ptr::NonNull;

use crate::{Context, Entry, Transfer};

/// What a stack's top is a multiple of (System V ABI, section 3.2.2), in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// MXCSR of a new process: round to nearest, all exceptions masked (System V ABI, section 3.4.1).
const MXCSR_INITIAL: u32 = 0x1F80;
/// x87 control word of a new process: extended precision, round to nearest, all masked (same
/// section).
const X87_CW_INITIAL: u16 = 0x037F;

/// Bytes of `int3` before the first instruction of [`start`].
const START_LEAD_BYTES: usize = 1;

/// What both forms leave at the end of a suspended stack. The assembly takes every offset from
/// here.
#[repr(C)]
pub(crate) struct Frame {
    mxcsr: u32,
    x87_cw: u16,
    unused: u16,
    rbx: *const (),
    rbp: *const (),
    /// Where execution goes on, once the frame is off the stack.
    resume: *const (),
}

/// What lies above the frame that the naked form leaves, lowest address first. Only its size is
/// used: it goes on and off the stack word by word.
#[repr(C)]
struct Pushed {
    r15: *const (),
    r14: *const (),
    r13: *const (),
    r12: *const (),
    return_address: *const (),
}

// [frame.I2]: a fresh frame is taken off in one piece, and what remains must be aligned for a call.
const _: () = assert!(size_of::<Frame>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Frame>() <= STACK_ALIGN);
// The instructions move registers of eight bytes, `stmxcsr` four and `fnstcw` two.
const _: () = assert!(size_of::<*const ()>() == 8);
const _: () = assert!(offset_of!(Frame, x87_cw) + size_of::<u16>() <= offset_of!(Frame, rbx));
// Two registers, rax and rdx: a structure of two pointers is returned so (section 3.2.3).
const _: () = assert!(size_of::<Transfer>() == 2 * size_of::<*mut ()>());
const _: () = assert!(offset_of!(Transfer, message) == size_of::<*mut ()>());

/// Writes the frame of a fresh stack; returns where it lies.
///
/// # Safety
///
/// `top` is aligned to [`STACK_ALIGN`] and one past a block, of at least the size of a [`Frame`],
/// that may be written through it.
#[inline]
pub(crate) unsafe fn write_fresh_frame(top: NonNull<u8>, entry: Entry) -> NonNull<Frame> {
    debug_assert!(
        top.addr().get().is_multiple_of(STACK_ALIGN),
        "the top of a stack must be a multiple of {STACK_ALIGN}: round it down"
    );
    // SAFETY: the caller vouches for at least this many bytes below `top`, in the same block.
    let frame = unsafe { top.byte_sub(size_of::<Frame>()) }.cast::<Frame>();
    let fresh = Frame {
        mxcsr: MXCSR_INITIAL,
        x87_cw: X87_CW_INITIAL,
        unused: 0,
        rbx: entry as *const (),
        rbp: core::ptr::null(),
        resume: (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
    };
    // SAFETY: the block may be written; its end is aligned to `STACK_ALIGN`, and so is `frame`,
    // because the size of a frame is a multiple of it, which is no less than the alignment of
    // `Frame`.
    unsafe { frame.write(fresh) };
    frame
}

/// The first code of a fresh stack: calls `entry`, which its frame put into rbx, with the
/// [`Transfer`].
///
/// # Safety
///
/// Never called. It is jumped to, [`START_LEAD_BYTES`] in, by the switch that resumes a fresh
/// context.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        // Nobody called: a walk ends here.
        ".cfi_undefined rip",
        ".skip {lead}, 0xcc",
        "endbr64",
        "mov rdi, rax",
        "mov rsi, rdx",
        "call rbx",
        // `entry` does not return.
        "ud2",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
    )
}

/// The body of the inline forms. `$publish` is the text that runs when the stack is left, and
/// `$slot` the operand it uses.
macro_rules! inline_switch {
    ($to:expr, $message:expr, $float:expr, [$($publish:literal)?], [$($slot:tt)*]) => {{
        let from: *mut Frame;
        let message: *mut ();
        // SAFETY: `to` is a complete frame [context.I1] of the same float kind, on a stack that is
        // valid and unused, so entering it is sound; the caller vouches for that and for the stack
        // that is left. The block keeps [frame.I1] and [frame.I3], and [frame.I4] holds. The
        // operands, `clobber_abi` and the frame name every register that may differ when execution
        // comes back to label 2.
        unsafe {
            asm!(
                "sub rsp, {size}",
                "mov [rsp + {rbx}], rbx",
                "mov [rsp + {rbp}], rbp",
                ".if {float}",
                "stmxcsr [rsp + {mxcsr}]",
                "fnstcw [rsp + {x87_cw}]",
                ".endif",
                "lea rax, [rip + 2f]",
                "mov [rsp + {resume}], rax",
                "mov rax, rsp",
                // All that the frame of `to` holds, before rsp makes it fair game.
                "mov rbx, [rdi + {rbx}]",
                "mov rbp, [rdi + {rbp}]",
                ".if {float}",
                "ldmxcsr [rdi + {mxcsr}]",
                "fldcw [rdi + {x87_cw}]",
                ".endif",
                "mov rcx, [rdi + {resume}]",
                "lea rsp, [rdi + {size}]",
                $($publish,)?
                "jmp rcx",
                "int3",
                "2:",
                "endbr64",
                size = const size_of::<Frame>(),
                rbx = const offset_of!(Frame, rbx),
                rbp = const offset_of!(Frame, rbp),
                mxcsr = const offset_of!(Frame, mxcsr),
                x87_cw = const offset_of!(Frame, x87_cw),
                resume = const offset_of!(Frame, resume),
                float = const $float as usize,
                inlateout("rdi") $to.into_frame().as_ptr() => _,
                inlateout("rdx") $message => message,
                lateout("rax") from,
                $($slot)*
                lateout("rcx") _,
                lateout("r12") _,
                lateout("r13") _,
                lateout("r14") _,
                lateout("r15") _,
                clobber_abi("C"),
            );
        }
        // SAFETY: whoever resumed this context put the address of the frame it left into rax, never
        // null.
        let from = unsafe { NonNull::new_unchecked(from) };
        // SAFETY: that frame was complete when its stack was left [frame.I3], and it is handed over
        // here and nowhere else, or else published, which the caller of that switch answered for.
        let from = unsafe { Context::from_frame(from) };
        Transfer { from, message }
    }};
}

/// The inline form; see [`ContextSwitcher::switch`](crate::ContextSwitcher::switch).
///
/// # Safety
///
/// Those of the trait; `FLOAT` is the kind of the switcher that left `to`, unless `to` is fresh.
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn switch_inline<const FLOAT: bool>(to: Context, message: *mut ()) -> Transfer {
    inline_switch!(to, message, FLOAT, [], [])
}

/// The inline form that publishes the context left in `slot`; see
/// [`CrossThread::switch_publishing`](crate::CrossThread::switch_publishing).
///
/// # Safety
///
/// Those of the trait; `slot` is valid for an atomic store; `FLOAT` as in [`switch_inline`].
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn switch_inline_publishing<const FLOAT: bool>(
    to: Context,
    message: *mut (),
    slot: *mut *mut (),
) -> Transfer {
    // Release: x86 makes stores visible in program order, so a plain `mov` is one, and the frame
    // and all before it are visible to whoever loads the slot with acquire. rsp has moved already
    // [frame.I3].
    inline_switch!(
        to,
        message,
        FLOAT,
        ["mov [rsi], rax"],
        [inlateout("rsi") slot => _,]
    )
}

/// Defines a naked form.
macro_rules! naked_switch {
    ($(#[$doc:meta])* $name:ident, $float:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(to: Context, message: *mut ()) -> Transfer {
            // Arguments: rdi = to, rsi = message. Result: rax = from, rdx = message.
            naked_asm!(
                ".cfi_startproc",
                "endbr64",
                "push r12",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset r12, 0",
                "push r13",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset r13, 0",
                "push r14",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset r14, 0",
                "push r15",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset r15, 0",
                ".cfi_remember_state",
                "sub rsp, {size}",
                ".cfi_adjust_cfa_offset {size}",
                "mov [rsp + {rbx}], rbx",
                ".cfi_rel_offset rbx, {rbx}",
                "mov [rsp + {rbp}], rbp",
                ".cfi_rel_offset rbp, {rbp}",
                ".if {float}",
                "stmxcsr [rsp + {mxcsr}]",
                "fnstcw [rsp + {x87_cw}]",
                ".endif",
                "lea rax, [rip + 2f]",
                "mov [rsp + {resume}], rax",
                "mov rax, rsp",
                "mov rdx, rsi",
                "mov rbx, [rdi + {rbx}]",
                "mov rbp, [rdi + {rbp}]",
                ".if {float}",
                "ldmxcsr [rdi + {mxcsr}]",
                "fldcw [rdi + {x87_cw}]",
                ".endif",
                "mov rcx, [rdi + {resume}]",
                "lea rsp, [rdi + {size}]",
                // On the other stack. All is restored but the address of the next instruction.
                ".cfi_def_cfa rsp, 0",
                ".cfi_register rip, rcx",
                ".cfi_same_value rbx",
                ".cfi_same_value rbp",
                ".cfi_same_value r12",
                ".cfi_same_value r13",
                ".cfi_same_value r14",
                ".cfi_same_value r15",
                "jmp rcx",
                // Resumed: the frame is off, what was pushed above it is not.
                ".cfi_restore_state",
                // Again, for the assembler: its count for `adjust` is not part of the state.
                ".cfi_def_cfa_offset {pushed}",
                "int3",
                "2:",
                "endbr64",
                "pop r15",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r15",
                "pop r14",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r14",
                "pop r13",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r13",
                "pop r12",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r12",
                "pop rcx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_register rip, rcx",
                "jmp rcx",
                ".cfi_endproc",
                size = const size_of::<Frame>(),
                pushed = const size_of::<Pushed>(),
                rbx = const offset_of!(Frame, rbx),
                rbp = const offset_of!(Frame, rbp),
                mxcsr = const offset_of!(Frame, mxcsr),
                x87_cw = const offset_of!(Frame, x87_cw),
                resume = const offset_of!(Frame, resume),
                float = const $float as usize,
            )
        }
    };
}

naked_switch! {
    /// The naked form with FP control state.
    ///
    /// # Safety
    ///
    /// Those of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch), `to` being of the
    /// float kind.
    switch_naked_float, true
}
naked_switch! {
    /// The naked form without FP control state.
    ///
    /// # Safety
    ///
    /// Those of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch), `to` not being of the
    /// float kind.
    switch_naked_no_float, false
}

#[cfg(test)]
mod tests {
    use super::{Frame, MXCSR_INITIAL, STACK_ALIGN, X87_CW_INITIAL, write_fresh_frame};
    use crate::{Entry, Transfer};
    use core::ptr::NonNull;

    unsafe extern "C" fn never(_: Transfer) -> ! {
        unreachable!("this entry is only written down")
    }

    #[repr(C, align(16))]
    struct Block([u8; 64]);

    #[test]
    fn a_fresh_frame_ends_at_the_top_and_nothing_else_is_written() {
        let mut block = Block([0xA5; 64]);
        // One value: two casts of one function may have two addresses.
        let entry: Entry = never;
        let bottom = NonNull::from(&mut block.0).cast::<u8>();
        // SAFETY: one past the end of the block.
        let top = unsafe { bottom.add(64) };
        // SAFETY: the block is aligned, larger than a frame and borrowed alone.
        let frame = unsafe { write_fresh_frame(top, entry) };
        assert_eq!(frame.addr().get() + size_of::<Frame>(), top.addr().get());
        // [frame.I2]
        assert_eq!(frame.addr().get() % STACK_ALIGN, 0);
        // SAFETY: a complete frame was written there [context.I1].
        let fresh = unsafe { frame.read() };
        assert_eq!((fresh.mxcsr, fresh.x87_cw), (MXCSR_INITIAL, X87_CW_INITIAL));
        assert!(fresh.rbp.is_null(), "a walk along frame pointers ends here");
        assert_eq!(fresh.rbx, entry as *const ());
        assert!(
            block.0[..64 - size_of::<Frame>()]
                .iter()
                .all(|&byte| byte == 0xA5)
        );
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "must be a multiple of 16")]
    fn a_top_that_is_not_aligned_is_refused_in_debug_builds() {
        let mut block = Block([0; 64]);
        let bottom = NonNull::from(&mut block.0).cast::<u8>();
        // SAFETY: inside the block.
        let top = unsafe { bottom.add(56) };
        // SAFETY: not kept, on purpose: the check comes before anything is written.
        let _frame = unsafe { write_fresh_frame(top, never) };
    }
}
