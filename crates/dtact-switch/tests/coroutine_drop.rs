//! A coroutine that is dropped runs the destructors on its stack, whatever the body does about it.
#![cfg(feature = "std")]
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and resets a coroutine"
)]

#[path = "support/child.rs"]
mod child;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use dtact_switch::{Coroutine, CoroutineResult, GuardedStack, Stackful, Yielder};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

fn stack() -> GuardedStack {
    GuardedStack::new(256 * 1024).expect("room for a stack")
}

/// Counts its drops.
#[derive(Clone, Default)]
struct Drops(Rc<Cell<u32>>);

impl Drops {
    fn count(&self) -> u32 {
        self.0.get()
    }

    fn counted(&self) -> Counted {
        Counted(self.clone())
    }
}

struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.set(self.0.count() + 1);
    }
}

/// Suspends `depth` calls down, with something to drop in each.
fn suspend_deep(yielder: &Yielder<(), Counted>, drops: &Drops, depth: u32) {
    let _counted = drops.counted();
    if depth == 0 {
        yielder.suspend(drops.counted());
    } else {
        suspend_deep(yielder, drops, depth - 1);
    }
}

#[test]
fn dropping_a_suspended_coroutine_runs_the_destructors_on_its_stack() {
    let drops = Drops::default();
    let (captured, inside) = (drops.counted(), drops.clone());
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let _captured = captured;
        suspend_deep(yielder, &inside, 9);
        unreachable!("never resumed");
    });
    drop(coroutine.next());
    assert_eq!(drops.count(), 1, "the value that was handed out");
    drop(coroutine);
    assert_eq!(drops.count(), 12, "ten frames and what was captured");
}

#[test]
fn dropping_a_coroutine_that_never_began_drops_its_body() {
    let drops = Drops::default();
    let captured = drops.counted();
    let coroutine = Coroutine::with_stack(STACKFUL, stack(), move |_: &Yielder<(), ()>, ()| {
        let _captured = captured;
        unreachable!("never begun");
    });
    drop(coroutine);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_finished_coroutine_has_nothing_left_to_drop() {
    let drops = Drops::default();
    let captured = drops.counted();
    let mut coroutine =
        Coroutine::with_stack(STACKFUL, stack(), move |_: &Yielder<_, ()>, input| {
            drop(captured);
            input
        });
    let returned = coroutine.resume(drops.counted());
    assert_eq!(drops.count(), 1);
    drop(returned);
    assert_eq!(drops.count(), 2, "what was returned is the resumer's");
    drop(coroutine);
    assert_eq!(drops.count(), 2);
}

#[test]
fn a_body_that_catches_the_unwinding_may_return() {
    let drops = Drops::default();
    let inside = drops.clone();
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            suspend_deep(yielder, &inside, 0);
        }));
        assert!(caught.is_err());
        inside.counted()
    });
    drop(coroutine.resume(()));
    assert_eq!(drops.count(), 1);
    coroutine.force_unwind();
    assert!(coroutine.is_done());
    assert_eq!(drops.count(), 3, "a frame, and what the body returned");
}

#[test]
fn a_body_that_catches_the_unwinding_and_suspends_is_unwound_again() {
    let drops = Drops::default();
    let inside = drops.clone();
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        for _ in 0..5 {
            let caught = panic::catch_unwind(AssertUnwindSafe(|| {
                suspend_deep(yielder, &inside, 0);
            }));
            assert!(caught.is_err());
        }
        yielder.suspend(inside.counted());
        unreachable!("not resumed");
    });
    drop(coroutine.next());
    assert_eq!(drops.count(), 1);
    drop(coroutine);
    // A frame; then four times a frame and a value that nobody gets; then the last such value.
    assert_eq!(drops.count(), 1 + 1 + 4 * 2 + 1);
}

#[test]
fn a_panic_while_unwinding_reaches_who_drops_the_coroutine() {
    let drops = Drops::default();
    let captured = drops.counted();
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let _captured = captured;
        let _caught = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
        panic::resume_unwind(Box::new("another"));
    });
    assert_eq!(coroutine.next(), Some(()));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| drop(coroutine)));
    let payload = caught.expect_err("passed on");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"another"));
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_coroutine_that_is_dropped_by_a_panic_is_unwound_too() {
    let drops = Drops::default();
    let inside = drops.clone();
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
            suspend_deep(yielder, &inside, 4);
        });
        drop(coroutine.next());
        panic::resume_unwind(Box::new("the resumer's"));
    }));
    assert_eq!(
        caught.unwrap_err().downcast_ref::<&str>(),
        Some(&"the resumer's")
    );
    assert_eq!(drops.count(), 6);
    assert!(!std::thread::panicking());
}

#[test]
fn a_coroutine_that_owns_a_suspended_one_drops_both() {
    let drops = Drops::default();
    let (inner_drops, outer_drops) = (drops.clone(), drops.clone());
    let mut outer = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let mut inner = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
            suspend_deep(yielder, &inner_drops, 4);
        });
        drop(inner.next());
        suspend_deep(yielder, &outer_drops, 4);
    });
    drop(outer.next());
    assert_eq!(drops.count(), 2);
    drop(outer);
    assert_eq!(drops.count(), 12);
}

#[test]
fn a_payload_that_is_kept_and_thrown_elsewhere_is_a_panic_like_any_other() {
    let kept = Rc::new(Cell::new(None));
    let keep = Rc::clone(&kept);
    let mut first = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
        keep.set(caught.err());
    });
    assert_eq!(first.next(), Some(()));
    drop(first);
    let mut second = Coroutine::with_stack(STACKFUL, stack(), move |_: &Yielder<(), ()>, ()| {
        panic::resume_unwind(kept.take().expect("kept by the first"));
    });
    let caught = panic::catch_unwind(AssertUnwindSafe(|| second.next()));
    assert!(caught.is_err(), "passed on to the resumer");
    assert!(second.is_done());
}

#[cfg_attr(
    miri,
    ignore = "what an abandoned frame borrows stays borrowed, says Miri"
)]
#[test]
fn a_coroutine_that_is_reset_runs_nothing_more() {
    let drops = Drops::default();
    let inside = drops.clone();
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        suspend_deep(yielder, &inside, 0);
    });
    drop(coroutine.next());
    // SAFETY: what lies on the stack counts its drops, and nothing relies on that.
    unsafe { coroutine.force_reset() };
    assert!(coroutine.is_done());
    let stack = coroutine.into_stack();
    assert_eq!(drops.count(), 1);
    let mut next = Coroutine::with_stack(STACKFUL, stack, |_: &Yielder<(), ()>, ()| 1);
    assert_eq!(next.resume(()), CoroutineResult::Return(1));
}

/// A destructor that suspends, or panics, while the stack is unwound.
struct Awkward<'a>(&'a Yielder<(), ()>, &'a str);

impl Drop for Awkward<'_> {
    fn drop(&mut self) {
        match self.1 {
            "suspend" => self.0.suspend(()),
            "panic" => panic::resume_unwind(Box::new("in a destructor")),
            _ => {}
        }
    }
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_with_an_awkward_destructor() {
    let Some(mode) = child::mode() else {
        return;
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
        let _awkward = Awkward(yielder, &mode);
        yielder.suspend(());
    });
    assert_eq!(coroutine.next(), Some(()));
    drop(coroutine);
    std::process::exit(child::SURVIVED);
}

#[cfg_attr(miri, ignore = "starts a process")]
#[test]
fn a_destructor_that_panics_or_suspends_while_unwinding_aborts_the_process() {
    let run = |mode| child::run("child_with_an_awkward_destructor", mode);
    let control = run("control");
    assert_eq!(control.status.code(), Some(child::SURVIVED), "{control:?}");
    for mode in ["panic", "suspend"] {
        let child = run(mode);
        assert!(child::was_ended(&child), "not by an exit: {child:?}");
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(said.contains("panic in a destructor"), "{said}");
    }
}
