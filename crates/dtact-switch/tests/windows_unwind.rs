//! On x86-64 Windows the naked form can be walked at every instruction but the two jumps: the
//! processor is single-stepped through switches, and at each step a handler walks the stack by the
//! tables that exceptions and debuggers use, and looks at the registers that they bring back.
#![cfg(all(not(miri), target_os = "windows", target_arch = "x86_64"))]
#![allow(
    unsafe_code,
    reason = "the test steps through the switch and calls the unwinder"
)]

mod support;

use core::arch::{asm, naked_asm};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use dtact_switch::{Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, Transfer};
use support::{Form, HeapStack, word};
use windows_sys::Win32::Foundation::EXCEPTION_SINGLE_STEP;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, CONTEXT, EXCEPTION_CONTINUE_EXECUTION, EXCEPTION_CONTINUE_SEARCH,
    EXCEPTION_POINTERS, RtlCaptureContext, RtlLookupFunctionEntry, RtlVirtualUnwind,
    UNW_FLAG_NHANDLER,
};

/// More frames than any walk here has.
const FRAMES_MAX: usize = 200;
/// The flag of the processor that has it trap after the next instruction.
const TRAP_FLAG: u32 = 0x100;
/// The machine code of `jmp rcx`, by which a naked form leaves and returns.
const JMP_RCX: [u8; 2] = [0xFF, 0xE1];

/// A context of the processor, aligned as the system asks.
#[repr(align(16))]
struct Machine(CONTEXT);

/// What one walk met.
#[derive(Default)]
struct Walk {
    frames: usize,
    met_resumer: bool,
    outermost: usize,
}

static STEPPING: AtomicBool = AtomicBool::new(false);
/// Where the function begins that each walk of the resumer's stack must meet.
static RESUMER: AtomicUsize = AtomicUsize::new(0);
/// Where `call_stepped` begins.
static CALL_STEPPED: AtomicUsize = AtomicUsize::new(0);
/// Where the function begins that each walk of a fiber's stack must end in.
static FIBER_ROOT: AtomicUsize = AtomicUsize::new(0);

static STEPS: AtomicUsize = AtomicUsize::new(0);
static WALKS_OF_RESUMER: AtomicUsize = AtomicUsize::new(0);
static WALKS_OF_FIBER: AtomicUsize = AtomicUsize::new(0);
static WALKS_FROM_JUMPS: AtomicUsize = AtomicUsize::new(0);
/// Where a walk began that went astray.
static ASTRAY: AtomicUsize = AtomicUsize::new(0);

/// Walks from `machine` to where there is no caller.
fn walk(machine: &mut Machine) -> Walk {
    let mut walk = Walk::default();
    let context = &mut machine.0;
    while context.Rip != 0 && walk.frames < FRAMES_MAX {
        walk.frames += 1;
        let mut base = 0;
        // SAFETY: looks an address up, whatever it is.
        let entry = unsafe { RtlLookupFunctionEntry(context.Rip, &raw mut base, null_mut()) };
        if entry.is_null() {
            // Not a function that the system knows.
            return Walk::default();
        }
        // SAFETY: an entry of the table of a module.
        let begin = unsafe { (*entry).BeginAddress };
        let begin = usize::try_from(base).expect("64 bits") + begin as usize;
        walk.outermost = begin;
        walk.met_resumer |= begin == RESUMER.load(Relaxed);
        if begin == CALL_STEPPED.load(Relaxed) && !brought_back(context) {
            return Walk::default();
        }
        let mut handler_data = null_mut();
        let mut frame = 0;
        // SAFETY: the entry is that of the address, and the stack that of the context.
        unsafe {
            RtlVirtualUnwind(
                UNW_FLAG_NHANDLER,
                base,
                context.Rip,
                entry,
                &raw mut *context,
                &raw mut handler_data,
                &raw mut frame,
                null_mut(),
            )
        };
    }
    walk
}

/// After each instruction, while stepping.
unsafe extern "system" fn handler(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes an exception.
    let exception = unsafe { *exception };
    // SAFETY: as above.
    if unsafe { (*exception.ExceptionRecord).ExceptionCode } != EXCEPTION_SINGLE_STEP {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    if !STEPPING.load(Relaxed) {
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    // SAFETY: as above.
    let context = unsafe { &mut *exception.ContextRecord };
    context.EFlags |= TRAP_FLAG;
    STEPS.fetch_add(1, Relaxed);
    let rip = usize::try_from(context.Rip).expect("64 bits");
    // SAFETY: the instruction that comes next.
    let next = unsafe { std::ptr::with_exposed_provenance::<[u8; 2]>(rip).read() };
    if next == JMP_RCX {
        WALKS_FROM_JUMPS.fetch_add(1, Relaxed);
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    let walk = walk(&mut Machine(*context));
    if walk.met_resumer {
        WALKS_OF_RESUMER.fetch_add(1, Relaxed);
    } else if walk.outermost == FIBER_ROOT.load(Relaxed) {
        WALKS_OF_FIBER.fetch_add(1, Relaxed);
    } else {
        ASTRAY.store(rip, Relaxed);
    }
    EXCEPTION_CONTINUE_EXECUTION
}

/// What `call_stepped` has in its registers, in the order of [`kept`], and in the lower halves of
/// xmm6 and xmm15.
const KEPT: [u64; 8] = [11, 12, 13, 14, 15, 16, 17, 18];

/// The registers that a callee saves.
fn kept(context: &CONTEXT) -> [u64; 8] {
    [
        context.Rbx,
        context.Rbp,
        context.Rdi,
        context.Rsi,
        context.R12,
        context.R13,
        context.R14,
        context.R15,
    ]
}

/// Whether a walk that came back to `call_stepped` has brought its registers back.
fn brought_back(context: &CONTEXT) -> bool {
    // SAFETY: the view of the union that names registers; all of it is plain numbers.
    let vectors = unsafe { context.Anonymous.Anonymous };
    let vectors = [vectors.Xmm6.Low, vectors.Xmm15.Low];
    kept(context) == KEPT && vectors == [KEPT[0], KEPT[1]]
}

/// Calls `form` with the trap flag set, and with [`KEPT`] in the registers that a callee saves.
///
/// # Safety
///
/// Those of the switch behind `form`.
#[unsafe(naked)]
unsafe extern "C" fn call_stepped(to: Context, message: *mut (), form: Form) -> Transfer {
    naked_asm!(
        ".seh_proc {me}",
        "push rbx",
        ".seh_pushreg rbx",
        "push rbp",
        ".seh_pushreg rbp",
        "push rdi",
        ".seh_pushreg rdi",
        "push rsi",
        ".seh_pushreg rsi",
        "push r12",
        ".seh_pushreg r12",
        "push r13",
        ".seh_pushreg r13",
        "push r14",
        ".seh_pushreg r14",
        "push r15",
        ".seh_pushreg r15",
        "sub rsp, 72",
        ".seh_stackalloc 72",
        "movaps [rsp + 32], xmm6",
        ".seh_savexmm xmm6, 32",
        "movaps [rsp + 48], xmm15",
        ".seh_savexmm xmm15, 48",
        ".seh_endprologue",
        "mov ebx, 11",
        "mov ebp, 12",
        "mov edi, 13",
        "mov esi, 14",
        "mov r12d, 15",
        "mov r13d, 16",
        "mov r14d, 17",
        "mov r15d, 18",
        "movq xmm6, rbx",
        "movq xmm15, rbp",
        "mov byte ptr [rip + {stepping}], 1",
        "pushfq",
        "or qword ptr [rsp], {flag}",
        "popfq",
        "call r9",
        "mov byte ptr [rip + {stepping}], 0",
        "nop",
        "movaps xmm6, [rsp + 32]",
        "movaps xmm15, [rsp + 48]",
        "add rsp, 72",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rsi",
        "pop rdi",
        "pop rbp",
        "pop rbx",
        "ret",
        ".seh_endproc",
        me = sym call_stepped,
        stepping = sym STEPPING,
        flag = const TRAP_FLAG,
    )
}

/// Puts other values where a walk is to bring the resumer's back.
#[expect(
    clippy::inline_always,
    reason = "a function would put its caller's back"
)]
#[inline(always)]
fn scribble() {
    // SAFETY: writes registers that are all declared.
    unsafe {
        asm!(
            "mov edi, 99",
            "mov esi, 99",
            "mov r12d, 99",
            "mov r13d, 99",
            "mov r14d, 99",
            "mov r15d, 99",
            "pcmpeqd xmm6, xmm6",
            "pcmpeqd xmm15, xmm15",
            out("rdi") _,
            out("rsi") _,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            out("xmm6") _,
            out("xmm15") _,
            options(nomem, nostack),
        );
    }
}

/// Answers by the naked form, forever.
unsafe extern "C" fn echo<S: ContextSwitcher>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        scribble();
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { (S::SWITCH_NAKED)(transfer.from, transfer.message) };
    }
}

/// Notes in which function a walk of a fiber's stack ends.
unsafe extern "C" fn find_root(first: Transfer) -> ! {
    let mut machine = Machine(CONTEXT::default());
    // SAFETY: fills the context.
    unsafe { RtlCaptureContext(&raw mut machine.0) };
    FIBER_ROOT.store(walk(&mut machine).outermost, Relaxed);
    // SAFETY: the resumer waits in the context it left.
    let _never = unsafe { SameThreadNoFloat::switch(first.from, null_mut()) };
    unreachable!("nobody resumes a second time");
}

/// Enters a fresh fiber and resumes it twice, step by step.
#[inline(never)]
extern "C" fn resumer<S: ContextSwitcher>() {
    let stack = HeapStack::new();
    let mut context = stack.enter_at(echo::<S>);
    for number in 1..=3 {
        // SAFETY: the fiber is fresh or waits in the context it left.
        let transfer = unsafe { call_stepped(context, word(number), S::SWITCH_NAKED) };
        assert_eq!(transfer.message, word(number));
        context = transfer.from;
    }
}

/// Where the function begins that an address belongs to: a pointer to it may be one to a jump.
fn beginning(function: *const ()) -> usize {
    let mut base = 0;
    // SAFETY: looks an address up, whatever it is.
    let entry =
        unsafe { RtlLookupFunctionEntry(function.addr() as u64, &raw mut base, null_mut()) };
    assert!(
        !entry.cast_const().eq(&null()),
        "a function of this program"
    );
    // SAFETY: an entry of the table of a module.
    usize::try_from(base).expect("64 bits") + unsafe { (*entry).BeginAddress } as usize
}

fn step_through<S: ContextSwitcher>() {
    RESUMER.store(beginning(resumer::<S> as *const ()), Relaxed);
    CALL_STEPPED.store(beginning(call_stepped as *const ()), Relaxed);
    for counter in [
        &STEPS,
        &WALKS_OF_RESUMER,
        &WALKS_OF_FIBER,
        &WALKS_FROM_JUMPS,
        &ASTRAY,
    ] {
        counter.store(0, Relaxed);
    }
    resumer::<S>();
    let astray = ASTRAY.load(Relaxed);
    assert_eq!(
        astray, 0,
        "the walk from {astray:#x} did not come to its end"
    );
    let steps = STEPS.load(Relaxed);
    // Six switches of more than sixty instructions; the fiber's half of them on its own stack.
    assert!(steps > 6 * 60, "the steps were seen: {steps}");
    let (resumer, fiber) = (WALKS_OF_RESUMER.load(Relaxed), WALKS_OF_FIBER.load(Relaxed));
    assert!(
        resumer > 3 * 60,
        "the resumer's stack was walked: {resumer}"
    );
    assert!(fiber > 3 * 60, "the fiber's stack was walked: {fiber}");
    // One jump to leave for each switch, one to return for each but the first.
    assert_eq!(WALKS_FROM_JUMPS.load(Relaxed), 6 + 5);
}

#[test]
fn a_walk_from_any_instruction_of_the_naked_form_comes_to_the_end_of_its_stack() {
    let stack = HeapStack::new();
    // SAFETY: a fresh context on a stack that outlives the switch.
    let _finished = unsafe { SameThreadNoFloat::switch(stack.enter_at(find_root), null_mut()) };
    assert_ne!(FIBER_ROOT.load(Relaxed), 0);
    // SAFETY: the handler walks the stack, which allocates nothing, and counts in atomics.
    let added = unsafe { AddVectoredExceptionHandler(1, Some(handler)) };
    assert!(!added.is_null());
    step_through::<SameThreadFloat>();
    step_through::<SameThreadNoFloat>();
}
