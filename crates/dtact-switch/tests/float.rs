//! The FP control state is the context's own with `Float`, and the thread's with `NoFloat`.
#![cfg(not(miri))]
#![allow(unsafe_code, reason = "the tests call the switch")]

mod support;

use core::hint::black_box;

use dtact_switch::{
    ContextSwitcher, CrossThreadFloat, CrossThreadNoFloat, SameThreadFloat, SameThreadNoFloat,
    Transfer,
};
use support::float::{Control, scribble};
use support::{Form, HeapStack, forms_by_kind};

const DEFAULTS: Control = Control::DEFAULTS;
const ODD: Control = Control::ODD;
const OTHER: Control = Control::OTHER;

/// What the fiber found at each of its steps.
struct Log {
    form: Form,
    at_entry: Option<Control>,
    after_resume: Option<Control>,
}

/// Notes what it finds, sets `ODD`, suspends; notes again, suspends for good.
unsafe extern "C" fn noter(first: Transfer) -> ! {
    let log = first.message.cast::<Log>();
    // SAFETY: the resumer keeps the log, and looks at it only while this fiber is suspended.
    let form = unsafe { (*log).form };
    // SAFETY: as above.
    unsafe { (*log).at_entry = Some(Control::read()) };
    ODD.load();
    // SAFETY: the resumer waits in the context it left.
    let second = unsafe { form(first.from, std::ptr::null_mut()) };
    // SAFETY: as for the first note.
    unsafe { (*log).after_resume = Some(Control::read()) };
    ODD.load();
    // SAFETY: the resumer waits in the context it left.
    let _third = unsafe { form(second.from, std::ptr::null_mut()) };
    unreachable!("nobody resumes a third time");
}

/// What both sides saw: fiber at entry, resumer after, fiber after its resumption, resumer after.
fn run(resumer: Form, fiber: Form) -> [Control; 4] {
    let stack = HeapStack::new();
    let mut log = Log {
        form: fiber,
        at_entry: None,
        after_resume: None,
    };
    let message = (&raw mut log).cast();
    let context = stack.enter_at(noter);
    OTHER.load();
    // SAFETY: a fresh context on a stack that outlives the switches here.
    let transfer = unsafe { resumer(context, message) };
    let resumer_first = Control::read();
    OTHER.load();
    // SAFETY: the fiber waits in the context it left.
    let transfer = unsafe { resumer(transfer.from, message) };
    let resumer_second = Control::read();
    DEFAULTS.load();
    drop(transfer);
    [
        log.at_entry.expect("noted before the first switch"),
        resumer_first,
        log.after_resume.expect("noted before the second switch"),
        resumer_second,
    ]
}

#[cfg_attr(
    dtact_valgrind,
    ignore = "Valgrind computes by the defaults, whatever is loaded"
)]
#[test]
fn float_switchers_keep_control_state_apart() {
    let [(_, float), _] = forms_by_kind();
    for &resumer in &float {
        for &fiber in &float {
            // A fresh context starts with the defaults of the ABI, not with those of its maker.
            assert_eq!(run(resumer, fiber), [DEFAULTS, OTHER, ODD, OTHER]);
        }
    }
}

#[cfg_attr(
    dtact_valgrind,
    ignore = "Valgrind computes by the defaults, whatever is loaded"
)]
#[test]
fn no_float_switchers_share_the_control_state_of_the_thread() {
    let [_, (_, no_float)] = forms_by_kind();
    for &resumer in &no_float {
        for &fiber in &no_float {
            assert_eq!(run(resumer, fiber), [OTHER, ODD, OTHER, ODD]);
        }
    }
}

#[test]
fn the_constants_say_what_each_switcher_does() {
    fn of<S: ContextSwitcher>() -> (bool, bool) {
        (S::CROSS_THREAD, S::SAVES_FLOAT)
    }
    assert_eq!(of::<CrossThreadFloat>(), (true, true));
    assert_eq!(of::<CrossThreadNoFloat>(), (true, false));
    assert_eq!(of::<SameThreadFloat>(), (false, true));
    assert_eq!(of::<SameThreadNoFloat>(), (false, false));
}

#[test]
fn vector_registers_that_are_live_survive_a_switch() {
    /// Overwrites every vector register and switches back, forever.
    unsafe extern "C" fn scribbler(first: Transfer) -> ! {
        let mut transfer = first;
        loop {
            scribble();
            // SAFETY: the resumer waits in the context it left.
            transfer = unsafe { SameThreadNoFloat::switch(transfer.from, std::ptr::null_mut()) };
        }
    }
    let stack = HeapStack::new();
    let mut context = stack.enter_at(scribbler);
    let initial: [f64; 20] =
        std::array::from_fn(|index| f64::from(u8::try_from(index).expect("small")));
    let mut values = black_box(initial);
    for _ in 0..100 {
        // SAFETY: the context is fresh or the one the fiber left, on a stack that outlives it.
        let transfer = unsafe { SameThreadNoFloat::switch(context, std::ptr::null_mut()) };
        context = transfer.from;
        for value in &mut values {
            *value += 1.0;
        }
    }
    for (value, initial) in values.iter().zip(initial) {
        assert!((value - (initial + 100.0)).abs() < f64::EPSILON);
    }
}
