//! Every callee-saved register comes back as it was left, on both sides, in every pairing of forms,
//! and so do the floating-point control words where they belong to the context: random values, a
//! million switches for each pairing.
#![cfg(not(miri))]
#![allow(unsafe_code, reason = "the tests load registers and call the switch")]

mod support;

use dtact_switch::{ContextSwitcher, CrossThreadFloat, CrossThreadNoFloat, Transfer};
use dtact_switch::{SameThreadFloat, SameThreadNoFloat};
use support::float::Control;
use support::registers::{Saved, switch_with};
use support::{Form, HeapStack, Numbers, inline_form, word};

/// Of two switches each.
const ROUNDS: usize = 500_000;
/// Without optimisation and under an emulator a million switches of each kind take minutes. There
/// the build in release does them.
const ROUNDS_SLOW: usize = 20_000;
/// For the types that share their code with others.
const ROUNDS_AGAIN: usize = 1_000;

fn rounds() -> usize {
    // An emulator takes minutes for all in debug; in release it does them.
    let is_slow = cfg!(debug_assertions) && std::env::var_os("DTACT_EMULATED").is_some();
    if is_slow { ROUNDS_SLOW } else { ROUNDS }
}

/// Random registers, and control words if they are to be kept.
struct State {
    registers: Saved,
    control: Option<Control>,
}

impl State {
    fn random(numbers: &mut Numbers, has_control: bool) -> Self {
        let controls = [Control::DEFAULTS, Control::ODD, Control::OTHER];
        let control = controls[usize::try_from(numbers.next() % 3).expect("below 3")];
        Self {
            registers: Saved::random(numbers),
            control: has_control.then_some(control),
        }
    }

    /// Loads all, calls `form`, and says whether all came back.
    ///
    /// # Safety
    ///
    /// Those of the switch behind `form`.
    unsafe fn is_kept_over(
        &self,
        form: Form,
        to: dtact_switch::Context,
        message: *mut (),
    ) -> (Transfer, bool) {
        let mut registers = self.registers;
        if let Some(control) = self.control {
            control.load();
        }
        // SAFETY: passed on to the caller.
        let transfer = unsafe { switch_with(form, to, message, &mut registers) };
        let is_control_kept = self.control.is_none_or(|control| {
            let found = Control::read();
            Control::DEFAULTS.load();
            found == control
        });
        (transfer, registers == self.registers && is_control_kept)
    }
}

struct Start {
    form: Form,
    seed: u64,
    has_control: bool,
}

/// Keeps a random state over each suspension; answers with how often all of it came back.
unsafe extern "C" fn keeper(first: Transfer) -> ! {
    // SAFETY: the first message is a `Start`, alive until the first answer.
    let start = unsafe { first.message.cast::<Start>().read() };
    let mut numbers = Numbers(start.seed);
    let mut transfer = first;
    let mut kept = 0;
    loop {
        let state = State::random(&mut numbers, start.has_control);
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        let answer = unsafe { state.is_kept_over(start.form, transfer.from, word(kept)) };
        let is_kept;
        (transfer, is_kept) = answer;
        kept += usize::from(is_kept);
    }
}

fn switch_many_times(resumer: Form, fiber: Form, has_control: bool, rounds: usize) {
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    let stack = HeapStack::new();
    let mut start = Start {
        form: fiber,
        seed: numbers.next(),
        has_control,
    };
    let mut context = stack.enter_at(keeper);
    let mut message = (&raw mut start).cast();
    for round in 0..rounds {
        let state = State::random(&mut numbers, has_control);
        // SAFETY: the context is fresh or the one the fiber left, with a form of the same kind.
        let (transfer, is_kept) = unsafe { state.is_kept_over(resumer, context, message) };
        assert!(is_kept, "the resumer's state, round {round}");
        assert_eq!(
            transfer.message,
            word(round),
            "rounds in which the fiber's was kept"
        );
        context = transfer.from;
        message = word(0);
    }
}

fn in_every_pairing<S: ContextSwitcher>(rounds: usize) {
    let forms = [inline_form::<S> as Form, S::SWITCH_NAKED];
    for resumer in forms {
        for fiber in forms {
            switch_many_times(resumer, fiber, S::SAVES_FLOAT, rounds);
        }
    }
}

#[test]
fn the_state_is_kept_on_both_sides_in_every_pairing_without_float() {
    in_every_pairing::<SameThreadNoFloat>(rounds());
    in_every_pairing::<CrossThreadNoFloat>(ROUNDS_AGAIN);
}

#[cfg_attr(dtact_valgrind, ignore = "Valgrind has no rounding modes")]
#[test]
fn the_state_is_kept_on_both_sides_in_every_pairing_with_float() {
    in_every_pairing::<SameThreadFloat>(rounds());
    in_every_pairing::<CrossThreadFloat>(ROUNDS_AGAIN);
}

// Under a tool coroutines go by the switch that is tested above, and a context is more than a name.
#[cfg(all(feature = "std", not(any(dtact_asan, dtact_tsan, dtact_valgrind))))]
mod coroutine {
    use std::ptr::null_mut;

    use dtact_switch::{
        Context, ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat,
        SameThreadNoFloat, Stackful, Transfer, Yielder,
    };

    use super::support::{Numbers, from_raw};
    use super::{State, rounds};

    // SAFETY: no body here uses a thread-local, and no coroutine is kept in one.
    const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

    type Counter<W> = Coroutine<(), u64, (), GuardedStack, W>;

    /// Where there is no context to name: never used as one.
    fn nowhere() -> Context {
        // SAFETY: not a context, and passed around only.
        unsafe { from_raw(std::ptr::dangling_mut::<u64>().cast()) }
    }

    /// A resumption in the shape of a switch; `message` is the coroutine, and becomes its value.
    unsafe extern "C" fn resume<W: ContextSwitcher>(_: Context, message: *mut ()) -> Transfer {
        // SAFETY: the test passes its coroutine.
        let coroutine = unsafe { &mut *message.cast::<Counter<W>>() };
        let CoroutineResult::Yield(kept) = coroutine.resume(()) else {
            panic!("it never ends");
        };
        Transfer {
            from: nowhere(),
            message: super::word(usize::try_from(kept).expect("a small number")),
        }
    }

    /// What the body hands to its suspension.
    struct Suspension<'a, W: ContextSwitcher> {
        yielder: &'a Yielder<(), u64, W>,
        kept: u64,
    }

    /// A suspension in the shape of a switch.
    unsafe extern "C" fn suspend<W: ContextSwitcher>(_: Context, message: *mut ()) -> Transfer {
        // SAFETY: the body passes its suspension.
        let Suspension { yielder, kept } = unsafe { &*message.cast::<Suspension<'_, W>>() };
        yielder.suspend(*kept);
        Transfer {
            from: nowhere(),
            message: null_mut(),
        }
    }

    fn keeps_the_state<W: ContextSwitcher>() {
        let body = |yielder: &Yielder<(), u64, W>, ()| {
            let mut numbers = Numbers(0xFEDC_BA98_7654_3210);
            let mut kept = 0;
            loop {
                let state = State::random(&mut numbers, W::SAVES_FLOAT);
                let mut suspension = Suspension { yielder, kept };
                let message = (&raw mut suspension).cast();
                // SAFETY: no switch: a suspension, which gets what it expects.
                let (_, is_kept) = unsafe { state.is_kept_over(suspend::<W>, nowhere(), message) };
                kept += u64::from(is_kept);
            }
        };
        let stack = GuardedStack::new(256 * 1024).expect("room for a stack");
        let mut coroutine: Counter<W> = Coroutine::with_switcher(STACKFUL, stack, body);
        let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
        for round in 0..rounds() {
            let state = State::random(&mut numbers, W::SAVES_FLOAT);
            let message = (&raw mut coroutine).cast();
            // SAFETY: no switch: a resumption, which gets what it expects.
            let (transfer, is_kept) =
                unsafe { state.is_kept_over(resume::<W>, nowhere(), message) };
            assert!(is_kept, "the resumer's state, round {round}");
            assert_eq!(transfer.message.addr(), round, "rounds kept by the body");
        }
        // SAFETY: numbers lie on the stack. To unwind it is impossible: `suspend` is a C function.
        unsafe { coroutine.force_reset() };
    }

    #[test]
    fn resumptions_and_suspensions_keep_the_state() {
        keeps_the_state::<SameThreadNoFloat>();
        keeps_the_state::<SameThreadFloat>();
    }
}
