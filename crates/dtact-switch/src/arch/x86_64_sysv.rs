//! The switch for x86-64 under the System V ABI: the frame, the forms of the switch, the first code
//! of a fresh stack.
//!
//! # Pictures
//!
//! Stacks grow down; addresses fall from top to bottom of each picture. A context is the address of
//! its [`Frame`]; FP control words, where they are saved, lie in the 8 bytes below.
//!
//! ```text
//!         fresh                    left by an inline form       left by the naked form
//!
//! top ─►  ┌──────────────┐         │ caller's frame   │         │ caller's frame   │
//!         │ resume: start│         ├──────────────────┤         ├──────────────────┤
//!         │ rbp: 0       │         │ resume: in caller│         │ return address   │
//!         │ rbx: entry   │         │ rbp              │         │ r12 r13 r14 r15  │
//! context►├──────────────┤         │ rbx              │         ├──────────────────┤
//!         │ FP: defaults │ context►├──────────────────┤         │ resume: in naked │
//!         └──────────────┘         │ FP, if float     │         │ rbp              │
//!         │ untouched    │         └──────────────────┘         │ rbx              │
//!                                                       context►├──────────────────┤
//!                                                               │ FP, if float     │
//!                                                               └──────────────────┘
//!
//!         running: there is no frame. Whoever resumes restores FP, moves rsp to the context, pops
//!         rbx and rbp, and jumps to `resume` (also popped) with
//!
//!         rdi = context left   rsi = message       = Transfer, as a function takes it
//! ```
//!
//! Code at `resume` puts back what else it took: the inline forms nothing, because the compiler
//! spilled what it needs; the naked form r12–r15, and returns a Transfer in rax and rdx; the start
//! of a fresh stack calls `entry`, for which rdi and rsi are in place.
//!
//! # Linked stacks
//!
//! A stack that always goes back to whoever resumed it, as that of a coroutine does, carries a
//! [`Link`] above its first frame, and rbp points to it until `entry` takes over:
//!
//! ```text
//!           fresh                            running                  the resumer's stack
//!
//!           │ anything            │          │ anything            │  │ …                │
//!           │ entry               │          │ entry               │  │ resume           │
//!   Link ─► │ parent: not yet     │   Link ─►│ parent              │─►│ rbp              │
//!           ├─────────────────────┤          ├─────────────────────┤  │ rbx              │
//!           │ resume: start_linked│          │ return to           │  │ FP, if float     │
//!           │ rbp: Link           │          │ start_linked        │  └──────────────────┘
//!           │ rbx: 0              │          │ frames of entry …   │
//! context ► ├─────────────────────┤
//!           │ FP: defaults        │
//!           └─────────────────────┘
//! ```
//!
//! `parent` is written by `resume_inline` before it leaves, so that it is right whenever the stack
//! runs. It and `entry` are a frame record as well (saved rbp, return address), so that a walk
//! along frame pointers crosses over, too.
//!
//! # Registers
//!
//! System V ABI, AMD64 supplement, section 3.2.1 "Registers" and figure 3.4 "Register Usage".
//!
//! | register              | by the ABI      | inline forms            | naked form       |
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
//! # Jumps, calls and returns
//!
//! The return-stack buffer holds the call of the side that is left. A `ret` to the other side would
//! be predicted to go there and miss every time; an indirect jump is predicted from its own
//! history. So a switch between equals jumps. A linked stack is resumed by a `call` and left by a
//! `ret`, which form a pair, as do the call of its first function and the return of it.
//!
//! Where a jump lands there is an `endbr64`; a return needs none.
//!
//! # Walking the stack
//!
//! Unwind information is right at every instruction, on both stacks. The inline forms do not move
//! rsp between the instructions of their caller, whose unwind information would then be wrong: what
//! moves it stands in another section, with unwind information of its own. It is entered by a jump,
//! with the return address in rcx, or by a call.
//!
//! The start of a fresh stack ends the walk: its return address is undefined, and rbp is zero
//! there. That of a linked stack goes on into the resumer: its frame address is an expression that
//! follows the link. It is marked as a signal frame, for debuggers take it for an error if another
//! frame's caller lies at a lower address.
//!
//! One byte of `int3` precedes each address that is only ever jumped to, because a walker looks an
//! address up at one byte less, where it expects the call.
#![allow(
    unsafe_code,
    reason = "the switch is assembly, and the first frame is written to raw memory"
)]

use core::arch::{asm, naked_asm};
use core::cell::Cell;
use core::mem::{align_of, offset_of, size_of};
use core::ptr::NonNull;

use crate::linked::{Callee, Ended, LinkedEntry, Resumed, Word, left_during_detour};
use crate::{Context, Entry, Transfer};

/// What a stack's top is a multiple of (System V ABI, section 3.2.2), in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// MXCSR of a new process: round to nearest, all exceptions masked (System V ABI, section 3.4.1).
const MXCSR_INITIAL: u32 = 0x1F80;
/// x87 control word of a new process: extended precision, round to nearest, all masked (same
/// section).
const X87_CW_INITIAL: u16 = 0x037F;

/// Bytes of `int3` before the first instruction of [`start`] and its like.
const START_LEAD_BYTES: usize = 1;

/// What every form leaves at the end of a suspended stack, in the order in which it is popped.
#[repr(C)]
pub(crate) struct Frame {
    rbx: *const (),
    rbp: *const (),
    /// Where execution goes on, once the frame is off the stack.
    resume: *const (),
}

/// What lies right below the frame of a context with FP control state, and of a fresh one. The
/// assembly takes the offsets from here.
#[repr(C)]
struct Control {
    mxcsr: u32,
    x87_cw: u16,
    unused: u16,
}

impl Control {
    const INITIAL: Self = Self {
        mxcsr: MXCSR_INITIAL,
        x87_cw: X87_CW_INITIAL,
        unused: 0,
    };
}

/// What [`write_fresh_frame`] writes.
#[repr(C)]
struct Fresh {
    control: Control,
    frame: Frame,
}

/// The way from a linked stack to whoever resumed it; see the picture above.
#[repr(C)]
pub(crate) struct Link {
    /// The `rbp` of the resumer's frame: a frame record, as the ABI describes it.
    parent: Cell<*const ()>,
    /// What runs first on the stack. A walk along frame pointers takes it for a return address.
    entry: LinkedEntry<Self>,
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
const _: () = assert!(size_of::<Fresh>().is_multiple_of(STACK_ALIGN));
const _: () = assert!(align_of::<Fresh>() <= STACK_ALIGN);
// The instructions move registers of eight bytes, `stmxcsr` four and `fnstcw` two. Pushes and pops
// leave and take the three words of a frame in this order.
const _: () = assert!(size_of::<*const ()>() == 8);
const _: () = assert!(size_of::<Frame>() == 24 && size_of::<Control>() == 8);
const _: () = assert!(offset_of!(Frame, rbx) == 0 && offset_of!(Frame, rbp) == 8);
// The assembly follows a link with constants: it has to, in unwind information.
const _: () = assert!(offset_of!(Link, parent) == 0 && offset_of!(Link, entry) == 8);
// Two registers, rdi and rsi or rax and rdx: a structure of two pointers is passed and returned so
// (section 3.2.3).
const _: () = assert!(size_of::<Transfer>() == 2 * size_of::<*mut ()>());
const _: () = assert!(offset_of!(Transfer, message) == size_of::<*mut ()>());
const _: () = assert!(size_of::<Ended>() == 2 * size_of::<*mut ()>());

/// Writes the frame of a fresh stack; returns where it lies.
///
/// # Safety
///
/// `top` is aligned to [`STACK_ALIGN`] and one past a block, of at least the size of a [`Fresh`],
/// that may be written through it.
#[inline]
pub(crate) unsafe fn write_fresh_frame(top: NonNull<u8>, entry: Entry) -> NonNull<Frame> {
    debug_assert!(
        top.addr().get().is_multiple_of(STACK_ALIGN),
        "the top of a stack must be a multiple of {STACK_ALIGN}: round it down"
    );
    // SAFETY: the caller vouches for at least this many bytes below `top`, in the same block.
    let place = unsafe { top.byte_sub(size_of::<Fresh>()) }.cast::<Fresh>();
    let fresh = Fresh {
        control: Control::INITIAL,
        frame: Frame {
            rbx: entry as *const (),
            rbp: core::ptr::null(),
            resume: (start as *const ()).wrapping_byte_add(START_LEAD_BYTES),
        },
    };
    // SAFETY: the block may be written; its end is aligned to `STACK_ALIGN`, and so is `place`,
    // because the size of a `Fresh` is a multiple of it, which is no less than its alignment.
    unsafe { place.write(fresh) };
    // SAFETY: inside of what was just written.
    unsafe { place.byte_add(offset_of!(Fresh, frame)) }.cast()
}

/// Writes the first frame of a stack that goes back to whoever resumes it; returns where it lies.
/// `FLOAT` is the kind of the forms by which it will be resumed and left.
///
/// # Safety
///
/// `link` is aligned to [`STACK_ALIGN`], and lies above a block of at least the size of a
/// [`Fresh`], which may be written through it. It holds a link when the frame is resumed.
#[inline]
pub(crate) unsafe fn write_linked_frame<const FLOAT: bool>(link: NonNull<Link>) -> NonNull<Frame> {
    let start = if FLOAT {
        start_linked_float as *const ()
    } else {
        start_linked_no_float as *const ()
    };
    let fresh = Fresh {
        control: Control::INITIAL,
        frame: Frame {
            rbx: core::ptr::null(),
            rbp: link.as_ptr().cast(),
            resume: start.wrapping_byte_add(START_LEAD_BYTES),
        },
    };
    // SAFETY: the caller vouches for at least this many bytes below.
    let place = unsafe { link.byte_sub(size_of::<Fresh>()) }.cast::<Fresh>();
    // SAFETY: they may be written, and are aligned as in `write_fresh_frame`.
    unsafe { place.write(fresh) };
    linked_frame(link)
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
        /// A frame record without a caller, with the word for rbx below.
        static NOBODY: [usize; 3] = [0; 3];
        self.parent.set((&raw const NOBODY[1]).cast());
    }

    /// How far down the resumer's stack is in use: everything below is free.
    ///
    /// # Safety
    ///
    /// The stack runs, or has been told to run code elsewhere.
    pub(crate) unsafe fn parent_sp(&self) -> NonNull<u8> {
        let used = offset_of!(Frame, rbp) + size_of::<Control>();
        let sp = self.parent.get().wrapping_byte_sub(used);
        let sp = sp.map_addr(|address| address & !(STACK_ALIGN - 1));
        // SAFETY: below a frame, and still on the stack where that lies.
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
                rbx: core::ptr::null(),
                rbp: core::ptr::null(),
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
        self.frame.rbp = (&raw const self.link).cast();
        link.parent.set((&raw const self.frame.rbp).cast());
    }

    /// Puts the true way back into its place.
    pub(crate) fn leave(&self, link: &Link) {
        link.parent.set(self.link.parent.get());
    }
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
        "call rbx",
        // `entry` does not return.
        "ud2",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
    )
}

/// The unwind information of code that runs at the root of a linked stack, with rbp at the link:
/// its caller is whoever `parent` leads to.
macro_rules! cfi_linked {
    () => {
        "
        .cfi_startproc
        .cfi_signal_frame
        # DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg6 (rbp) 0, DW_OP_deref,
        # DW_OP_plus_uconst 16. The frame record of the resumer ends there.
        .cfi_escape 0x0f, 5, 0x76, 0, 0x06, 0x23, 16
        .cfi_offset rip, -8
        .cfi_offset rbp, -16
        .cfi_offset rbx, -24
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
                ".skip {lead}, 0xcc",
                "endbr64",
                "mov rdi, rbp", // and rsi = what came with the resumption
                "call [rbp + {entry}]",
                // rax, rdx = how it ended. Back to whoever resumed it last.
                "mov rsi, rax",
                "mov rdi, [rbp + {parent}]",
                ".if {float}",
                "ldmxcsr [rdi - {rbp} - {control} + {mxcsr}]",
                "fldcw [rdi - {rbp} - {control} + {x87_cw}]",
                ".endif",
                "mov rbx, [rdi - {rbp} + {rbx}]",
                "mov rsp, rdi",
                "xor edi, edi", // no context is left
                "pop rbp",
                ".cfi_def_cfa rsp, 8",
                ".cfi_same_value rbp",
                ".cfi_same_value rbx",
                "ret",
                ".cfi_endproc",
                lead = const START_LEAD_BYTES,
                entry = const offset_of!(Link, entry),
                parent = const offset_of!(Link, parent),
                rbx = const offset_of!(Frame, rbx),
                rbp = const offset_of!(Frame, rbp),
                control = const size_of::<Control>(),
                mxcsr = const offset_of!(Control, mxcsr),
                x87_cw = const offset_of!(Control, x87_cw),
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
        ".skip {lead}, 0xcc",
        "lea rsp, [rdi - {control}]", // rdi = the context left
        "and rsp, -16",
        "call {abort}",
        "ud2",
        ".cfi_endproc",
        lead = const START_LEAD_BYTES,
        control = const size_of::<Control>(),
        abort = sym left_during_detour,
    )
}

/// The text of an inline form that is entered by a jump: what stands between the instructions of
/// the caller, and the beginning of the body that moves rsp, which stands elsewhere. It leaves a
/// whole frame, and rsp at the context or, if float, below.
macro_rules! leave {
    () => {
        concat!(
            "
        lea rcx, [rip + 2f]
        jmp 3f
        int3
    2:
        endbr64
        ",
            out_of_line!(),
            "
        .cfi_startproc
        .cfi_def_cfa rsp, 0
        .cfi_register rip, rcx
    3:
        push rcx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rip, 0
        push rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        push rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        "
        )
    };
}

/// The text that saves FP control state below the frame.
macro_rules! save_control {
    () => {
        "
        sub rsp, {control}
        .cfi_adjust_cfa_offset {control}
        stmxcsr [rsp + {mxcsr}]
        fnstcw [rsp + {x87_cw}]
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
                ".if {float}",
                save_control!(),
                // All that lies below the frame of `to`, before rsp makes it fair game.
                "ldmxcsr [rdi - {control} + {mxcsr}]",
                "fldcw [rdi - {control} + {x87_cw}]",
                "lea rcx, [rsp + {control}]",
                "mov rsp, rdi",
                ".cfi_adjust_cfa_offset -{control}",
                "mov rdi, rcx",
                ".else",
                "xchg rsp, rdi",
                ".endif",
                // On the other stack, which looks the same.
                $($publish,)?
                "pop rbx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_same_value rbx",
                "pop rbp",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_same_value rbp",
                "pop rcx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_register rip, rcx",
                "jmp rcx",
                ".cfi_endproc",
                ".popsection",
                control = const size_of::<Control>(),
                mxcsr = const offset_of!(Control, mxcsr),
                x87_cw = const offset_of!(Control, x87_cw),
                float = const $float as usize,
                inlateout("rdi") $to.into_frame().as_ptr() => from,
                inlateout("rsi") $message => message,
                $($slot)*
                lateout("rcx") _,
                lateout("r12") _,
                lateout("r13") _,
                lateout("r14") _,
                lateout("r15") _,
                clobber_abi("C"),
            );
        }
        // SAFETY: whoever resumed this context put the address of the frame it left into rdi, never
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
        ["mov [rdx], rdi"],
        [inlateout("rdx") slot => _,]
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
            // The call puts `resume` in its place. It is paired with the `ret` that comes back.
            "call 3f",
            out_of_line!(),
            ".cfi_startproc",
            "3:",
            "push rbp",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset rbp, 0",
            "mov [rdx + {parent}], rsp",
            "push rbx",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset rbx, 0",
            ".if {float}",
            save_control!(),
            "ldmxcsr [rdi - {control} + {mxcsr}]",
            "fldcw [rdi - {control} + {x87_cw}]",
            "mov rsp, rdi",
            ".cfi_adjust_cfa_offset -{control}",
            ".else",
            "mov rsp, rdi",
            ".endif",
            // On the other stack, which looks the same.
            "pop rbx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_same_value rbx",
            "pop rbp",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_same_value rbp",
            "pop rcx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_register rip, rcx",
            "jmp rcx",
            ".cfi_endproc",
            ".popsection",
            parent = const offset_of!(Link, parent),
            control = const size_of::<Control>(),
            mxcsr = const offset_of!(Control, mxcsr),
            x87_cw = const offset_of!(Control, x87_cw),
            float = const FLOAT as usize,
            inlateout("rdi") to.into_frame().as_ptr() => left,
            inlateout("rsi") word => answer,
            inlateout("rdx") link.as_ptr() => how,
            lateout("rcx") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
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
            ".if {float}",
            save_control!(),
            "ldmxcsr [rdi - {rbp} - {control} + {mxcsr}]",
            "fldcw [rdi - {rbp} - {control} + {x87_cw}]",
            "mov rbx, [rdi - {rbp} + {rbx}]",
            "lea rcx, [rsp + {control}]",
            "mov rsp, rdi",
            ".cfi_def_cfa_offset 16",
            "mov rdi, rcx",
            ".else",
            "mov rbx, [rdi - {rbp} + {rbx}]",
            "xchg rsp, rdi",
            ".cfi_def_cfa_offset 16",
            ".endif",
            // On the other stack.
            ".cfi_same_value rbx",
            "pop rbp",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_same_value rbp",
            "ret",
            ".cfi_endproc",
            ".popsection",
            rbx = const offset_of!(Frame, rbx),
            rbp = const offset_of!(Frame, rbp),
            control = const size_of::<Control>(),
            mxcsr = const offset_of!(Control, mxcsr),
            x87_cw = const offset_of!(Control, x87_cw),
            float = const FLOAT as usize,
            inlateout("rdi") link.parent.get() => _,
            inlateout("rsi") word => answer,
            lateout("rcx") _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
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
        "endbr64",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        ".cfi_def_cfa_register rsp",
        "pop rbp",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbp",
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
        "endbr64",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "lea rbp, [rdi + {rbp}]",
        // The caller is the frame, whose record rbp points to.
        ".cfi_remember_state",
        ".cfi_def_cfa rbp, {size} - {rbp}",
        ".cfi_offset rip, {resume} - {size}",
        ".cfi_offset rbp, {rbp} - {size}",
        ".cfi_offset rbx, {rbx} - {size}",
        "mov rdi, rdx",
        "call rsi",
        "pop rbp",
        ".cfi_restore_state",
        ".cfi_def_cfa rsp, 8",
        ".cfi_restore rbp",
        "ret",
        ".cfi_endproc",
        size = const size_of::<Frame>(),
        rbx = const offset_of!(Frame, rbx),
        rbp = const offset_of!(Frame, rbp),
        resume = const offset_of!(Frame, resume),
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
                "lea rcx, [rip + 2f]",
                "push rcx",
                ".cfi_adjust_cfa_offset 8",
                "push rbp",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset rbp, 0",
                "push rbx",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset rbx, 0",
                ".if {float}",
                save_control!(),
                "ldmxcsr [rdi - {control} + {mxcsr}]",
                "fldcw [rdi - {control} + {x87_cw}]",
                "lea rcx, [rsp + {control}]",
                "mov rsp, rdi",
                ".else",
                "xchg rsp, rdi",
                ".endif",
                // On the other stack, of which the frame is known and nothing else.
                ".cfi_def_cfa rsp, {size}",
                ".cfi_offset rip, {resume} - {size}",
                ".cfi_offset rbp, {rbp} - {size}",
                ".cfi_offset rbx, {rbx} - {size}",
                ".cfi_same_value r12",
                ".cfi_same_value r13",
                ".cfi_same_value r14",
                ".cfi_same_value r15",
                ".if {float}",
                "mov rdi, rcx",
                ".endif",
                "pop rbx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_same_value rbx",
                "pop rbp",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_same_value rbp",
                "pop rcx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_register rip, rcx",
                "jmp rcx",
                // Resumed: the frame is off, what was pushed above it is not.
                ".cfi_restore_state",
                // Again, for the assembler: its count for `adjust` is not part of the state.
                ".cfi_def_cfa_offset {pushed}",
                "int3",
                "2:",
                "endbr64",
                "mov rax, rdi",
                "mov rdx, rsi",
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
                resume = const offset_of!(Frame, resume),
                control = const size_of::<Control>(),
                mxcsr = const offset_of!(Control, mxcsr),
                x87_cw = const offset_of!(Control, x87_cw),
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
    use super::{Control, Fresh, MXCSR_INITIAL, STACK_ALIGN, X87_CW_INITIAL, write_fresh_frame};
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
        // SAFETY: control words were written below the frame.
        let control = unsafe { frame.cast::<Control>().sub(1) };
        // SAFETY: as above.
        let control = unsafe { control.read() };
        assert_eq!(
            (control.mxcsr, control.x87_cw),
            (MXCSR_INITIAL, X87_CW_INITIAL)
        );
        // SAFETY: as above.
        let fresh = unsafe { frame.read() };
        // [frame.I2]
        let sp = frame.addr().get() + size_of_val(&fresh);
        assert_eq!(sp, top.addr().get());
        assert_eq!(sp % STACK_ALIGN, 0);
        assert!(fresh.rbp.is_null(), "a walk along frame pointers ends here");
        assert_eq!(fresh.rbx, entry as *const ());
        assert!(
            block.0[..64 - size_of::<Fresh>()]
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
