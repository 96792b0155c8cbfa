//! The switch can be walked at every instruction: the processor is single-stepped through switches
//! of every form, and at each step a signal handler walks the stack it landed on to its end.
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
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use dtact_switch::{
    Context, ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat,
    SameThreadNoFloat, Transfer,
};
use support::step::{call_stepped, on_each_step};
use support::{Form, HeapStack, from_raw, inline_form, word};

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
    in_form: bool,
    met_resumer: bool,
    outermost: usize,
}

/// The function that each walk of the resumer's stack must meet.
static RESUMER: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// The function that each walk of a fiber's stack must end in.
static FIBER_ROOT: AtomicUsize = AtomicUsize::new(0);
static FORM: AtomicPtr<()> = AtomicPtr::new(null_mut());

static STEPS_IN_FORM: AtomicUsize = AtomicUsize::new(0);
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
    walk.in_form |= walk.frames < 5 && interrupted == FORM.load(Relaxed);
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
    if walk.in_form {
        STEPS_IN_FORM.fetch_add(1, Relaxed);
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

/// A form of the switch, and who owns the context that it left.
trait Way {
    const FORM: Form;

    /// The context that whoever switched here has left.
    fn left(transfer: &Transfer) -> Context {
        // SAFETY: a switch that does not publish hands the context over. It is not used twice: each
        // transfer is asked once.
        unsafe { std::ptr::read(&raw const transfer.from) }
    }
}

struct Naked<S>(S);
struct Inline<S>(S);
struct Publishing<S>(S);

impl<S: ContextSwitcher> Way for Naked<S> {
    const FORM: Form = S::SWITCH_NAKED;
}

impl<S: ContextSwitcher> Way for Inline<S> {
    const FORM: Form = inline_form::<S>;
}

static SLOT: AtomicPtr<()> = AtomicPtr::new(null_mut());

impl<S: CrossThread> Way for Publishing<S> {
    const FORM: Form = publishing_form::<S>;

    fn left(_: &Transfer) -> Context {
        // SAFETY: published by the switch that just arrived, and taken once.
        unsafe { from_raw(SLOT.swap(null_mut(), Relaxed)) }
    }
}

/// The publishing form as a C function.
///
/// # Safety
///
/// Those of [`CrossThread::switch_publishing`].
#[inline(never)]
unsafe extern "C" fn publishing_form<S: CrossThread>(to: Context, message: *mut ()) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { S::switch_publishing(to, message, &SLOT) }
}

/// Answers, forever.
unsafe extern "C" fn echo<Resumer: Way, Fiber: Way>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        let resumer = Resumer::left(&transfer);
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { (Fiber::FORM)(resumer, transfer.message) };
    }
}

/// Bottom and top of the stack of a coroutine.
#[cfg(feature = "std")]
static STACK: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// After each instruction of a coroutine and its resumer: every walk meets the resumer.
#[cfg(feature = "std")]
extern "C" fn step_linked(_: i32) {
    let local = 0_u8;
    let here = (&raw const *std::hint::black_box(&local)).addr();
    let (walk, ended) = walk_here();
    let counter = if !ended || !walk.met_resumer {
        &WALKS_ASTRAY
    } else if (STACK[0].load(Relaxed)..STACK[1].load(Relaxed)).contains(&here) {
        &WALKS_OF_FIBER
    } else {
        &WALKS_OF_RESUMER
    };
    counter.fetch_add(1, Relaxed);
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
extern "C" fn resumer<Resumer: Way, Fiber: Way>() {
    let stack = HeapStack::new();
    let mut context = stack.enter_at(echo::<Resumer, Fiber>);
    for number in 1..=3 {
        // SAFETY: the fiber is fresh or waits in the context it left.
        let transfer = unsafe { call_stepped(context, word(number), Resumer::FORM) };
        assert_eq!(transfer.message, word(number));
        context = Fiber::left(&transfer);
    }
}

fn step_through<Resumer: Way, Fiber: Way>() {
    RESUMER.store(resumer::<Resumer, Fiber> as *mut (), Relaxed);
    FORM.store(Resumer::FORM as *mut (), Relaxed);
    reset();
    resumer::<Resumer, Fiber>();
    assert!(
        STEPS_IN_FORM.load(Relaxed) > 0,
        "the steps of the form were seen"
    );
    check_walks();
}

fn reset() {
    for counter in [
        &STEPS_IN_FORM,
        &WALKS_OF_RESUMER,
        &WALKS_OF_FIBER,
        &WALKS_ASTRAY,
    ] {
        counter.store(0, Relaxed);
    }
}

/// After three round trips, of which each half is ten instructions at least.
fn check_walks() {
    assert!(
        WALKS_OF_RESUMER.load(Relaxed) > 3 * 10,
        "the resumer's stack was walked"
    );
    assert!(
        WALKS_OF_FIBER.load(Relaxed) > 3 * 10,
        "the fiber's stack was walked"
    );
    assert_eq!(
        WALKS_ASTRAY.load(Relaxed),
        0,
        "every walk came to the end of its stack"
    );
}

fn step_through_kind<Same: ContextSwitcher, Cross: CrossThread>() {
    step_through::<Naked<Same>, Naked<Same>>();
    step_through::<Naked<Same>, Inline<Same>>();
    step_through::<Inline<Same>, Naked<Same>>();
    step_through::<Inline<Same>, Inline<Same>>();
    step_through::<Publishing<Cross>, Publishing<Cross>>();
    step_through::<Publishing<Cross>, Naked<Cross>>();
    step_through::<Naked<Cross>, Publishing<Cross>>();
}

/// The tests here share counters and a handler.
static ALONE: Mutex<()> = Mutex::new(());

#[cfg_attr(
    target_env = "musl",
    ignore = "musl's signal trampoline has no unwind information: no walk leaves the handler"
)]
#[test]
fn a_walk_from_any_instruction_of_any_form_comes_to_the_end_of_its_stack() {
    let _alone = ALONE.lock();
    let stack = HeapStack::new();
    // SAFETY: a fresh context on a stack that outlives the switch.
    let _finished = unsafe { SameThreadNoFloat::switch(stack.enter_at(find_root), null_mut()) };
    assert_ne!(FIBER_ROOT.load(Relaxed), 0);
    // SAFETY: the handler calls the unwinder, which allocates nothing here, and counts in atomics.
    unsafe { on_each_step(step) };
    step_through_kind::<SameThreadFloat, CrossThreadFloat>();
    step_through_kind::<SameThreadNoFloat, CrossThreadNoFloat>();
}

#[cfg(feature = "std")]
mod coroutine {
    use dtact_switch::{
        Context, ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat,
        SameThreadNoFloat, Stack, Stackful, Transfer, Yielder,
    };

    use super::support::step::{call_stepped, on_each_step};
    use super::support::{from_raw, word};
    use super::{
        ALONE, RESUMER, Relaxed, STACK, WALKS_ASTRAY, WALKS_OF_FIBER, WALKS_OF_RESUMER, reset,
        step_linked,
    };

    // SAFETY: no body here uses a thread-local, and no coroutine is kept in one.
    const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

    type Echo<W> = Coroutine<usize, usize, usize, GuardedStack, W>;

    /// A resumption in the shape of a switch; `message` is the coroutine, and becomes its value.
    #[inline(never)]
    unsafe extern "C" fn resume<W: ContextSwitcher>(_: Context, message: *mut ()) -> Transfer {
        // SAFETY: the test passes its coroutine.
        let coroutine = unsafe { &mut *message.cast::<Echo<W>>() };
        let (CoroutineResult::Yield(number) | CoroutineResult::Return(number)) =
            coroutine.resume(7);
        Transfer {
            // SAFETY: not a context, and never used.
            from: unsafe { from_raw(std::ptr::dangling_mut::<u64>().cast()) },
            message: word(number),
        }
    }

    /// From the first instruction to the last: fresh, twice suspended, finished.
    #[inline(never)]
    extern "C" fn resumer<W: ContextSwitcher>() {
        let stack = GuardedStack::new(512 * 1024).expect("room for a stack");
        STACK[0].store(stack.bottom().addr().get(), Relaxed);
        STACK[1].store(stack.top().addr().get(), Relaxed);
        let body = |yielder: &Yielder<usize, usize, W>, first: usize| {
            let second = yielder.suspend(first + 1);
            let third = yielder.suspend(second + 2);
            third + 3
        };
        let mut coroutine: Echo<W> = Coroutine::with_switcher(STACKFUL, stack, body);
        for number in 8..=10 {
            // SAFETY: never used as a context.
            let nowhere = unsafe { from_raw(std::ptr::dangling_mut::<u64>().cast()) };
            let message = (&raw mut coroutine).cast();
            // SAFETY: no switch: a resumption, which gets what it expects; a handler is set.
            let transfer = unsafe { call_stepped(nowhere, message, resume::<W>) };
            assert_eq!(transfer.message, word(number));
        }
        assert!(coroutine.is_done());
    }

    fn step_through<W: ContextSwitcher>() {
        RESUMER.store(resumer::<W> as *mut (), Relaxed);
        reset();
        resumer::<W>();
        assert!(WALKS_OF_RESUMER.load(Relaxed) > 30, "before and after");
        assert!(WALKS_OF_FIBER.load(Relaxed) > 30, "in the coroutine");
        assert_eq!(
            WALKS_ASTRAY.load(Relaxed),
            0,
            "every walk met the resumer and came to an end"
        );
    }

    #[cfg_attr(
        target_env = "musl",
        ignore = "musl's signal trampoline has no unwind information: no walk leaves the handler"
    )]
    #[test]
    fn a_walk_from_any_instruction_of_a_coroutine_meets_its_resumer() {
        let _alone = ALONE.lock();
        // SAFETY: the handler calls the unwinder, which allocates nothing here, and counts in
        // atomics.
        unsafe { on_each_step(step_linked) };
        step_through::<SameThreadNoFloat>();
        step_through::<SameThreadFloat>();
    }
}
