//! The switch for x86-64 under the x64 ABI of Windows: the frame, the two forms, the start of a
//! fresh stack.
//!
//! It is that of `x86_64_sysv.rs`, which explains what is the same. What differs: more registers
//! are saved by the callee, a part of the thread's block travels along ([`Teb`]), a structure of
//! two words is passed and returned in memory, and unwind information has another form.
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
//!         │ no activation│         ├──────────────────┤         │ home: for result │
//!         │ contexts     │         │ resume: in caller│         │ return address   │
//!         │ no return    │         │ rbp              │         ├──────────────────┤
//!         │ address      │         │ rbx              │         │ rdi rsi r12–r15  │
//!         │ transfer     │         │ FP               │         │ xmm6–xmm15       │
//!         │ home         │         │ TEB              │         ├──────────────────┤
//!         ├──────────────┤ context►└──────────────────┘         │ resume: in naked │
//!         │ resume: start│                                      │ rbp              │
//!         │ rbp: 0       │                                      │ rbx              │
//!         │ rbx: entry   │                                      │ FP               │
//!         │ FP: defaults │                                      │ TEB              │
//!         │ TEB: bounds  │                              context►└──────────────────┘
//! context►└──────────────┘
//!         │ untouched    │
//!
//!         running: there is no frame. Whoever resumes restores rbx, rbp, FP and TEB, takes the
//!         frame off (rsp = context + size of the frame) and jumps to `resume` with
//!
//!         rax = context left   rdx = message
//! ```
//!
//! # Registers
//!
//! x64 ABI conventions, "Caller/callee saved registers", and "MXCSR" and "FPCSR" for the control
//! words.
//!
//! | register              | by the ABI      | inline form             | naked form       |
//! |-----------------------|-----------------|-------------------------|------------------|
//! | rbx, rbp              | callee saves    | frame (LLVM keeps them) | frame            |
//! | rdi, rsi, r12–r15     | callee saves    | clobbered               | above the frame  |
//! | xmm6–xmm15            | callee saves    | `clobber_abi("C")`      | above the frame  |
//! | rsp                   | callee saves    | the context itself      | the context      |
//! | MXCSR control, x87 CW | callee saves    | frame, if `FLOAT`       | frame, if float  |
//! | all others, flags     | caller saves    | `clobber_abi("C")`      | not saved        |
//! | DF                    | clear at calls  | clear on both sides     | same             |
//! | gs                    | the thread's    | read, for the TEB       | same             |
//!
//! There is no red zone. `[frame.I2]` here is "Stack allocation": 16 bytes at each call. Above the
//! return address the caller leaves 32 bytes of home space for the callee: the naked form keeps
//! there where its result goes.
//!
//! # Walking the stack
//!
//! Functions here have tables in place of programs: how to undo the prologue, and nothing for any
//! other instruction that moves rsp. So the naked form moves rsp once to reserve all, and its two
//! halves, before it leaves and after it was resumed, are two functions to the system, the second
//! without a prologue. That is right at every instruction but the two jumps, where the address to
//! go on at is in a register. The start of a fresh stack ends the walk: above its frame lies a
//! return address that is zero. Walks are made by exceptions and debuggers, neither of which comes
//! to a jump; a profiler that stops the thread there goes astray. In the inline form it does
//! wherever rsp has been moved.
#![allow(
    unsafe_code,
    reason = "the switch is assembly, and the first frame is written to raw memory"
)]
#![expect(
    clippy::too_many_lines,
    reason = "one instruction a line, and a line on unwinding for each register that it moves"
)]

use core::arch::{asm, naked_asm};
use core::mem::{align_of, offset_of, size_of};
use core::ptr::{self, NonNull};

use super::windows_teb::{ActivationStack, Teb};
use crate::{Context, Entry, StackBounds, Transfer};

/// What a stack's top is a multiple of (x64 ABI conventions, "Stack allocation"), in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// MXCSR of a new thread: round to nearest, all exceptions masked (x64 ABI conventions, "MXCSR").
const MXCSR_INITIAL: u32 = 0x1F80;
/// x87 control word of a new thread: double precision, round to nearest, all masked (same page,
/// "FPCSR").
const X87_CW_INITIAL: u16 = 0x027F;

/// Bytes of `int3` before the first instruction of [`start`].
const START_LEAD_BYTES: usize = 1;

/// What both forms leave at the end of a suspended stack. The assembly takes every offset from
/// here.
#[repr(C)]
pub(crate) struct Frame {
    teb: Teb,
    mxcsr: u32,
    x87_cw: u16,
    unused: [u8; 10],
    rbx: *const (),
    rbp: *const (),
    /// Where execution goes on, once the frame is off the stack.
    resume: *const (),
}

/// What lies above the frame that the naked form leaves, lowest address first.
#[repr(C)]
struct Pushed {
    xmm6: [[u64; 2]; 10],
    r12: [*const (); 4],
    rdi: *const (),
    rsi: *const (),
    unused: u64,
}

/// What the naked form finds above what it pushes.
#[repr(C)]
struct Called {
    return_address: *const (),
    /// The first word of the home space: where the caller wants the result.
    result: *const (),
}

/// What lies above the frame of a fresh stack, lowest address first: the frame of [`start`], and
/// what its caller would have left.
#[repr(C)]
struct Foot {
    /// The home space of `entry`.
    home: [*const (); 4],
    transfer: [*const (); 2],
    /// Null: nobody called, and a walk ends here.
    return_address: *const (),
    activation_stack: ActivationStack,
}

// [frame.I2]: a fresh frame is taken off in one piece, and what remains must be aligned for a call.
const _: () = assert!(size_of::<Frame>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(size_of::<Foot>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Frame>() <= STACK_ALIGN && align_of::<Foot>() <= STACK_ALIGN);
// A call pushes one word; below it and all that is pushed the stack is aligned, for `movaps`.
const _: () = assert!((size_of::<Pushed>() + 8).is_multiple_of(STACK_ALIGN));
// The instructions move registers of eight bytes, `stmxcsr` four and `fnstcw` two.
const _: () = assert!(size_of::<*const ()>() == 8);
const _: () = assert!(offset_of!(Frame, x87_cw) + size_of::<u16>() <= offset_of!(Frame, rbx));
// A structure of two words goes by reference, both ways ("Parameter passing", "Return values").
const _: () = assert!(size_of::<Transfer>() == 2 * size_of::<*mut ()>());
const _: () = assert!(offset_of!(Transfer, message) == size_of::<*mut ()>());

/// Writes the frame of a fresh stack; returns where it lies.
///
/// # Safety
///
/// The top of `stack` is aligned to [`STACK_ALIGN`] and one past a block, of at least the size of a
/// [`Frame`] and a [`Foot`], that may be written through it; the bounds are those of the stack.
#[inline]
pub(crate) unsafe fn write_fresh_frame(stack: &StackBounds, entry: Entry) -> NonNull<Frame> {
    let top = stack.top();
    debug_assert!(
        top.addr().get().is_multiple_of(STACK_ALIGN),
        "the top of a stack must be a multiple of {STACK_ALIGN}: round it down"
    );
    // SAFETY: the caller vouches for at least this many bytes below the top, in the same block.
    let foot = unsafe { top.byte_sub(size_of::<Foot>()) }.cast::<Foot>();
    // SAFETY: as above.
    let frame = unsafe { foot.byte_sub(size_of::<Frame>()) }.cast::<Frame>();
    // SAFETY: inside of the foot.
    let activation_stack = unsafe { foot.byte_add(offset_of!(Foot, activation_stack)) }.cast();
    // SAFETY: a part of the block, aligned as a field of an aligned structure.
    unsafe { ActivationStack::write_empty(activation_stack) };
    // SAFETY: as above.
    let return_address = unsafe { foot.byte_add(offset_of!(Foot, return_address)) }.cast();
    // SAFETY: as above.
    unsafe { return_address.write(ptr::null::<()>()) };
    let fresh = Frame {
        teb: Teb::fresh(stack, activation_stack),
        mxcsr: MXCSR_INITIAL,
        x87_cw: X87_CW_INITIAL,
        unused: [0; 10],
        rbx: entry as *const (),
        rbp: ptr::null(),
        resume: (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
    };
    // SAFETY: the block may be written; its end is aligned to `STACK_ALIGN`, and so is `frame`,
    // because the sizes of frame and foot are multiples of it, which is no less than the alignment
    // of `Frame`.
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
        ".seh_proc {me}",
        // As if a prologue had reserved the lower part of the foot.
        ".seh_stackalloc {return_address}",
        ".seh_endprologue",
        ".skip {lead}, 0xcc",
        "endbr64",
        "mov [rsp + {transfer}], rax",
        "mov [rsp + {transfer} + 8], rdx",
        "lea rcx, [rsp + {transfer}]",
        "call rbx",
        // `entry` does not return.
        "ud2",
        ".seh_endproc",
        me = sym start,
        lead = const START_LEAD_BYTES,
        transfer = const offset_of!(Foot, transfer),
        return_address = const offset_of!(Foot, return_address),
    )
}

/// Stores the fields of the thread's block into the frame at rsp; overwrites rcx and r8.
macro_rules! save_teb {
    () => {
        "mov rcx, gs:[0x0]
         mov r8, gs:[0x8]
         mov [rsp + {exception_list}], rcx
         mov [rsp + {stack_base}], r8
         mov rcx, gs:[0x10]
         mov r8, gs:[0x20]
         mov [rsp + {stack_limit}], rcx
         mov [rsp + {fiber_data}], r8
         mov rcx, gs:[0x2C8]
         mov r8, gs:[0x1478]
         mov [rsp + {activation_stack}], rcx
         mov [rsp + {deallocation_stack}], r8
         mov ecx, gs:[0x1748]
         mov [rsp + {guaranteed_bytes}], ecx"
    };
}

/// Loads the fields of the thread's block from the frame at r10; overwrites rcx and r8.
macro_rules! load_teb {
    () => {
        "mov rcx, [r10 + {exception_list}]
         mov r8, [r10 + {stack_base}]
         mov gs:[0x0], rcx
         mov gs:[0x8], r8
         mov rcx, [r10 + {stack_limit}]
         mov r8, [r10 + {fiber_data}]
         mov gs:[0x10], rcx
         mov gs:[0x20], r8
         mov rcx, [r10 + {activation_stack}]
         mov r8, [r10 + {deallocation_stack}]
         mov gs:[0x2C8], rcx
         mov gs:[0x1478], r8
         mov ecx, [r10 + {guaranteed_bytes}]
         mov gs:[0x1748], ecx"
    };
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
                save_teb!(),
                // All that the frame of `to` holds, before rsp makes it fair game.
                "mov rbx, [r10 + {rbx}]",
                "mov rbp, [r10 + {rbp}]",
                ".if {float}",
                "ldmxcsr [r10 + {mxcsr}]",
                "fldcw [r10 + {x87_cw}]",
                ".endif",
                load_teb!(),
                "mov rcx, [r10 + {resume}]",
                "lea rsp, [r10 + {size}]",
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
                exception_list = const offset_of!(Frame, teb.exception_list),
                stack_base = const offset_of!(Frame, teb.stack_base),
                stack_limit = const offset_of!(Frame, teb.stack_limit),
                fiber_data = const offset_of!(Frame, teb.fiber_data),
                activation_stack = const offset_of!(Frame, teb.activation_stack),
                deallocation_stack = const offset_of!(Frame, teb.deallocation_stack),
                guaranteed_bytes = const offset_of!(Frame, teb.guaranteed_bytes),
                float = const $float as usize,
                inlateout("r10") $to.into_frame().as_ptr() => _,
                inlateout("rdx") $message => message,
                lateout("rax") from,
                $($slot)*
                lateout("rcx") _,
                lateout("r8") _,
                lateout("rdi") _,
                lateout("rsi") _,
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
    // On x86-64 every store is a release: stores are not reordered with earlier accesses, and the
    // frame and all before it are visible to whoever loads the slot with acquire. rsp has moved
    // already [frame.I3].
    inline_switch!(
        to,
        message,
        FLOAT,
        ["mov [r11], rax"],
        [inlateout("r11") slot => _,]
    )
}

/// Defines a naked form.
macro_rules! naked_switch {
    ($(#[$doc:meta])* $name:ident, $float:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(to: Context, message: *mut ()) -> Transfer {
            // Arguments: rcx = where the result goes, rdx = to, r8 = message. Result: rax = rcx.
            naked_asm!(
                ".seh_proc {me}",
                "endbr64",
                "mov [rsp + {result} - {pushed}], rcx",
                "sub rsp, {pushed} + {size}",
                ".seh_stackalloc {pushed} + {size}",
                "mov [rsp + {rbx}], rbx",
                ".seh_savereg rbx, {rbx}",
                "mov [rsp + {rbp}], rbp",
                ".seh_savereg rbp, {rbp}",
                "movaps [rsp + {size} + {xmm6}], xmm6",
                ".seh_savexmm xmm6, {size} + {xmm6}",
                "movaps [rsp + {size} + {xmm6} + 0x10], xmm7",
                ".seh_savexmm xmm7, {size} + {xmm6} + 0x10",
                "movaps [rsp + {size} + {xmm6} + 0x20], xmm8",
                ".seh_savexmm xmm8, {size} + {xmm6} + 0x20",
                "movaps [rsp + {size} + {xmm6} + 0x30], xmm9",
                ".seh_savexmm xmm9, {size} + {xmm6} + 0x30",
                "movaps [rsp + {size} + {xmm6} + 0x40], xmm10",
                ".seh_savexmm xmm10, {size} + {xmm6} + 0x40",
                "movaps [rsp + {size} + {xmm6} + 0x50], xmm11",
                ".seh_savexmm xmm11, {size} + {xmm6} + 0x50",
                "movaps [rsp + {size} + {xmm6} + 0x60], xmm12",
                ".seh_savexmm xmm12, {size} + {xmm6} + 0x60",
                "movaps [rsp + {size} + {xmm6} + 0x70], xmm13",
                ".seh_savexmm xmm13, {size} + {xmm6} + 0x70",
                "movaps [rsp + {size} + {xmm6} + 0x80], xmm14",
                ".seh_savexmm xmm14, {size} + {xmm6} + 0x80",
                "movaps [rsp + {size} + {xmm6} + 0x90], xmm15",
                ".seh_savexmm xmm15, {size} + {xmm6} + 0x90",
                "mov [rsp + {size} + {r12}], r12",
                ".seh_savereg r12, {size} + {r12}",
                "mov [rsp + {size} + {r12} + 8], r13",
                ".seh_savereg r13, {size} + {r12} + 8",
                "mov [rsp + {size} + {r12} + 16], r14",
                ".seh_savereg r14, {size} + {r12} + 16",
                "mov [rsp + {size} + {r12} + 24], r15",
                ".seh_savereg r15, {size} + {r12} + 24",
                "mov [rsp + {size} + {rdi}], rdi",
                ".seh_savereg rdi, {size} + {rdi}",
                "mov [rsp + {size} + {rsi}], rsi",
                ".seh_savereg rsi, {size} + {rsi}",
                ".seh_endprologue",
                ".if {float}",
                "stmxcsr [rsp + {mxcsr}]",
                "fnstcw [rsp + {x87_cw}]",
                ".endif",
                "lea rax, [rip + 2f]",
                "mov [rsp + {resume}], rax",
                "mov rax, rsp",
                "mov r10, rdx",
                "mov rdx, r8",
                save_teb!(),
                "mov rbx, [r10 + {rbx}]",
                "mov rbp, [r10 + {rbp}]",
                ".if {float}",
                "ldmxcsr [r10 + {mxcsr}]",
                "fldcw [r10 + {x87_cw}]",
                ".endif",
                load_teb!(),
                "mov rcx, [r10 + {resume}]",
                "lea rsp, [r10 + {size}]",
                "jmp rcx",
                "int3",
                ".seh_endproc",
                // Resumed: the frame is off, what was pushed above it is not. To the system it is a
                // function without a prologue.
                ".seh_proc {me}",
                ".seh_stackalloc {pushed}",
                ".seh_savexmm xmm6, {xmm6}",
                ".seh_savexmm xmm7, {xmm6} + 0x10",
                ".seh_savexmm xmm8, {xmm6} + 0x20",
                ".seh_savexmm xmm9, {xmm6} + 0x30",
                ".seh_savexmm xmm10, {xmm6} + 0x40",
                ".seh_savexmm xmm11, {xmm6} + 0x50",
                ".seh_savexmm xmm12, {xmm6} + 0x60",
                ".seh_savexmm xmm13, {xmm6} + 0x70",
                ".seh_savexmm xmm14, {xmm6} + 0x80",
                ".seh_savexmm xmm15, {xmm6} + 0x90",
                ".seh_savereg r12, {r12}",
                ".seh_savereg r13, {r12} + 8",
                ".seh_savereg r14, {r12} + 16",
                ".seh_savereg r15, {r12} + 24",
                ".seh_savereg rdi, {rdi}",
                ".seh_savereg rsi, {rsi}",
                ".seh_endprologue",
                "2:",
                "endbr64",
                "mov r8, [rsp + {result}]",
                "mov rcx, [rsp + {return_address}]",
                "mov [r8], rax",
                "mov [r8 + 8], rdx",
                "mov rax, r8",
                "movaps xmm6, [rsp + {xmm6}]",
                "movaps xmm7, [rsp + {xmm6} + 0x10]",
                "movaps xmm8, [rsp + {xmm6} + 0x20]",
                "movaps xmm9, [rsp + {xmm6} + 0x30]",
                "movaps xmm10, [rsp + {xmm6} + 0x40]",
                "movaps xmm11, [rsp + {xmm6} + 0x50]",
                "movaps xmm12, [rsp + {xmm6} + 0x60]",
                "movaps xmm13, [rsp + {xmm6} + 0x70]",
                "movaps xmm14, [rsp + {xmm6} + 0x80]",
                "movaps xmm15, [rsp + {xmm6} + 0x90]",
                "mov r12, [rsp + {r12}]",
                "mov r13, [rsp + {r12} + 8]",
                "mov r14, [rsp + {r12} + 16]",
                "mov r15, [rsp + {r12} + 24]",
                "mov rdi, [rsp + {rdi}]",
                "mov rsi, [rsp + {rsi}]",
                "add rsp, {return_address} + 8",
                "jmp rcx",
                ".seh_endproc",
                me = sym $name,
                size = const size_of::<Frame>(),
                pushed = const size_of::<Pushed>(),
                xmm6 = const offset_of!(Pushed, xmm6),
                r12 = const offset_of!(Pushed, r12),
                rdi = const offset_of!(Pushed, rdi),
                rsi = const offset_of!(Pushed, rsi),
                return_address = const size_of::<Pushed>() + offset_of!(Called, return_address),
                result = const size_of::<Pushed>() + offset_of!(Called, result),
                rbx = const offset_of!(Frame, rbx),
                rbp = const offset_of!(Frame, rbp),
                mxcsr = const offset_of!(Frame, mxcsr),
                x87_cw = const offset_of!(Frame, x87_cw),
                resume = const offset_of!(Frame, resume),
                exception_list = const offset_of!(Frame, teb.exception_list),
                stack_base = const offset_of!(Frame, teb.stack_base),
                stack_limit = const offset_of!(Frame, teb.stack_limit),
                fiber_data = const offset_of!(Frame, teb.fiber_data),
                activation_stack = const offset_of!(Frame, teb.activation_stack),
                deallocation_stack = const offset_of!(Frame, teb.deallocation_stack),
                guaranteed_bytes = const offset_of!(Frame, teb.guaranteed_bytes),
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
#[path = "windows_fresh_frame_tests.rs"]
mod tests;
