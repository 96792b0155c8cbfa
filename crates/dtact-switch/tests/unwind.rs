//! The naked form can be walked at every instruction: the processor is single-stepped through
//! switches, and at each step a signal handler walks the stack it landed on to its end.
//!
//! On x86-64 only, the one architecture here on which a process can single-step itself. Not under a
//! tool, whose own code runs beside the switch and has no unwind information for each instruction.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    target_os = "linux",
    target_arch = "x86_64"
))]
#![allow(
    unsafe_code,
    reason = "the test steps through the switch and calls the unwinder"
)]

mod support;

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use dtact_switch::{ContextSwitcher, SameThreadFloat, SameThreadNoFloat, Transfer};
use support::step::{call_stepped, on_each_step};
use support::{HeapStack, word};

/// The walk came to an end by itself.
const END_OF_STACK: i32 = 5;
const NO_REASON: i32 = 0;
/// More frames than any walk here has.
const FRAMES_MAX: usize = 200;

type Frame = *mut ();

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: extern "C" fn(Frame, *mut ()) -> i32, walk: *mut ()) -> i32;
    fn _Unwind_GetIP(frame: Frame) -> *mut ();
    fn _Unwind_FindEnclosingFunction(address: *mut ()) -> *mut ();
}

/// What one walk met.
#[derive(Default)]
struct Walk {
    frames: usize,
    in_naked_form: bool,
    met_resumer: bool,
    outermost: usize,
}

/// The function that each walk of the resumer's stack must meet.
static RESUMER: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// The function that each walk of a fiber's stack must end in.
static FIBER_ROOT: AtomicUsize = AtomicUsize::new(0);
static NAKED_FORM: AtomicPtr<()> = AtomicPtr::new(null_mut());

static STEPS_IN_NAKED_FORM: AtomicUsize = AtomicUsize::new(0);
static WALKS_OF_RESUMER: AtomicUsize = AtomicUsize::new(0);
static WALKS_OF_FIBER: AtomicUsize = AtomicUsize::new(0);
static WALKS_ASTRAY: AtomicUsize = AtomicUsize::new(0);

extern "C" fn visit(frame: Frame, walk: *mut ()) -> i32 {
    // SAFETY: `walk_here` passes its own `Walk`.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: the unwinder passes a frame of the walk in progress.
    let address = unsafe { _Unwind_GetIP(frame) };
    if address.is_null() {
        return NO_REASON;
    }
    walk.frames += 1;
    // SAFETY: looks an address up, whatever it is.
    let caller = unsafe { _Unwind_FindEnclosingFunction(address) };
    // The lookup is made for a return address, one byte less; an interrupted one is meant itself.
    // SAFETY: as above.
    let interrupted = unsafe { _Unwind_FindEnclosingFunction(address.wrapping_byte_add(1)) };
    walk.in_naked_form |= walk.frames < 5 && interrupted == NAKED_FORM.load(Relaxed);
    walk.met_resumer |= caller == RESUMER.load(Relaxed);
    walk.outermost = caller.addr();
    if walk.frames < FRAMES_MAX {
        NO_REASON
    } else {
        END_OF_STACK
    }
}

/// Walks the stack that this is called on.
fn walk_here() -> (Walk, bool) {
    let mut walk = Walk::default();
    // SAFETY: `visit` gets the `Walk` it expects.
    let end = unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
    let ended = end == END_OF_STACK && walk.frames < FRAMES_MAX;
    (walk, ended)
}

/// After each instruction.
extern "C" fn step(_: i32) {
    let (walk, ended) = walk_here();
    if walk.in_naked_form {
        STEPS_IN_NAKED_FORM.fetch_add(1, Relaxed);
    }
    let counter = if ended && walk.met_resumer {
        &WALKS_OF_RESUMER
    } else if ended && walk.outermost == FIBER_ROOT.load(Relaxed) {
        &WALKS_OF_FIBER
    } else {
        &WALKS_ASTRAY
    };
    counter.fetch_add(1, Relaxed);
}

/// Answers by the naked form, forever.
unsafe extern "C" fn echo<S: ContextSwitcher>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { (S::SWITCH_NAKED)(transfer.from, transfer.message) };
    }
}

/// Notes in which function a walk of a fiber's stack ends.
unsafe extern "C" fn find_root(first: Transfer) -> ! {
    FIBER_ROOT.store(walk_here().0.outermost, Relaxed);
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

fn step_through<S: ContextSwitcher>() {
    RESUMER.store(resumer::<S> as *mut (), Relaxed);
    NAKED_FORM.store(S::SWITCH_NAKED as *mut (), Relaxed);
    for counter in [
        &STEPS_IN_NAKED_FORM,
        &WALKS_OF_RESUMER,
        &WALKS_OF_FIBER,
        &WALKS_ASTRAY,
    ] {
        counter.store(0, Relaxed);
    }
    resumer::<S>();
    // Six switches of more than twenty instructions; the fiber's half of them on its own stack.
    assert!(
        STEPS_IN_NAKED_FORM.load(Relaxed) > 6 * 20,
        "the steps were seen"
    );
    assert!(
        WALKS_OF_RESUMER.load(Relaxed) > 3 * 20,
        "the resumer's stack was walked"
    );
    assert!(
        WALKS_OF_FIBER.load(Relaxed) > 3 * 20,
        "the fiber's stack was walked"
    );
    assert_eq!(
        WALKS_ASTRAY.load(Relaxed),
        0,
        "every walk came to the end of its stack"
    );
}

#[cfg_attr(
    target_env = "musl",
    ignore = "musl's signal trampoline has no unwind information: no walk leaves the handler"
)]
#[test]
fn a_walk_from_any_instruction_of_the_naked_form_comes_to_the_end_of_its_stack() {
    let stack = HeapStack::new();
    // SAFETY: a fresh context on a stack that outlives the switch.
    let _finished = unsafe { SameThreadNoFloat::switch(stack.enter_at(find_root), null_mut()) };
    assert_ne!(FIBER_ROOT.load(Relaxed), 0);
    // SAFETY: the handler calls the unwinder, which allocates nothing here, and counts in atomics.
    unsafe { on_each_step(step) };
    step_through::<SameThreadFloat>();
    step_through::<SameThreadNoFloat>();
}
