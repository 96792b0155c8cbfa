//! Signals in the middle of switches, by the thousand, each handled on the stack that it meets:
//! what the kernel writes below the stack pointer destroys nothing, whichever instruction it comes
//! at.
//!
//! Not under tools that hold signals back until it suits them.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_tsan, dtact_valgrind)),
    target_os = "linux"
))]
#![allow(
    unsafe_code,
    reason = "the tests call the switch and set a signal handler"
)]

mod support;

use std::ffi::c_int;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use dtact_switch::{Context, Transfer};
use support::registers::{Saved, switch_with};
use support::{Form, HeapStack, Numbers, forms_by_kind, word};

const SIGUSR1: c_int = 10;

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> *mut ();
    fn pthread_self() -> usize;
    fn pthread_kill(thread: usize, number: c_int) -> c_int;
}

/// How many signals each of the two stacks has to see, and how long that may take.
const SIGNALS_MIN: usize = 300;
const LIMIT: Duration = Duration::from_secs(30);
/// Between two signals: some ten thousand a second.
const PAUSE: Duration = Duration::from_micros(50);

/// The addresses of the fiber's stack.
static BOTTOM: AtomicUsize = AtomicUsize::new(0);
static TOP: AtomicUsize = AtomicUsize::new(0);
static ON_FIBER: AtomicUsize = AtomicUsize::new(0);
static ELSEWHERE: AtomicUsize = AtomicUsize::new(0);

/// Without an alternate stack: it runs on the stack that is current, and fills some of it.
extern "C" fn on_signal(_: c_int) {
    let local = black_box([0xA5_u8; 512]);
    let here = (&raw const local).addr();
    let is_on_fiber = (BOTTOM.load(Relaxed)..TOP.load(Relaxed)).contains(&here);
    let counter = if is_on_fiber { &ON_FIBER } else { &ELSEWHERE };
    counter.fetch_add(1, Relaxed);
}

/// Keeps random registers over each suspension; answers with how often they all came back.
///
/// # Safety
///
/// The first message is a form of the kind that the resumer uses.
unsafe extern "C" fn keeper(first: Transfer) -> ! {
    // SAFETY: the first message points to a form, until the first answer.
    let form = unsafe { first.message.cast::<Form>().read() };
    let mut numbers = Numbers(0x5EED);
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

/// Switches to and fro until both stacks have met their signals.
fn switch_in_the_storm(kind: &str, resumer: Form, mut fiber: Form) {
    let stack = HeapStack::new();
    TOP.store(stack.top().addr().get(), Relaxed);
    BOTTOM.store(stack.top().addr().get() - HeapStack::BYTES, Relaxed);
    ON_FIBER.store(0, Relaxed);
    ELSEWHERE.store(0, Relaxed);
    let is_over = || ON_FIBER.load(Relaxed).min(ELSEWHERE.load(Relaxed)) >= SIGNALS_MIN;
    let started = Instant::now();
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    let mut context: Context = stack.enter_at(keeper);
    let mut message = (&raw mut fiber).cast();
    let mut round = 0;
    while !is_over() {
        for _ in 0..100 {
            let before = Saved::random(&mut numbers);
            let mut registers = before;
            // SAFETY: the context is fresh or the one the fiber left, with a form of the same kind.
            let transfer = unsafe { switch_with(resumer, context, message, &mut registers) };
            assert_eq!(registers, before, "{kind}: the resumer's registers");
            assert_eq!(transfer.message, word(round), "{kind}: the fiber's");
            context = transfer.from;
            message = word(0);
            round += 1;
        }
        assert!(started.elapsed() < LIMIT, "{kind}: {round} switches");
    }
}

#[test]
fn signals_on_the_fibers_own_stack_destroy_nothing() {
    // SAFETY: the handler counts in atomics.
    unsafe { signal(SIGUSR1, on_signal) };
    // SAFETY: asks for a name.
    let target = unsafe { pthread_self() };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Relaxed) {
                // SAFETY: the thread waits for this one before it ends.
                unsafe { pthread_kill(target, SIGUSR1) };
                thread::sleep(PAUSE);
            }
        });
        let outcome = std::panic::catch_unwind(|| {
            for (kind, forms) in forms_by_kind() {
                // The inline form and the naked one, each on either side.
                for resumer in [forms[0], forms[1]] {
                    for fiber in [forms[0], forms[1]] {
                        switch_in_the_storm(kind, resumer, fiber);
                    }
                }
            }
        });
        is_over.store(true, Relaxed);
        if let Err(payload) = outcome {
            std::panic::resume_unwind(payload);
        }
    });
}
