//! The switch for AArch64 under the ARM64 ABI of Windows: the frame, the two forms, the start of a
//! fresh stack.
//!
//! It is that of `aarch64_aapcs64.rs`, which explains what is the same, landing pads and signed
//! return addresses among it. What differs: x18 is the thread's block, which nothing here writes,
//! a part of that block travels along ([`Teb`]), and unwind information has another form.
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
//!         │ no activation│         ├──────────────────┤         ├──────────────────┤
//!         │ contexts     │         │ resume: in caller│         │ x30 x28 … x20    │
//!         │ no return    │         │ x29              │         │ d15 … d8         │
//!         │ address      │         │ x19              │         ├──────────────────┤
//!         ├──────────────┤         │ FPCR             │         │ resume: in naked │
//!         │ resume: start│         │ TEB              │         │ x29              │
//!         │ x29: 0       │ context►└──────────────────┘         │ x19              │
//!         │ x19: entry   │                                      │ FPCR             │
//!         │ FPCR: 0      │                                      │ TEB              │
//!         │ TEB: bounds  │                              context►└──────────────────┘
//! context►└──────────────┘
//!         │ untouched    │
//!
//!         running: there is no frame. Whoever resumes restores x19, x29, FPCR and TEB, takes the
//!         frame off (sp = context + size of the frame) and branches to `resume` with
//!
//!         x0 = context left   x1 = message       = Transfer, as a function returns or takes it
//! ```
//!
//! # Registers
//!
//! Overview of ARM64 ABI conventions, "Integer registers" and "Floating-point/SIMD registers".
//!
//! | register              | by the ABI      | inline form             | naked form       |
//! |-----------------------|-----------------|-------------------------|------------------|
//! | x19, x29              | callee saves    | frame (LLVM keeps them) | frame            |
//! | x20–x28               | callee saves    | clobbered               | above the frame  |
//! | d8–d15                | callee saves    | `clobber_abi("C")`      | above the frame  |
//! | sp                    | callee saves    | the context itself      | the context      |
//! | x30                   | link register   | `clobber_abi("C")`      | above the frame  |
//! | FPCR                  | not changed     | frame, if `FLOAT`       | frame, if float  |
//! | x18                   | the TEB         | read                    | read             |
//! | all others, NZCV      | caller saves    | `clobber_abi("C")`      | not saved        |
//!
//! # Walking the stack
//!
//! As on x86-64 Windows, the two halves of the naked form are two functions to the system
//! (`x86_64_windows.rs` says why). Here the system counts the instructions of a prologue: what a
//! half finds done when it begins is described by instructions before its first one, which never
//! run. So it is with the start of a fresh stack, which ends the walk by a link register that is
//! zero. A walk that begins at one of the two branches that leave goes astray, and one in the
//! inline form.
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

/// What a stack's top is a multiple of (ARM64 ABI conventions, "Stack"), in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// FPCR of a new thread: round to nearest, no flush to zero, no exception trapped.
const FPCR_INITIAL: u64 = 0;

/// Bytes of instructions before the first one of [`start`] that runs.
const START_LEAD_BYTES: usize = 8;

/// What both forms leave at the end of a suspended stack. The assembly takes every offset from
/// here.
#[repr(C)]
pub(crate) struct Frame {
    teb: Teb,
    unused: u64,
    fpcr: u64,
    x19: *const (),
    x29: *const (),
    /// Where execution goes on, once the frame is off the stack.
    resume: *const (),
}

/// What lies above the frame that the naked form leaves, lowest address first. A field of two words
/// is the first of two registers that one instruction stores.
#[repr(C)]
struct Pushed {
    d8: [u64; 2],
    d10: [u64; 2],
    d12: [u64; 2],
    d14: [u64; 2],
    x20: [u64; 2],
    x22: [u64; 2],
    x24: [u64; 2],
    x26: [u64; 2],
    x28: u64,
    x30: u64,
}

/// What lies above the frame of a fresh stack, lowest address first.
#[repr(C)]
struct Foot {
    /// Null: nobody called, and a walk ends here.
    x30: *const (),
    activation_stack: ActivationStack,
}

// [frame.I2]: a fresh frame is taken off in one piece, and what remains must be aligned for a call.
// sp must be aligned whenever it is used as an address, so it is at each step of the naked form.
const _: () = assert!(size_of::<Frame>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(size_of::<Pushed>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(size_of::<Foot>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Frame>() <= STACK_ALIGN && align_of::<Foot>() <= STACK_ALIGN);
// The instructions move registers of eight bytes, in pairs.
const _: () = assert!(size_of::<*const ()>() == 8);
const _: () = assert!(offset_of!(Frame, resume) == offset_of!(Frame, x29) + 8);
// Two registers, x0 and x1: a structure of up to 16 bytes is passed and returned so ("Parameter
// passing", "Return values").
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
    let x30 = unsafe { foot.byte_add(offset_of!(Foot, x30)) }.cast();
    // SAFETY: as above.
    unsafe { x30.write(ptr::null::<()>()) };
    let fresh = Frame {
        teb: Teb::fresh(stack, activation_stack),
        unused: 0,
        fpcr: FPCR_INITIAL,
        x19: entry as *const (),
        x29: ptr::null(),
        resume: (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
    };
    // SAFETY: the block may be written; its end is aligned to `STACK_ALIGN`, and so is `frame`,
    // because the sizes of frame and foot are multiples of it, which is no less than the alignment
    // of `Frame`.
    unsafe { frame.write(fresh) };
    frame
}

/// The first code of a fresh stack: calls `entry`, which its frame put into x19, with the
/// [`Transfer`].
///
/// # Safety
///
/// Never called. It is branched to, [`START_LEAD_BYTES`] in, by the switch that resumes a fresh
/// context.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        ".seh_proc {me}",
        // A prologue that never runs: it stands for the foot.
        "udf #0",
        ".seh_stackalloc {foot}",
        "udf #0",
        ".seh_save_reg x30, {x30}",
        ".seh_endprologue",
        "hint #36", // bti j
        "blr x19",
        // `entry` does not return.
        "udf #0",
        ".seh_endfunclet",
        ".seh_endproc",
        me = sym start,
        foot = const size_of::<Foot>(),
        x30 = const offset_of!(Foot, x30),
    )
}

const _: () = assert!(START_LEAD_BYTES == 2 * 4, "two instructions");

/// Stores the fields of the thread's block into the frame at sp; overwrites x3 and x4.
macro_rules! save_teb {
    () => {
        "ldr x3, [x18]
         ldr x4, [x18, #0x8]
         str x3, [sp, {exception_list}]
         str x4, [sp, {stack_base}]
         ldr x3, [x18, #0x10]
         ldr x4, [x18, #0x20]
         str x3, [sp, {stack_limit}]
         str x4, [sp, {fiber_data}]
         ldr x3, [x18, #0x2C8]
         ldr x4, [x18, #0x1478]
         str x3, [sp, {activation_stack}]
         str x4, [sp, {deallocation_stack}]
         ldr w3, [x18, #0x1748]
         str w3, [sp, {guaranteed_bytes}]"
    };
}

/// Loads the fields of the thread's block from the frame at x5; overwrites x3 and x4.
macro_rules! load_teb {
    () => {
        "ldr x3, [x5, {exception_list}]
         ldr x4, [x5, {stack_base}]
         str x3, [x18]
         str x4, [x18, #0x8]
         ldr x3, [x5, {stack_limit}]
         ldr x4, [x5, {fiber_data}]
         str x3, [x18, #0x10]
         str x4, [x18, #0x20]
         ldr x3, [x5, {activation_stack}]
         ldr x4, [x5, {deallocation_stack}]
         str x3, [x18, #0x2C8]
         str x4, [x18, #0x1478]
         ldr w3, [x5, {guaranteed_bytes}]
         str w3, [x18, #0x1748]"
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
                "sub sp, sp, {size}",
                "adr x3, 2f",
                "str x19, [sp, {x19}]",
                "stp x29, x3, [sp, {x29}]",
                ".if {float}",
                "mrs x4, fpcr",
                "str x4, [sp, {fpcr}]",
                ".endif",
                save_teb!(),
                "mov x5, x0",
                "mov x0, sp",
                // All that the frame of `to` holds, before sp makes it fair game.
                load_teb!(),
                "ldr x19, [x5, {x19}]",
                "ldp x29, x16, [x5, {x29}]",
                ".if {float}",
                "ldr x4, [x5, {fpcr}]",
                "msr fpcr, x4",
                ".endif",
                "add sp, x5, {size}",
                $($publish,)?
                "br x16",
                "udf #0",
                "2:",
                "hint #36", // bti j
                size = const size_of::<Frame>(),
                fpcr = const offset_of!(Frame, fpcr),
                x19 = const offset_of!(Frame, x19),
                x29 = const offset_of!(Frame, x29),
                exception_list = const offset_of!(Frame, teb.exception_list),
                stack_base = const offset_of!(Frame, teb.stack_base),
                stack_limit = const offset_of!(Frame, teb.stack_limit),
                fiber_data = const offset_of!(Frame, teb.fiber_data),
                activation_stack = const offset_of!(Frame, teb.activation_stack),
                deallocation_stack = const offset_of!(Frame, teb.deallocation_stack),
                guaranteed_bytes = const offset_of!(Frame, teb.guaranteed_bytes),
                float = const $float as usize,
                inlateout("x0") $to.into_frame().as_ptr() => from,
                inlateout("x1") $message => message,
                $($slot)*
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
        // SAFETY: whoever resumed this context put the address of the frame it left into x0, never
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
    // `stlr` is the release: it orders the frame and all before it, loads from the old stack
    // included, before the store that whoever loads the slot with acquire sees. sp has moved
    // already [frame.I3].
    inline_switch!(
        to,
        message,
        FLOAT,
        ["stlr x0, [x2]"],
        [inlateout("x2") slot => _,]
    )
}

/// Defines a naked form.
macro_rules! naked_switch {
    ($(#[$doc:meta])* $name:ident, $float:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(to: Context, message: *mut ()) -> Transfer {
            // Arguments: x0 = to, x1 = message. Result: x0 = from, x1 = message.
            naked_asm!(
                ".seh_proc {me}",
                "hint #34", // bti c
                ".seh_nop",
                "sub sp, sp, {pushed} + {size}",
                ".seh_stackalloc {pushed} + {size}",
                "stp d8, d9, [sp, {size} + {d8}]",
                ".seh_save_fregp d8, {size} + {d8}",
                "stp d10, d11, [sp, {size} + {d10}]",
                ".seh_save_fregp d10, {size} + {d10}",
                "stp d12, d13, [sp, {size} + {d12}]",
                ".seh_save_fregp d12, {size} + {d12}",
                "stp d14, d15, [sp, {size} + {d14}]",
                ".seh_save_fregp d14, {size} + {d14}",
                "stp x20, x21, [sp, {size} + {x20}]",
                ".seh_save_regp x20, {size} + {x20}",
                "stp x22, x23, [sp, {size} + {x22}]",
                ".seh_save_regp x22, {size} + {x22}",
                "stp x24, x25, [sp, {size} + {x24}]",
                ".seh_save_regp x24, {size} + {x24}",
                "stp x26, x27, [sp, {size} + {x26}]",
                ".seh_save_regp x26, {size} + {x26}",
                "str x28, [sp, {size} + {x28}]",
                ".seh_save_reg x28, {size} + {x28}",
                "str x30, [sp, {size} + {x30}]",
                ".seh_save_reg x30, {size} + {x30}",
                "str x19, [sp, {x19}]",
                ".seh_save_reg x19, {x19}",
                "str x29, [sp, {x29}]",
                ".seh_save_reg x29, {x29}",
                ".seh_endprologue",
                "adr x3, 2f",
                "str x3, [sp, {x29} + 8]",
                ".if {float}",
                "mrs x4, fpcr",
                "str x4, [sp, {fpcr}]",
                ".endif",
                save_teb!(),
                "mov x5, x0",
                "mov x0, sp",
                load_teb!(),
                "ldr x19, [x5, {x19}]",
                "ldp x29, x16, [x5, {x29}]",
                ".if {float}",
                "ldr x4, [x5, {fpcr}]",
                "msr fpcr, x4",
                ".endif",
                "add sp, x5, {size}",
                "br x16",
                ".seh_endfunclet",
                ".seh_endproc",
                // Resumed: the frame is off, what was pushed above it is not. A prologue that never
                // runs stands for that.
                ".seh_proc {me}",
                "udf #0",
                ".seh_stackalloc {pushed}",
                "udf #0",
                ".seh_save_fregp d8, {d8}",
                "udf #0",
                ".seh_save_fregp d10, {d10}",
                "udf #0",
                ".seh_save_fregp d12, {d12}",
                "udf #0",
                ".seh_save_fregp d14, {d14}",
                "udf #0",
                ".seh_save_regp x20, {x20}",
                "udf #0",
                ".seh_save_regp x22, {x22}",
                "udf #0",
                ".seh_save_regp x24, {x24}",
                "udf #0",
                ".seh_save_regp x26, {x26}",
                "udf #0",
                ".seh_save_reg x28, {x28}",
                "udf #0",
                ".seh_save_reg x30, {x30}",
                ".seh_endprologue",
                "2:",
                "hint #36", // bti j
                ".seh_startepilogue",
                "ldr x30, [sp, {x30}]",
                ".seh_save_reg x30, {x30}",
                "ldr x28, [sp, {x28}]",
                ".seh_save_reg x28, {x28}",
                "ldp x26, x27, [sp, {x26}]",
                ".seh_save_regp x26, {x26}",
                "ldp x24, x25, [sp, {x24}]",
                ".seh_save_regp x24, {x24}",
                "ldp x22, x23, [sp, {x22}]",
                ".seh_save_regp x22, {x22}",
                "ldp x20, x21, [sp, {x20}]",
                ".seh_save_regp x20, {x20}",
                "ldp d14, d15, [sp, {d14}]",
                ".seh_save_fregp d14, {d14}",
                "ldp d12, d13, [sp, {d12}]",
                ".seh_save_fregp d12, {d12}",
                "ldp d10, d11, [sp, {d10}]",
                ".seh_save_fregp d10, {d10}",
                "ldp d8, d9, [sp, {d8}]",
                ".seh_save_fregp d8, {d8}",
                "add sp, sp, {pushed}",
                ".seh_stackalloc {pushed}",
                ".seh_endepilogue",
                "ret",
                ".seh_endfunclet",
                ".seh_endproc",
                me = sym $name,
                size = const size_of::<Frame>(),
                pushed = const size_of::<Pushed>(),
                fpcr = const offset_of!(Frame, fpcr),
                x19 = const offset_of!(Frame, x19),
                x29 = const offset_of!(Frame, x29),
                d8 = const offset_of!(Pushed, d8),
                d10 = const offset_of!(Pushed, d10),
                d12 = const offset_of!(Pushed, d12),
                d14 = const offset_of!(Pushed, d14),
                x20 = const offset_of!(Pushed, x20),
                x22 = const offset_of!(Pushed, x22),
                x24 = const offset_of!(Pushed, x24),
                x26 = const offset_of!(Pushed, x26),
                x28 = const offset_of!(Pushed, x28),
                x30 = const offset_of!(Pushed, x30),
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
