//! A panic stays on its stack: caught at the root it travels as a message, uncaught it aborts the
//! process.
#![allow(unsafe_code, reason = "the tests call the switch")]

mod support;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

use dtact_switch::{Context, ContextSwitcher, CrossThreadFloat, SameThreadFloat, Transfer};
use support::child::{this_program, was_ended};
use support::{HeapStack, TOLD, for_each_pairing, word};

type Payload = Box<dyn Any + Send>;

/// Counts its drops.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Start<'a> {
    form: support::Form,
    drops: &'a AtomicUsize,
}

#[inline(never)]
fn suspend_then_panic(start: &Start<'_>, resumer: &mut Option<Context>, depth: usize) {
    let _counted = Counted(start.drops);
    if depth > 0 {
        return suspend_then_panic(start, resumer, depth - 1);
    }
    let to = resumer.take().expect("put back after each switch");
    // SAFETY: the resumer waits in the context it left, with a form of the same kind.
    let transfer = unsafe { (start.form)(to, word(1)) };
    *resumer = Some(transfer.from);
    panic::resume_unwind(Box::new("out of the depth"));
}

/// Catches at the root and hands the payload over.
unsafe extern "C" fn catcher(first: Transfer) -> ! {
    // SAFETY: the resumer keeps the `Start` longer than this fiber.
    let start = unsafe { &*first.message.cast::<Start<'_>>() };
    let mut resumer = Some(first.from);
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        suspend_then_panic(start, &mut resumer, 10);
    }));
    let payload: Box<Payload> = Box::new(caught.expect_err("it panics"));
    let to = resumer.take().expect("put back before the panic");
    // SAFETY: the resumer waits in the context it left, and takes over the box.
    let _never = unsafe { (start.form)(to, Box::into_raw(payload).cast()) };
    unreachable!("nobody resumes a third time");
}

#[test]
fn a_panic_caught_at_the_root_reaches_the_resumer() {
    for_each_pairing(|resumer, fiber| {
        let drops = AtomicUsize::new(0);
        let mut start = Start {
            form: fiber,
            drops: &drops,
        };
        let stack = HeapStack::new();
        // SAFETY: a fresh context on a stack that outlives the switches here.
        let transfer = unsafe { resumer(stack.enter_at(catcher), (&raw mut start).cast()) };
        assert_eq!(transfer.message, word(1), "suspended before the panic");
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        // SAFETY: the fiber waits in the context it left.
        let transfer = unsafe { resumer(transfer.from, word(0)) };
        assert_eq!(drops.load(Ordering::Relaxed), 11, "every destructor ran");
        // SAFETY: the message is the box that the fiber gave away.
        let payload = unsafe { Box::from_raw(transfer.message.cast::<Payload>()) };
        // Passed on, it unwinds the resumer's own stack.
        let passed_on =
            panic::catch_unwind(AssertUnwindSafe(|| panic::resume_unwind(*payload))).unwrap_err();
        assert_eq!(passed_on.downcast_ref::<&str>(), Some(&"out of the depth"));
    });
}

#[test]
fn a_panic_of_the_resumer_leaves_the_fiber_as_it_was() {
    /// Answers with how often it was resumed.
    unsafe extern "C" fn counter(first: Transfer) -> ! {
        let mut transfer = first;
        for count in 0.. {
            // SAFETY: the resumer waits in the context it left.
            transfer = unsafe { SameThreadFloat::switch(transfer.from, word(count)) };
        }
        unreachable!("the count does not end")
    }
    let stack = HeapStack::new();
    // SAFETY: a fresh context on a stack that outlives the switches here.
    let transfer = unsafe { SameThreadFloat::switch(stack.enter_at(counter), word(0)) };
    let mut context = Some(transfer.from);
    for count in 1..4 {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            let to = context.take().expect("put back below");
            // SAFETY: the fiber waits in the context it left.
            let transfer = unsafe { SameThreadFloat::switch(to, word(0)) };
            context = Some(transfer.from);
            panic::resume_unwind(Box::new(transfer.message.addr()));
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<usize>(), Some(&count));
    }
}

unsafe extern "C" fn panics_at_the_root(_: Transfer) -> ! {
    panic!("out of the root");
}

unsafe extern "C" fn leaves_the_process(_: Transfer) -> ! {
    std::process::exit(23);
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_panics_out_of_an_entry() {
    let entry = match std::env::var("DTACT_SWITCH_CHILD").as_deref() {
        Ok("panic") => panics_at_the_root,
        Ok("control") => leaves_the_process as dtact_switch::Entry,
        _ => return,
    };
    let stack = HeapStack::new();
    let caught = panic::catch_unwind(|| {
        // SAFETY: a fresh context on a stack that outlives the process.
        let _transfer = unsafe { CrossThreadFloat::switch(stack.enter_at(entry), word(0)) };
    });
    unreachable!("the panic crossed the switch: {}", caught.is_err());
}

#[cfg_attr(miri, ignore = "starts a process")]
#[test]
fn a_panic_out_of_an_entry_aborts_and_never_crosses_the_switch() {
    let run = |mode: &str| {
        this_program()
            .args([
                "--exact",
                "child_that_panics_out_of_an_entry",
                "--nocapture",
            ])
            .env("DTACT_SWITCH_CHILD", mode)
            .output()
            .expect("the child starts")
    };
    let control = run("control");
    assert_eq!(control.status.code(), Some(23), "{control:?}");
    let child = run("panic");
    assert!(was_ended(&child), "not by an exit: {child:?}");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("out of the root"), "{said}");
    // Under a tool a context that is dropped is something to clean up; so the unwinder does not
    // stop at the entry but at the root, where it finds nobody to catch.
    let stopped = if TOLD {
        "failed to initiate panic"
    } else {
        "cannot unwind"
    };
    assert!(said.contains(stopped), "{said}");
}
