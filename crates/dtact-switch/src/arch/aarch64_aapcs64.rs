//! The switch for AArch64 under AAPCS64: the frame, the forms of the switch, the first code of a
//! fresh stack.
//!
//! # Pictures
//!
//! Stacks grow down; addresses fall from top to bottom of each picture. A context is the address of
//! its [`Frame`].
//!
//! ```text
//!         fresh                    left by an inline form       left by the naked form
//!
//! top ─►  ┌──────────────┐         │ caller's frame   │         │ caller's frame   │
//!         │ resume: start│         ├──────────────────┤         ├──────────────────┤
//!         │ x29: 0       │         │ resume: in caller│         │ x30              │
//!         │ x19: entry   │         │ x29              │         │ x28 … x20        │
//!         │ FPCR: 0      │         │ x19              │         │ d15 … d8         │
//! context►└──────────────┘         │ FPCR             │         ├──────────────────┤
//!         │ untouched    │ context►└──────────────────┘         │ resume: in naked │
//!                                                               │ x29              │
//!                                                               │ x19              │
//!                                                               │ FPCR             │
//!                                                       context►└──────────────────┘
//!
//!         running: there is no frame. Whoever resumes restores x19, x29 and FPCR, authenticates
//!         `resume`, takes the frame off (sp = context + size of the frame) and branches there with
//!
//!         x0 = context left   x1 = message       = Transfer, as a function returns or takes it
//! ```
//!
//! Code at `resume` puts back what else it took: the inline forms nothing, because the compiler
//! spilled what it needs; the naked form the rest of the callee-saved registers; the start of a
//! fresh stack calls `entry`, for which x0 and x1 are in place.
//!
//! # Linked stacks
//!
//! A stack that always goes back to whoever resumed it, as that of a coroutine does, carries a
//! [`Link`] above its first frame, and x29 points to it until `entry` takes over:
//!
//! ```text
//!           fresh                            running                  the resumer's stack
//!
//!           │ anything            │          │ anything            │  │ …                │
//!           │ entry               │          │ entry               │  │ resume           │
//!   Link ─► │ parent: not yet     │   Link ─►│ parent              │─►│ x29              │
//!           ├─────────────────────┤          ├─────────────────────┤  │ x19              │
//!           │ resume: start_linked│          │ frames of entry …   │  │ FPCR, if float   │
//!           │ x29: Link           │                                   └──────────────────┘
//!           │ x19: 0              │
//! context ► │ FPCR: 0             │
//!           └─────────────────────┘
//! ```
//!
//! `parent` is written by `resume_inline` before it leaves, so that it is right whenever the stack
//! runs. It and `entry` are a frame record as well (section 6.4.6 "The Frame Pointer"), so that a
//! walk along frame pointers crosses over, too.
//!
//! # Registers
//!
//! Procedure Call Standard for the Arm 64-bit Architecture (AAPCS64), section 6.1.1
//! "General-purpose Registers", 6.1.2 "SIMD and Floating-Point registers", 6.1.3 and 6.1.4 for
//! those of SVE.
//!
//! | register              | by the ABI      | inline forms            | naked form       |
//! |-----------------------|-----------------|-------------------------|------------------|
//! | x19, x29              | callee saves    | frame (LLVM keeps them) | frame            |
//! | x20–x28               | callee saves    | clobbered               | above the frame  |
//! | d8–d15                | callee saves    | `clobber_abi("C")`      | above the frame  |
//! | sp                    | callee saves    | the context itself      | the context      |
//! | x30                   | link register   | `clobber_abi("C")`      | above, signed    |
//! | FPCR                  | not changed     | frame, if `FLOAT`       | frame, if float  |
//! | FPSR                  | flags, nobody's | not touched             | same             |
//! | x18                   | platform's      | caller saves on Linux   | same             |
//! | v16–v31, upper halves | caller saves    | `clobber_abi("C")`      | not saved        |
//! | p0–p15, FFR, z above v| caller saves    | `clobber_abi("C")`      | not saved        |
//! | all others, NZCV      | caller saves    | `clobber_abi("C")`      | not saved        |
//! | TPIDR_EL0             | the thread's    | not touched             | same             |
//!
//! SVE: by the base procedure call standard, which both forms follow, a call keeps of z8–z15 what
//! d8–d15 are. SME: streaming mode and ZA must be off at a switch, as they are in every function
//! that does not say otherwise.
//!
//! # Branch targets and signed return addresses
//!
//! Where an indirect branch lands there is a landing pad, written as a hint so that assemblers for
//! every CPU take it: `bti c` (hint 34) where a function here is called, `bti j` (hint 36) where a
//! context is resumed by a branch. The branch is `br x17`, which both kinds accept. A `ret` lands
//! anywhere.
//!
//! `resume` is signed with the instruction key A wherever a frame is written, and authenticated
//! wherever one is taken off: by `pacia1716` (hint 8) and `autia1716` (hint 12), for which x17 is
//! the address and x16 the modifier. These are hints too: a processor without them does nothing,
//! and the word is the plain address. The modifier is context + size of the frame, the stack
//! pointer of the context once it runs again: a word that was signed for one place is refused at
//! another. It is the canonical frame address (CFA) of the frame as well, as unwind information
//! demands of a return address of which it says `.cfi_negate_ra_state`: a walker authenticates it
//! with that. x30 of the naked form is signed as compilers do it, by `paciasp` (hint 25) and
//! `autiasp` (hint 29).
//!
//! A `resume` that is refused turns into an address that faults, or else faults at once
//! (`FEAT_FPAC`). Whoever follows frame records without unwind information meets signed addresses
//! there, as in code that is compiled with `pac-ret`. Not signed is what else a frame holds, the
//! entry of a fresh stack in x19 among it, and `entry` of a [`Link`].
//!
//! An address that the compiler signed lies in the compiler's own frame, with the stack pointer of
//! that frame as the modifier, and is the same when the frame is resumed.
//!
//! # Branches, calls and returns
//!
//! The return-stack buffer holds the call of the side that is left. A `ret` to the other side would
//! be predicted to go there and miss; an indirect branch is predicted from its own history. So a
//! switch between equals branches. The naked form goes back to its caller by `ret`: at a return
//! address there is no landing pad, and where branch targets are enforced every other branch to it
//! faults. A linked stack is resumed by a `bl` and left by a `ret`, which form a pair, as do the
//! call of its first function and the return of it.
//!
//! # Walking the stack
//!
//! Unwind information is right at every instruction, on both stacks. The inline forms do not move
//! sp between the instructions of their caller, whose unwind information would then be wrong: what
//! moves it stands in another section, with unwind information of its own. It is entered by a
//! branch or by a call, with the return address in x30 either way.
//!
//! The start of a fresh stack ends the walk: its return address is undefined, and x29 is zero
//! there. That of a linked stack goes on into the resumer: its frame address is an expression that
//! follows the link. It is marked as a signal frame, for debuggers take it for an error if another
//! frame's caller lies at a lower address.
//!
//! One undefined instruction precedes each address that is only ever branched to, because a walker
//! looks an address up at one byte less, where it expects the call.
#![allow(
    unsafe_code,
    reason = "the switch is assembly, and the first frame is written to raw memory"
)]
#![expect(
    clippy::too_many_lines,
    reason = "one instruction a line, and a line on unwinding for each register that it moves"
)]

use core::arch::{asm, naked_asm};
use core::cell::Cell;
use core::mem::{align_of, offset_of, size_of};
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::linked::{Callee, Ended, LinkedEntry, Resumed, Word, left_during_detour};
use crate::{Context, Entry, Transfer};

/// What a stack's top is a multiple of (AAPCS64, "The Stack", constraints at a public interface),
/// in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// FPCR of a new process on Linux: round to nearest, no flush to zero, no exception trapped.
const FPCR_INITIAL: u64 = 0;

/// Bytes of undefined instruction before the first instruction of [`start`] and its like.
const START_LEAD_BYTES: usize = 4;

/// What every form leaves at the end of a suspended stack. The assembly takes every offset from
/// here.
#[repr(C)]
pub(crate) struct Frame {
    fpcr: u64,
    x19: *const (),
    x29: *const (),
    /// Where execution goes on, once the frame is off the stack, as [`signed`] makes it.
    resume: *const (),
}

/// The way from a linked stack to whoever resumed it; see the picture above.
#[repr(C)]
pub(crate) struct Link {
    /// The `x29` of the resumer's frame: a frame record, as the ABI describes it.
    parent: Cell<*const ()>,
    /// What runs first on the stack. A walk along frame pointers takes it for a return address.
    entry: LinkedEntry<Self>,
}

/// What lies above the frame that the naked form leaves, lowest address first. Each field is the
/// first of two registers that one instruction stores.
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

// [frame.I2]: a fresh frame is taken off in one piece, and what remains must be aligned for a call.
// sp must be aligned whenever it is used as an address, so it is at each step of the naked form.
const _: () = assert!(size_of::<Frame>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(size_of::<Pushed>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Frame>() <= STACK_ALIGN);
// The instructions move registers of eight bytes, in pairs.
const _: () = assert!(size_of::<*const ()>() == 8);
const _: () = assert!(offset_of!(Frame, resume) == offset_of!(Frame, x29) + 8);
const _: () = assert!(offset_of!(Pushed, x30) == offset_of!(Pushed, x28) + 8);
// The assembly follows a link with constants: it has to, in unwind information.
const _: () = assert!(offset_of!(Link, parent) == 0 && offset_of!(Link, entry) == 8);
// Two registers, x0 and x1: a composite of up to 16 bytes is passed and returned so (section 6.8.2
// "Parameter passing rules", 6.9 "Result return").
const _: () = assert!(size_of::<Transfer>() == 2 * size_of::<*mut ()>());
const _: () = assert!(offset_of!(Transfer, message) == size_of::<*mut ()>());
const _: () = assert!(size_of::<Ended>() == 2 * size_of::<*mut ()>());

/// `address` as it stands in `resume` of a frame that ends at `end`: signed, where processor and
/// system do that, and else as it is (Arm Architecture Reference Manual, `PACIA1716`).
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "it computes with addresses, and follows none"
)]
#[inline]
fn signed(address: *const (), end: *const ()) -> *const () {
    let word;
    // SAFETY: reads and writes registers alone.
    unsafe {
        asm!(
            "hint #8", // pacia1716
            inlateout("x17") address => word,
            in("x16") end,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    word
}

/// Where in a frame the frame record lies that a [`Link`] points to.
const PARENT: usize = offset_of!(Frame, x29);

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
        fpcr: FPCR_INITIAL,
        x19: entry as *const (),
        x29: null(),
        resume: signed(
            (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
            top.as_ptr().cast(),
        ),
    };
    // SAFETY: the block may be written; its end is aligned to `STACK_ALIGN`, and so is `frame`,
    // because the size of a frame is a multiple of it, which is no less than the alignment of
    // `Frame`.
    unsafe { frame.write(fresh) };
    frame
}

/// Writes the first frame of a stack that goes back to whoever resumes it; returns where it lies.
/// `FLOAT` is the kind of the forms by which it will be resumed and left.
///
/// # Safety
///
/// `link` is aligned to [`STACK_ALIGN`], and lies above a block of at least the size of a
/// [`Frame`], which may be written through it. It holds a link when the frame is resumed.
#[inline]
pub(crate) unsafe fn write_linked_frame<const FLOAT: bool>(link: NonNull<Link>) -> NonNull<Frame> {
    let start = if FLOAT {
        start_linked_float as *const ()
    } else {
        start_linked_no_float as *const ()
    };
    let fresh = Frame {
        fpcr: FPCR_INITIAL,
        x19: null(),
        x29: link.as_ptr().cast(),
        resume: signed(
            start.wrapping_byte_add(START_LEAD_BYTES),
            link.as_ptr().cast(),
        ),
    };
    let frame = linked_frame(link);
    // SAFETY: the caller vouches for the place below, and it is aligned as in `write_fresh_frame`.
    unsafe { frame.write(fresh) };
    frame
}

/// Where the first frame of a linked stack lies.
#[inline]
pub(crate) fn linked_frame(link: NonNull<Link>) -> NonNull<Frame> {
    // Never null: `link` is far above address 0, by the room that its stack has below it.
    let frame = link.as_ptr().wrapping_byte_sub(size_of::<Frame>());
    // SAFETY: see above.
    unsafe { NonNull::new_unchecked(frame.cast()) }
}

impl Link {
    /// The link of a stack that does not run yet: it leads nowhere.
    #[inline]
    pub(crate) fn new(entry: LinkedEntry<Self>) -> Self {
        Self {
            parent: Cell::new(null()),
            entry,
        }
    }

    /// Has a walk of the stack end at its root, until it is resumed the next time.
    pub(crate) fn end_walks(&self) {
        /// A frame whose record has no caller.
        static NOBODY: [AtomicPtr<()>; 4] = [const { AtomicPtr::new(null_mut()) }; 4];
        let frame = (&raw const NOBODY).cast::<()>();
        // A walker takes the word for signed. Relaxed: every thread of the process stores the same.
        let end = frame.wrapping_byte_add(size_of::<Frame>());
        NOBODY[offset_of!(Frame, resume) / size_of::<*const ()>()]
            .store(signed(null(), end).cast_mut(), Ordering::Relaxed);
        self.parent.set(frame.wrapping_byte_add(PARENT));
    }

    /// How far down the resumer's stack is in use: everything below is free.
    ///
    /// # Safety
    ///
    /// The stack runs, or has been told to run code elsewhere.
    pub(crate) unsafe fn parent_sp(&self) -> NonNull<u8> {
        // The frame is aligned as the stack is.
        let sp = self.parent.get().wrapping_byte_sub(PARENT);
        // SAFETY: the frame, which is not null.
        unsafe { NonNull::new_unchecked(sp.cast_mut().cast()) }
    }
}

/// Takes the place of the resumer while a linked stack must not be left: who leaves it ends the
/// process. A walk goes on into the true resumer.
#[repr(C)]
pub(crate) struct Detour {
    frame: Frame,
    /// The true way back.
    link: Link,
}

impl Detour {
    /// A detour for the stack of `link`, to be put in place by [`Detour::enter`].
    pub(crate) fn new(link: &Link) -> Self {
        Self {
            frame: Frame {
                fpcr: FPCR_INITIAL,
                x19: null(),
                x29: null(),
                resume: null(),
            },
            link: Link {
                parent: Cell::new(link.parent.get()),
                entry: link.entry,
            },
        }
    }

    /// Puts it in place. It may not move until it is [left](Self::leave).
    pub(crate) fn enter(&mut self, link: &Link) {
        let frame = (&raw const self.frame).cast::<()>();
        self.frame.x29 = (&raw const self.link).cast();
        self.frame.resume = signed(
            (no_way_back as *const ()).wrapping_byte_add(START_LEAD_BYTES),
            frame.wrapping_byte_add(size_of::<Frame>()),
        );
        link.parent.set(frame.wrapping_byte_add(PARENT));
    }

    /// Puts the true way back into its place.
    pub(crate) fn leave(&self, link: &Link) {
        link.parent.set(self.link.parent.get());
    }
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
        ".cfi_startproc",
        // Nobody called: a walk ends here.
        ".cfi_undefined x30",
        ".skip {lead}, 0",
        "hint #36", // bti j
        "blr x19",
        // `entry` does not return.
        "udf #0",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
    )
}

/// The unwind information of code that runs at the root of a linked stack, with x29 at the link:
/// its caller is whoever `parent` leads to.
macro_rules! cfi_linked {
    () => {
        "
        .cfi_startproc
        .cfi_signal_frame
        // DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg29 (x29) 0, DW_OP_deref,
        // DW_OP_plus_uconst 16. The frame record of the resumer ends there.
        .cfi_escape 0x0f, 5, 0x8d, 0, 0x06, 0x23, 16
        .cfi_offset x30, -8
        .cfi_negate_ra_state // signed with the CFA
        .cfi_offset x29, -16
        .cfi_offset x19, -24
        "
    };
}

/// Defines the first and last code of a linked stack: calls `entry`, then leaves for good.
macro_rules! start_linked {
    ($(#[$doc:meta])* $name:ident, $float:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> ! {
            naked_asm!(
                cfi_linked!(),
                ".skip {lead}, 0",
                "hint #36", // bti j
                "ldr x16, [x29, {entry}]",
                "mov x0, x29", // and x1 = what came with the resumption
                "blr x16",
                // x0, x1 = how it ended. Back to whoever resumed it last.
                "mov x2, x1",
                "mov x1, x0",
                "ldr x5, [x29, {parent}]",
                ".cfi_def_cfa x5, 16",
                ".if {float}",
                "ldr x4, [x5, {fpcr} - {x29}]",
                "msr fpcr, x4",
                ".endif",
                "ldr x19, [x5, {x19} - {x29}]",
                "ldp x29, x17, [x5]",
                "add x16, x5, {size} - {x29}",
                "hint #12", // autia1716
                "mov x30, x17",
                // All is restored but sp.
                ".cfi_same_value x19",
                ".cfi_same_value x29",
                ".cfi_same_value x30",
                ".cfi_negate_ra_state",
                "mov x0, xzr", // no context is left
                "mov sp, x16",
                "ret",
                ".cfi_endproc",
                lead = const START_LEAD_BYTES,
                entry = const offset_of!(Link, entry),
                parent = const offset_of!(Link, parent),
                size = const size_of::<Frame>(),
                fpcr = const offset_of!(Frame, fpcr),
                x19 = const offset_of!(Frame, x19),
                x29 = const offset_of!(Frame, x29),
                float = const $float as usize,
            )
        }
    };
}

start_linked! {
    /// The first and last code of a linked stack with FP control state.
    ///
    /// # Safety
    ///
    /// Never called. It is branched to, [`START_LEAD_BYTES`] in, by [`resume_inline`].
    start_linked_float, true
}
start_linked! {
    /// The first and last code of a linked stack without FP control state.
    ///
    /// # Safety
    ///
    /// Never called. It is branched to, [`START_LEAD_BYTES`] in, by [`resume_inline`].
    start_linked_no_float, false
}

/// Where a linked stack arrives that is left during a [`Detour`]: tells so, on the stack where the
/// code ran that left it, and ends the process.
///
/// # Safety
///
/// Never called. It is returned to, [`START_LEAD_BYTES`] in, by [`suspend_inline`].
#[unsafe(naked)]
unsafe extern "C" fn no_way_back() -> ! {
    naked_asm!(
        cfi_linked!(),
        ".skip {lead}, 0",
        "mov sp, x0", // the context left
        "bl {abort}",
        "udf #0",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
        abort = sym left_during_detour,
    )
}

/// The text of an inline form that is entered by a branch: what stands between the instructions of
/// the caller, and the head of the body that moves sp, which stands elsewhere.
macro_rules! leave {
    () => {
        concat!(
            "
        adr x30, 2f
        b 3f
        udf #0
    2:
        hint #36 // bti j
        ",
            out_of_line!(),
            "
        .cfi_startproc
    3:
        "
        )
    };
}

/// The text that leaves a whole frame, to be resumed at x30. That stays in its register, where a
/// walk finds it.
macro_rules! save {
    () => {
        "
        mov x16, sp
        mov x17, x30
        hint #8 // pacia1716
        sub sp, sp, {size}
        .cfi_def_cfa_offset {size}
        str x19, [sp, {x19}]
        .cfi_rel_offset x19, {x19}
        stp x29, x17, [sp, {x29}]
        .cfi_rel_offset x29, {x29}
        .if {float}
        mrs x4, fpcr
        str x4, [sp, {fpcr}]
        .endif
        "
    };
}

/// The text that takes off the frame that x5 points to. All is restored then but the address of the
/// next instruction, which is in x17.
macro_rules! restore {
    () => {
        "
        // All that the frame holds, before sp makes it fair game.
        ldr x19, [x5, {x19}]
        ldp x29, x17, [x5, {x29}]
        .if {float}
        ldr x4, [x5, {fpcr}]
        msr fpcr, x4
        .endif
        add x16, x5, {size}
        hint #12 // autia1716
        mov sp, x16
        .cfi_def_cfa sp, 0
        .cfi_register x30, x17
        .cfi_same_value x19
        .cfi_same_value x29
        "
    };
}

/// The body of the inline forms of a switch between equals. `$publish` is the text that runs when
/// the stack is left, and `$slot` the operand it uses.
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
                leave!(),
                save!(),
                "mov x5, x0",
                "mov x0, sp",
                restore!(),
                $($publish,)?
                "br x17",
                ".cfi_endproc",
                ".popsection",
                size = const size_of::<Frame>(),
                fpcr = const offset_of!(Frame, fpcr),
                x19 = const offset_of!(Frame, x19),
                x29 = const offset_of!(Frame, x29),
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

/// Resumes a linked stack, fresh or left by [`suspend_inline`], and hands `word` over.
///
/// # Safety
///
/// Those of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch); `link` is that of the
/// stack of `to`, and `FLOAT` its kind.
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn resume_inline<const FLOAT: bool>(
    to: Context,
    link: NonNull<Link>,
    word: Word,
) -> Resumed {
    let left: *mut Frame;
    let answer: Word;
    let how: usize;
    // SAFETY: as for `inline_switch!`. The link may be written: the stack does not run yet.
    unsafe {
        asm!(
            // The call is paired with the `ret` that comes back.
            "bl 3f",
            out_of_line!(),
            ".cfi_startproc",
            "3:",
            save!(),
            "add x4, sp, {x29}",
            "str x4, [x2, {parent}]",
            "mov x5, x0",
            restore!(),
            "br x17",
            ".cfi_endproc",
            ".popsection",
            parent = const offset_of!(Link, parent),
            size = const size_of::<Frame>(),
            fpcr = const offset_of!(Frame, fpcr),
            x19 = const offset_of!(Frame, x19),
            x29 = const offset_of!(Frame, x29),
            float = const FLOAT as usize,
            inlateout("x0") to.into_frame().as_ptr() => left,
            inlateout("x1") word => answer,
            inlateout("x2") link.as_ptr() => how,
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
    Resumed {
        left: NonNull::new(left),
        word: answer,
        how,
    }
}

/// Leaves a linked stack for whoever resumed it last, and hands `word` over. Returns what comes
/// with the next resumption.
///
/// # Safety
///
/// It runs on the stack of `link`, of the kind `FLOAT`; the stack stays valid, and unused by
/// others, until it is resumed or given up for good.
#[expect(
    clippy::inline_always,
    reason = "the compiler must see what is live at the call"
)]
#[inline(always)]
pub(crate) unsafe fn suspend_inline<const FLOAT: bool>(link: &Link, word: Word) -> Word {
    let answer: Word;
    // SAFETY: as for `inline_switch!`: whoever resumed this stack waits in `resume_inline`, with a
    // complete frame of the same kind around `parent`.
    unsafe {
        asm!(
            leave!(),
            save!(),
            "mov x5, x0",
            "mov x0, sp",
            "ldr x19, [x5, {x19} - {x29}]",
            "ldp x29, x17, [x5]",
            ".if {float}",
            "ldr x4, [x5, {fpcr} - {x29}]",
            "msr fpcr, x4",
            ".endif",
            "add x16, x5, {size} - {x29}",
            "hint #12", // autia1716
            "mov sp, x16",
            // On the other stack, and all is restored but the address of the next instruction.
            ".cfi_def_cfa sp, 0",
            ".cfi_register x30, x17",
            ".cfi_same_value x19",
            ".cfi_same_value x29",
            "mov x30, x17",
            "ret",
            ".cfi_endproc",
            ".popsection",
            size = const size_of::<Frame>(),
            fpcr = const offset_of!(Frame, fpcr),
            x19 = const offset_of!(Frame, x19),
            x29 = const offset_of!(Frame, x29),
            float = const FLOAT as usize,
            inlateout("x0") link.parent.get() => _,
            inlateout("x1") word => answer,
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
    answer
}

/// Calls `callee` with `data` on another stack, whose top is `sp`. A walk goes on into the caller.
///
/// # Safety
///
/// `sp` is aligned to [`STACK_ALIGN`], and the memory below may be used as a stack. `callee` may be
/// called with `data`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_on(sp: NonNull<u8>, callee: Callee, data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        // For debuggers: the callee's stack may lie higher than the caller's.
        ".cfi_signal_frame",
        "hint #34", // bti c
        "stp x29, x30, [sp, -16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x30, -8",
        ".cfi_offset x29, -16",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        ".cfi_def_cfa_register sp",
        "ldp x29, x30, [sp], 16",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
    )
}

/// Calls `callee` with `data`, on this stack, as if the suspended context of `frame` had called it:
/// so a walk goes on into that one.
///
/// # Safety
///
/// `frame` is that of a context [context.I1] that stays suspended meanwhile. `callee` may be called
/// with `data`, and does not unwind.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_above(frame: NonNull<Frame>, callee: Callee, data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "hint #34", // bti c
        "stp x29, x30, [sp, -16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x30, -8",
        ".cfi_offset x29, -16",
        ".cfi_remember_state",
        "add x29, x0, {x29}",
        // The caller is the frame, whose record x29 points to.
        ".cfi_def_cfa x29, {size} - {x29}",
        ".cfi_offset x30, {x29} + 8 - {size}",
        ".cfi_negate_ra_state",
        ".cfi_offset x29, {x29} - {size}",
        ".cfi_offset x19, {x19} - {size}",
        "mov x0, x2",
        "blr x1",
        "ldp x29, x30, [sp], 16",
        ".cfi_restore_state",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
        size = const size_of::<Frame>(),
        x19 = const offset_of!(Frame, x19),
        x29 = const offset_of!(Frame, x29),
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
                ".cfi_startproc",
                "hint #34", // bti c
                "hint #25", // paciasp
                ".cfi_negate_ra_state",
                "sub sp, sp, {pushed}",
                ".cfi_def_cfa_offset {pushed}",
                "stp d8, d9, [sp, {d8}]",
                ".cfi_rel_offset d8, {d8}",
                ".cfi_rel_offset d9, {d8} + 8",
                "stp d10, d11, [sp, {d10}]",
                ".cfi_rel_offset d10, {d10}",
                ".cfi_rel_offset d11, {d10} + 8",
                "stp d12, d13, [sp, {d12}]",
                ".cfi_rel_offset d12, {d12}",
                ".cfi_rel_offset d13, {d12} + 8",
                "stp d14, d15, [sp, {d14}]",
                ".cfi_rel_offset d14, {d14}",
                ".cfi_rel_offset d15, {d14} + 8",
                "stp x20, x21, [sp, {x20}]",
                ".cfi_rel_offset x20, {x20}",
                ".cfi_rel_offset x21, {x20} + 8",
                "stp x22, x23, [sp, {x22}]",
                ".cfi_rel_offset x22, {x22}",
                ".cfi_rel_offset x23, {x22} + 8",
                "stp x24, x25, [sp, {x24}]",
                ".cfi_rel_offset x24, {x24}",
                ".cfi_rel_offset x25, {x24} + 8",
                "stp x26, x27, [sp, {x26}]",
                ".cfi_rel_offset x26, {x26}",
                ".cfi_rel_offset x27, {x26} + 8",
                "stp x28, x30, [sp, {x28}]",
                ".cfi_rel_offset x28, {x28}",
                ".cfi_rel_offset x30, {x28} + 8",
                ".cfi_remember_state",
                "mov x16, sp",
                "adr x17, 2f",
                "hint #8", // pacia1716
                "sub sp, sp, {size}",
                ".cfi_def_cfa_offset {pushed} + {size}",
                "str x19, [sp, {x19}]",
                ".cfi_rel_offset x19, {x19}",
                "stp x29, x17, [sp, {x29}]",
                ".cfi_rel_offset x29, {x29}",
                ".if {float}",
                "mrs x4, fpcr",
                "str x4, [sp, {fpcr}]",
                ".endif",
                "mov x5, x0",
                "mov x0, sp",
                "ldr x19, [x5, {x19}]",
                "ldp x29, x17, [x5, {x29}]",
                ".if {float}",
                "ldr x4, [x5, {fpcr}]",
                "msr fpcr, x4",
                ".endif",
                "add x16, x5, {size}",
                "hint #12", // autia1716
                "mov sp, x16",
                // On the other stack. All is restored but the address of the next instruction.
                ".cfi_def_cfa sp, 0",
                ".cfi_register x30, x17",
                ".cfi_negate_ra_state",
                ".cfi_same_value x19",
                ".cfi_same_value x20",
                ".cfi_same_value x21",
                ".cfi_same_value x22",
                ".cfi_same_value x23",
                ".cfi_same_value x24",
                ".cfi_same_value x25",
                ".cfi_same_value x26",
                ".cfi_same_value x27",
                ".cfi_same_value x28",
                ".cfi_same_value x29",
                ".cfi_same_value d8",
                ".cfi_same_value d9",
                ".cfi_same_value d10",
                ".cfi_same_value d11",
                ".cfi_same_value d12",
                ".cfi_same_value d13",
                ".cfi_same_value d14",
                ".cfi_same_value d15",
                "br x17",
                // Resumed: the frame is off, what was pushed above it is not.
                ".cfi_restore_state",
                "udf #0",
                "2:",
                "hint #36", // bti j
                "ldp d8, d9, [sp, {d8}]",
                ".cfi_restore d8",
                ".cfi_restore d9",
                "ldp d10, d11, [sp, {d10}]",
                ".cfi_restore d10",
                ".cfi_restore d11",
                "ldp d12, d13, [sp, {d12}]",
                ".cfi_restore d12",
                ".cfi_restore d13",
                "ldp d14, d15, [sp, {d14}]",
                ".cfi_restore d14",
                ".cfi_restore d15",
                "ldp x20, x21, [sp, {x20}]",
                ".cfi_restore x20",
                ".cfi_restore x21",
                "ldp x22, x23, [sp, {x22}]",
                ".cfi_restore x22",
                ".cfi_restore x23",
                "ldp x24, x25, [sp, {x24}]",
                ".cfi_restore x24",
                ".cfi_restore x25",
                "ldp x26, x27, [sp, {x26}]",
                ".cfi_restore x26",
                ".cfi_restore x27",
                "ldp x28, x30, [sp, {x28}]",
                ".cfi_restore x28",
                ".cfi_restore x30",
                "add sp, sp, {pushed}",
                ".cfi_def_cfa_offset 0",
                "hint #29", // autiasp
                ".cfi_negate_ra_state",
                "ret",
                ".cfi_endproc",
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
    use super::{FPCR_INITIAL, Frame, STACK_ALIGN, write_fresh_frame};
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
        assert_eq!(fresh.fpcr, FPCR_INITIAL);
        assert!(fresh.x29.is_null(), "a walk along frame pointers ends here");
        assert_eq!(fresh.x19, entry as *const ());
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
