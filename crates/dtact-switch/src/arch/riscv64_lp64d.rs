//! The switch for RISC-V 64 under LP64D: the frame, the forms of the switch, the first code of a
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
//!         │ s0: 0        │         │ resume: in caller│         │ ra, unused       │
//!         │ s1: entry    │         │ s0               │         │ fs11 … fs0       │
//!         │ fcsr: 0      │         │ s1               │         │ s11 … s2         │
//! context►└──────────────┘         │ fcsr             │         ├──────────────────┤
//!         │ untouched    │ context►└──────────────────┘         │ resume: in naked │
//!                                                               │ s0               │
//!                                                               │ s1               │
//!                                                               │ fcsr             │
//!                                                       context►└──────────────────┘
//!
//!         running: there is no frame. Whoever resumes restores s0, s1 and fcsr, takes the frame
//!         off (sp = context + size of the frame) and jumps to `resume` with
//!
//!         a0 = context left   a1 = message       = Transfer, as a function returns or takes it
//! ```
//!
//! Code at `resume` puts back what else it took: the inline forms nothing, because the compiler
//! spilled what it needs; the naked form the rest of the callee-saved registers; the start of a
//! fresh stack calls `entry`, for which a0 and a1 are in place.
//!
//! # Linked stacks
//!
//! A stack that always goes back to whoever resumed it, as that of a coroutine does, carries a
//! [`Link`] above its first frame, and s0 points behind it until `entry` takes over:
//!
//! ```text
//!           fresh                            running                  the resumer's stack
//!
//!   s0 ───► │ anything            │   s0 ───►│ anything            │  │ caller's frame   │
//!           │ entry               │          │ entry               │  ├──────────────────┤◄ parent
//!   Link ─► │ parent: not yet     │   Link ─►│ parent              │  │ resume           │
//!           ├─────────────────────┤          ├─────────────────────┤  │ s0               │
//!           │ resume: start_linked│          │ frames of entry …   │  │ s1               │
//!           │ s0: behind the Link │                                   │ fcsr, if float   │
//!           │ s1: 0               │                                   └──────────────────┘
//! context ► │ fcsr: 0             │
//!           └─────────────────────┘
//! ```
//!
//! `parent` is written by `resume_inline` before it leaves, so that it is right whenever the stack
//! runs. It and `entry` are a frame record as well (psABI, "Frame Pointer Convention"), so that a
//! walk along frame pointers crosses over, too.
//!
//! # Registers
//!
//! RISC-V ELF psABI, chapter "Register Convention": "Integer Register Convention", "Floating-point
//! Register Convention" and, for fcsr, the paragraph below it; "Vector Register Convention".
//!
//! | register              | by the ABI      | inline forms            | naked form       |
//! |-----------------------|-----------------|-------------------------|------------------|
//! | s0 (fp), s1           | callee saves    | frame (LLVM keeps them) | frame            |
//! | s2–s11                | callee saves    | clobbered               | above the frame  |
//! | fs0–fs11              | callee saves    | clobbered               | above the frame  |
//! | sp                    | callee saves    | the context itself      | the context      |
//! | ra                    | link register   | `clobber_abi("C")`      | above the frame  |
//! | fcsr: frm, fflags     | the thread's    | frame, if `FLOAT`       | frame, if float  |
//! | all others            | caller saves    | `clobber_abi("C")`      | not saved        |
//! | v0–v31, vl, vtype     | caller saves    | `clobber_abi("C")`      | not saved        |
//! | vcsr                  | the thread's    | not touched             | same             |
//! | gp, tp                | not allocatable | not touched             | same             |
//!
//! `clobber_abi("C")` does not name fs0–fs11, so the inline forms do. fflags, the flags that
//! floating-point arithmetic raises, are a part of fcsr and come along with the rounding mode: to
//! leave them behind would take a second register write at each switch.
//!
//! # Jumps, calls and returns
//!
//! A jump through ra or t0 pops the return-address stack, which holds the call of the side that is
//! left: it would be predicted to go there and miss (RISC-V unprivileged ISA, "Unconditional
//! Jumps", return-address prediction hints). So a switch between equals jumps through t2. And where
//! landing pads are enforced (Zicfilp), a jump through t2 is one of software's own, which needs
//! none. The naked form has no landing pad at its entry. A linked stack is resumed by a call and
//! left by a `ret`, which form a pair, as do the call of its first function and the return of it.
//!
//! # Walking the stack
//!
//! Unwind information is right at every instruction, on both stacks. The inline forms do not move
//! sp between the instructions of their caller, whose unwind information would then be wrong: what
//! moves it stands in another section, with unwind information of its own. It is entered by a jump
//! or by a call, with the return address in ra either way.
//!
//! The start of a fresh stack ends the walk: its return address is undefined, and s0 is zero there.
//! That of a linked stack goes on into the resumer: its frame address is an expression that follows
//! the link. It is marked as a signal frame, for debuggers take it for an error if another frame's
//! caller lies at a lower address.
//!
//! Four bytes that are no instruction precede each address that is only ever jumped to, because a
//! walker looks an address up at one byte less, where it expects the call.
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
use core::ptr::NonNull;

use crate::linked::{Callee, Ended, LinkedEntry, Resumed, Word, left_during_detour};
use crate::{Context, Entry, Transfer};

/// What a stack's top is a multiple of (psABI, "Integer Calling Convention"), in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// fcsr of a new process on Linux: round to nearest, no flag raised.
const FCSR_INITIAL: u64 = 0;

/// Bytes that are no instruction before the first instruction of [`start`] and its like.
const START_LEAD_BYTES: usize = 4;

/// What every form leaves at the end of a suspended stack. The assembly takes every offset from
/// here.
#[repr(C)]
pub(crate) struct Frame {
    fcsr: u64,
    s1: *const (),
    s0: *const (),
    /// Where execution goes on, once the frame is off the stack.
    resume: *const (),
}

/// The way from a linked stack to whoever resumed it; see the picture above.
#[repr(C)]
pub(crate) struct Link {
    /// The end of the resumer's frame, which is behind a frame record, as the ABI describes it.
    parent: Cell<*const ()>,
    /// What runs first on the stack. A walk along frame pointers takes it for a return address.
    entry: LinkedEntry<Self>,
}

/// What lies above the frame that the naked form leaves, lowest address first.
#[repr(C)]
struct Pushed {
    /// s2 to s11.
    s: [u64; 10],
    /// fs0 to fs11.
    fs: [u64; 12],
    ra: u64,
    unused: u64,
}

// [frame.I2]: a fresh frame is taken off in one piece, and what remains must be aligned for a call;
// the psABI wants it aligned in the naked form too.
const _: () = assert!(size_of::<Frame>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(size_of::<Pushed>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Frame>() <= STACK_ALIGN);
// The instructions move registers of eight bytes.
const _: () = assert!(size_of::<*const ()>() == 8);
// The assembly follows a link with constants: it has to, in unwind information.
const _: () = assert!(offset_of!(Link, parent) == 0 && offset_of!(Link, entry) == 8);
const _: () = assert!(size_of::<Link>() == 16 && size_of::<Frame>() == 32);
// Two registers, a0 and a1: an aggregate of up to 2×XLEN bits is passed and returned so ("Integer
// Calling Convention").
const _: () = assert!(size_of::<Transfer>() == 2 * size_of::<*mut ()>());
const _: () = assert!(offset_of!(Transfer, message) == size_of::<*mut ()>());
const _: () = assert!(size_of::<Ended>() == 2 * size_of::<*mut ()>());

/// Where a [`Link`] points to, from the beginning of a frame: its end.
const PARENT: usize = size_of::<Frame>();

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
        fcsr: FCSR_INITIAL,
        s1: entry as *const (),
        s0: core::ptr::null(),
        resume: (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
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
        fcsr: FCSR_INITIAL,
        s1: core::ptr::null(),
        s0: link.as_ptr().wrapping_add(1).cast(),
        resume: start.wrapping_byte_add(START_LEAD_BYTES),
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
            parent: Cell::new(core::ptr::null()),
            entry,
        }
    }

    /// Has a walk of the stack end at its root, until it is resumed the next time.
    pub(crate) fn end_walks(&self) {
        /// A frame record without a caller, with the words of a frame around it.
        static NOBODY: [usize; 4] = [0; 4];
        self.parent
            .set((&raw const NOBODY).cast::<()>().wrapping_byte_add(PARENT));
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
                fcsr: FCSR_INITIAL,
                s1: core::ptr::null(),
                s0: core::ptr::null(),
                resume: (no_way_back as *const ()).wrapping_byte_add(START_LEAD_BYTES),
            },
            link: Link {
                parent: Cell::new(link.parent.get()),
                entry: link.entry,
            },
        }
    }

    /// Puts it in place. It may not move until it is [left](Self::leave).
    pub(crate) fn enter(&mut self, link: &Link) {
        self.frame.s0 = (&raw const self.link).wrapping_add(1).cast();
        let frame = (&raw const self.frame).cast::<()>();
        link.parent.set(frame.wrapping_byte_add(PARENT));
    }

    /// Puts the true way back into its place.
    pub(crate) fn leave(&self, link: &Link) {
        link.parent.set(self.link.parent.get());
    }
}

/// The first code of a fresh stack: calls `entry`, which its frame put into s1, with the
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
        ".cfi_undefined ra",
        ".skip {lead}, 0",
        "jalr s1",
        // `entry` does not return.
        "unimp",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
    )
}

/// The unwind information of code that runs at the root of a linked stack, with s0 behind the link:
/// its caller is whoever `parent` leads to.
macro_rules! cfi_linked {
    () => {
        "
        .cfi_startproc
        .cfi_signal_frame
        # DW_CFA_def_cfa_expression, 3 bytes: DW_OP_breg8 (s0) -16, DW_OP_deref. The frame record
        # of the resumer ends there.
        .cfi_escape 0x0f, 3, 0x78, 0x70, 0x06
        .cfi_offset ra, -8
        .cfi_offset s0, -16
        .cfi_offset s1, -24
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
                // The features of the target are not always the assembler's here.
                ".option push",
                ".option arch, +d",
                ".skip {lead}, 0",
                "addi a0, s0, -{link}", // and a1 = what came with the resumption
                "ld t2, {entry}(a0)",
                "jalr t2",
                // a0, a1 = how it ended. Back to whoever resumed it last.
                "mv a2, a1",
                "mv a1, a0",
                "ld t3, {parent} - {link}(s0)",
                ".cfi_def_cfa t3, 0",
                ".if {float}",
                "ld t1, {fcsr} - {size}(t3)",
                "fscsr t1",
                ".endif",
                "ld s1, {s1} - {size}(t3)",
                "ld s0, {s0} - {size}(t3)",
                "ld ra, {resume} - {size}(t3)",
                // All is restored but sp.
                ".cfi_same_value s1",
                ".cfi_same_value s0",
                ".cfi_same_value ra",
                "li a0, 0", // no context is left
                "mv sp, t3",
                "ret",
                ".option pop",
                ".cfi_endproc",
                lead = const START_LEAD_BYTES,
                link = const size_of::<Link>(),
                entry = const offset_of!(Link, entry),
                parent = const offset_of!(Link, parent),
                size = const size_of::<Frame>(),
                fcsr = const offset_of!(Frame, fcsr),
                s1 = const offset_of!(Frame, s1),
                s0 = const offset_of!(Frame, s0),
                resume = const offset_of!(Frame, resume),
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
    /// Never called. It is jumped to, [`START_LEAD_BYTES`] in, by [`resume_inline`].
    start_linked_float, true
}
start_linked! {
    /// The first and last code of a linked stack without FP control state.
    ///
    /// # Safety
    ///
    /// Never called. It is jumped to, [`START_LEAD_BYTES`] in, by [`resume_inline`].
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
        "mv sp, a0", // the context left
        "call {abort}",
        "unimp",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
        abort = sym left_during_detour,
    )
}

/// The text of an inline form that is entered by a jump: what stands between the instructions of
/// the caller, and the head of the body that moves sp, which stands elsewhere.
macro_rules! leave {
    () => {
        concat!(
            "
        lla ra, 2f
    4:
        auipc t1, %pcrel_hi(3f)
        jr %pcrel_lo(4b)(t1)
        .skip 4, 0
    2:
        ",
            out_of_line!(),
            "
        .cfi_startproc
    3:
        "
        )
    };
}

/// The text that leaves a whole frame.
macro_rules! save {
    () => {
        "
        addi sp, sp, -{size}
        .cfi_def_cfa_offset {size}
        sd s1, {s1}(sp)
        .cfi_rel_offset s1, {s1}
        sd s0, {s0}(sp)
        .cfi_rel_offset s0, {s0}
        sd ra, {resume}(sp)
        .cfi_rel_offset ra, {resume}
        .if {float}
        frcsr t1
        sd t1, {fcsr}(sp)
        .endif
        "
    };
}

/// The text that takes off the frame that t3 points to. All is restored then but the address of the
/// next instruction.
macro_rules! restore {
    () => {
        "
        # All that the frame holds, before sp makes it fair game.
        ld s1, {s1}(t3)
        ld s0, {s0}(t3)
        .if {float}
        ld t1, {fcsr}(t3)
        fscsr t1
        .endif
        ld t2, {resume}(t3)
        addi sp, t3, {size}
        .cfi_def_cfa sp, 0
        .cfi_register ra, t2
        .cfi_same_value s1
        .cfi_same_value s0
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
                "mv t3, a0",
                "mv a0, sp",
                restore!(),
                $($publish,)?
                "jr t2",
                ".cfi_endproc",
                ".popsection",
                size = const size_of::<Frame>(),
                fcsr = const offset_of!(Frame, fcsr),
                s1 = const offset_of!(Frame, s1),
                s0 = const offset_of!(Frame, s0),
                resume = const offset_of!(Frame, resume),
                float = const $float as usize,
                inlateout("a0") $to.into_frame().as_ptr() => from,
                inlateout("a1") $message => message,
                $($slot)*
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
        // SAFETY: whoever resumed this context put the address of the frame it left into a0, never
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
    // The fence and the store are the release: they order the frame and all before it, loads from
    // the old stack included, before the store that whoever loads the slot with acquire sees. sp
    // has moved already [frame.I3].
    inline_switch!(
        to,
        message,
        FLOAT,
        ["fence rw, w\nsd a0, 0(a2)"],
        [inlateout("a2") slot => _,]
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
            "4:",
            "auipc t1, %pcrel_hi(3f)",
            "jalr ra, %pcrel_lo(4b)(t1)",
            out_of_line!(),
            ".cfi_startproc",
            "3:",
            save!(),
            "addi t1, sp, {size}",
            "sd t1, {parent}(a2)",
            "mv t3, a0",
            restore!(),
            "jr t2",
            ".cfi_endproc",
            ".popsection",
            parent = const offset_of!(Link, parent),
            size = const size_of::<Frame>(),
            fcsr = const offset_of!(Frame, fcsr),
            s1 = const offset_of!(Frame, s1),
            s0 = const offset_of!(Frame, s0),
            resume = const offset_of!(Frame, resume),
            float = const FLOAT as usize,
            inlateout("a0") to.into_frame().as_ptr() => left,
            inlateout("a1") word => answer,
            inlateout("a2") link.as_ptr() => how,
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
    // complete frame of the same kind below `parent`.
    unsafe {
        asm!(
            leave!(),
            save!(),
            "mv t3, a0",
            "mv a0, sp",
            "ld s1, {s1} - {size}(t3)",
            "ld s0, {s0} - {size}(t3)",
            "ld ra, {resume} - {size}(t3)",
            ".if {float}",
            "ld t1, {fcsr} - {size}(t3)",
            "fscsr t1",
            ".endif",
            "mv sp, t3",
            // On the other stack, and all is restored.
            ".cfi_def_cfa sp, 0",
            ".cfi_same_value s1",
            ".cfi_same_value s0",
            ".cfi_same_value ra",
            "ret",
            ".cfi_endproc",
            ".popsection",
            size = const size_of::<Frame>(),
            fcsr = const offset_of!(Frame, fcsr),
            s1 = const offset_of!(Frame, s1),
            s0 = const offset_of!(Frame, s0),
            resume = const offset_of!(Frame, resume),
            float = const FLOAT as usize,
            inlateout("a0") link.parent.get() => _,
            inlateout("a1") word => answer,
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
        "addi sp, sp, -16",
        ".cfi_def_cfa_offset 16",
        "sd ra, 8(sp)",
        ".cfi_offset ra, -8",
        "sd s0, 0(sp)",
        ".cfi_offset s0, -16",
        "addi s0, sp, 16",
        ".cfi_def_cfa s0, 0",
        "mv sp, a0",
        "mv a0, a2",
        "jalr a1",
        "addi sp, s0, -16",
        ".cfi_def_cfa sp, 16",
        "ld ra, 8(sp)",
        ".cfi_restore ra",
        "ld s0, 0(sp)",
        ".cfi_restore s0",
        "addi sp, sp, 16",
        ".cfi_def_cfa_offset 0",
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
        "addi sp, sp, -16",
        ".cfi_def_cfa_offset 16",
        "sd ra, 8(sp)",
        ".cfi_offset ra, -8",
        "sd s0, 0(sp)",
        ".cfi_offset s0, -16",
        ".cfi_remember_state",
        "addi s0, a0, {size}",
        // The caller is the frame, behind which s0 points.
        ".cfi_def_cfa s0, 0",
        ".cfi_offset ra, {resume} - {size}",
        ".cfi_offset s0, {s0} - {size}",
        ".cfi_offset s1, {s1} - {size}",
        "mv a0, a2",
        "jalr a1",
        "ld ra, 8(sp)",
        "ld s0, 0(sp)",
        ".cfi_restore_state",
        "addi sp, sp, 16",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore ra",
        ".cfi_restore s0",
        "ret",
        ".cfi_endproc",
        size = const size_of::<Frame>(),
        s1 = const offset_of!(Frame, s1),
        s0 = const offset_of!(Frame, s0),
        resume = const offset_of!(Frame, resume),
    )
}

/// Defines a naked form.
macro_rules! naked_switch {
    ($(#[$doc:meta])* $name:ident, $float:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(to: Context, message: *mut ()) -> Transfer {
// Arguments: a0 = to, a1 = message. Result: a0 = from, a1 = message.
            naked_asm!(
                ".cfi_startproc",
                // The features of the target are not always the assembler's here.
                ".option push",
                ".option arch, +d",
                "addi sp, sp, -{pushed}",
                ".cfi_def_cfa_offset {pushed}",
                "sd s2, {s}(sp)",
                ".cfi_rel_offset s2, {s}",
                "sd s3, {s} + 8(sp)",
                ".cfi_rel_offset s3, {s} + 8",
                "sd s4, {s} + 16(sp)",
                ".cfi_rel_offset s4, {s} + 16",
                "sd s5, {s} + 24(sp)",
                ".cfi_rel_offset s5, {s} + 24",
                "sd s6, {s} + 32(sp)",
                ".cfi_rel_offset s6, {s} + 32",
                "sd s7, {s} + 40(sp)",
                ".cfi_rel_offset s7, {s} + 40",
                "sd s8, {s} + 48(sp)",
                ".cfi_rel_offset s8, {s} + 48",
                "sd s9, {s} + 56(sp)",
                ".cfi_rel_offset s9, {s} + 56",
                "sd s10, {s} + 64(sp)",
                ".cfi_rel_offset s10, {s} + 64",
                "sd s11, {s} + 72(sp)",
                ".cfi_rel_offset s11, {s} + 72",
                "fsd fs0, {fs}(sp)",
                ".cfi_rel_offset fs0, {fs}",
                "fsd fs1, {fs} + 8(sp)",
                ".cfi_rel_offset fs1, {fs} + 8",
                "fsd fs2, {fs} + 16(sp)",
                ".cfi_rel_offset fs2, {fs} + 16",
                "fsd fs3, {fs} + 24(sp)",
                ".cfi_rel_offset fs3, {fs} + 24",
                "fsd fs4, {fs} + 32(sp)",
                ".cfi_rel_offset fs4, {fs} + 32",
                "fsd fs5, {fs} + 40(sp)",
                ".cfi_rel_offset fs5, {fs} + 40",
                "fsd fs6, {fs} + 48(sp)",
                ".cfi_rel_offset fs6, {fs} + 48",
                "fsd fs7, {fs} + 56(sp)",
                ".cfi_rel_offset fs7, {fs} + 56",
                "fsd fs8, {fs} + 64(sp)",
                ".cfi_rel_offset fs8, {fs} + 64",
                "fsd fs9, {fs} + 72(sp)",
                ".cfi_rel_offset fs9, {fs} + 72",
                "fsd fs10, {fs} + 80(sp)",
                ".cfi_rel_offset fs10, {fs} + 80",
                "fsd fs11, {fs} + 88(sp)",
                ".cfi_rel_offset fs11, {fs} + 88",
                "sd ra, {ra}(sp)",
                ".cfi_rel_offset ra, {ra}",
                ".cfi_remember_state",
                "addi sp, sp, -{size}",
                ".cfi_def_cfa_offset {pushed} + {size}",
                "lla t2, 2f",
                "sd s1, {s1}(sp)",
                ".cfi_rel_offset s1, {s1}",
                "sd s0, {s0}(sp)",
                ".cfi_rel_offset s0, {s0}",
                "sd t2, {resume}(sp)",
                ".if {float}",
                "frcsr t1",
                "sd t1, {fcsr}(sp)",
                ".endif",
                "mv t3, a0",
                "mv a0, sp",
                "ld s1, {s1}(t3)",
                "ld s0, {s0}(t3)",
                ".if {float}",
                "ld t1, {fcsr}(t3)",
                "fscsr t1",
                ".endif",
                "ld t2, {resume}(t3)",
                "addi sp, t3, {size}",
                // On the other stack. All is restored but the address of the next instruction.
                ".cfi_def_cfa sp, 0",
                ".cfi_register ra, t2",
                ".cfi_same_value s0",
                ".cfi_same_value s1",
                ".cfi_same_value s2",
                ".cfi_same_value s3",
                ".cfi_same_value s4",
                ".cfi_same_value s5",
                ".cfi_same_value s6",
                ".cfi_same_value s7",
                ".cfi_same_value s8",
                ".cfi_same_value s9",
                ".cfi_same_value s10",
                ".cfi_same_value s11",
                ".cfi_same_value fs0",
                ".cfi_same_value fs1",
                ".cfi_same_value fs2",
                ".cfi_same_value fs3",
                ".cfi_same_value fs4",
                ".cfi_same_value fs5",
                ".cfi_same_value fs6",
                ".cfi_same_value fs7",
                ".cfi_same_value fs8",
                ".cfi_same_value fs9",
                ".cfi_same_value fs10",
                ".cfi_same_value fs11",
                "jr t2",
                // Resumed: the frame is off, what was pushed above it is not.
                ".cfi_restore_state",
                ".skip 4, 0",
                "2:",
                "ld s2, {s}(sp)",
                ".cfi_restore s2",
                "ld s3, {s} + 8(sp)",
                ".cfi_restore s3",
                "ld s4, {s} + 16(sp)",
                ".cfi_restore s4",
                "ld s5, {s} + 24(sp)",
                ".cfi_restore s5",
                "ld s6, {s} + 32(sp)",
                ".cfi_restore s6",
                "ld s7, {s} + 40(sp)",
                ".cfi_restore s7",
                "ld s8, {s} + 48(sp)",
                ".cfi_restore s8",
                "ld s9, {s} + 56(sp)",
                ".cfi_restore s9",
                "ld s10, {s} + 64(sp)",
                ".cfi_restore s10",
                "ld s11, {s} + 72(sp)",
                ".cfi_restore s11",
                "fld fs0, {fs}(sp)",
                ".cfi_restore fs0",
                "fld fs1, {fs} + 8(sp)",
                ".cfi_restore fs1",
                "fld fs2, {fs} + 16(sp)",
                ".cfi_restore fs2",
                "fld fs3, {fs} + 24(sp)",
                ".cfi_restore fs3",
                "fld fs4, {fs} + 32(sp)",
                ".cfi_restore fs4",
                "fld fs5, {fs} + 40(sp)",
                ".cfi_restore fs5",
                "fld fs6, {fs} + 48(sp)",
                ".cfi_restore fs6",
                "fld fs7, {fs} + 56(sp)",
                ".cfi_restore fs7",
                "fld fs8, {fs} + 64(sp)",
                ".cfi_restore fs8",
                "fld fs9, {fs} + 72(sp)",
                ".cfi_restore fs9",
                "fld fs10, {fs} + 80(sp)",
                ".cfi_restore fs10",
                "fld fs11, {fs} + 88(sp)",
                ".cfi_restore fs11",
                "ld t2, {ra}(sp)",
                ".cfi_register ra, t2",
                "addi sp, sp, {pushed}",
                ".cfi_def_cfa_offset 0",
                "jr t2",
                ".option pop",
                ".cfi_endproc",
                size = const size_of::<Frame>(),
                pushed = const size_of::<Pushed>(),
                fcsr = const offset_of!(Frame, fcsr),
                s1 = const offset_of!(Frame, s1),
                s0 = const offset_of!(Frame, s0),
                resume = const offset_of!(Frame, resume),
                s = const offset_of!(Pushed, s),
                fs = const offset_of!(Pushed, fs),
                ra = const offset_of!(Pushed, ra),
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
    use super::{FCSR_INITIAL, Frame, STACK_ALIGN, write_fresh_frame};
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
        assert_eq!(fresh.fcsr, FCSR_INITIAL);
        assert!(fresh.s0.is_null(), "a walk along frame pointers ends here");
        assert_eq!(fresh.s1, entry as *const ());
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
