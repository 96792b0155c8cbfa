//! Work on other stacks, and coroutines that borrow.
#![cfg(all(not(miri), feature = "std"))]
#![allow(unsafe_code, reason = "acknowledges the contract of suspended stacks")]

#[path = "support/child.rs"]
mod child;

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};

use dtact_switch::{
    Coroutine, CoroutineResult, GuardedStack, SameThreadFloat, Stack, Stackful, Yielder, on_stack,
};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

fn stack() -> GuardedStack {
    GuardedStack::new(256 * 1024).expect("room for a stack")
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    (&raw const *black_box(&local)).addr()
}

fn contains(stack: &GuardedStack, address: usize) -> bool {
    (stack.bottom().addr().get()..stack.top().addr().get()).contains(&address)
}

#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
#[test]
fn work_runs_on_the_stack_that_it_is_given() {
    let mut other = stack();
    let large = [7_u64; 100];
    let (address, sum) = on_stack(&mut other, || (here(), large.iter().sum::<u64>()));
    assert!(contains(&other, address));
    assert_eq!(sum, 700);
    assert!(!contains(&other, here()));
}

#[test]
fn a_panic_on_another_stack_reaches_the_caller() {
    let mut other = stack();
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        on_stack(&mut other, || {
            panic::resume_unwind(Box::new("over there"));
        });
    }));
    let payload = caught.expect_err("passed on");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"over there"));
    assert!(!std::thread::panicking());
    assert_eq!(on_stack(&mut other, || 5), 5, "it can be used again");
}

#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
#[test]
fn a_coroutine_may_work_on_the_stack_of_its_resumer() {
    let stack = stack();
    let bounds = stack.bottom().addr().get()..stack.top().addr().get();
    let body = move |yielder: &Yielder<u32, u32>, mut number: u32| {
        for _ in 0..3 {
            let (outer, inner) = yielder.on_parent_stack(|| {
                let outer = here();
                // Nested: where it is.
                (outer, yielder.on_parent_stack(here))
            });
            assert!(!bounds.contains(&outer) && !bounds.contains(&inner));
            assert!(bounds.contains(&here()));
            number = yielder.suspend(number + 1);
        }
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            yielder.on_parent_stack(|| panic::resume_unwind(Box::new(number)));
        }));
        caught.is_err()
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack, body);
    for number in [1, 10, 100] {
        assert_eq!(coroutine.resume(number), CoroutineResult::Yield(number + 1));
    }
    assert_eq!(coroutine.resume(0), CoroutineResult::Return(true));
}

#[test]
fn a_coroutine_with_float_may_work_on_the_stack_of_its_resumer() {
    let body = |yielder: &Yielder<(), (), SameThreadFloat>, ()| {
        let half = yielder.on_parent_stack(|| black_box(1.0) / 2.0);
        yielder.suspend(());
        half + yielder.on_parent_stack(|| black_box(1.0) / 4.0)
    };
    let mut coroutine = Coroutine::with_switcher(STACKFUL, stack(), body);
    assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(0.75));
}

#[test]
fn another_coroutine_may_be_run_on_the_stack_of_the_resumer() {
    let body = |yielder: &Yielder<(), u32>, ()| {
        let other = stack();
        let sum: u32 = yielder.on_parent_stack(|| {
            let count = |yielder: &Yielder<(), u32>, ()| {
                (1..=3).for_each(|number| yielder.suspend(number));
            };
            Coroutine::with_stack(STACKFUL, other, count).sum()
        });
        yielder.suspend(sum);
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), body);
    assert_eq!(coroutine.next(), Some(6));
    assert_eq!(coroutine.next(), None);
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_works_on_the_stack_of_its_resumer() {
    let Some(mode) = child::mode() else {
        return;
    };
    let body = move |yielder: &Yielder<(), ()>, ()| {
        yielder.on_parent_stack(|| {
            if mode == "suspend" {
                yielder.suspend(());
            }
        });
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), body);
    assert_eq!(coroutine.next(), None);
    std::process::exit(child::SURVIVED);
}

#[test]
fn suspending_on_the_stack_of_the_resumer_ends_the_process_and_says_why() {
    let run = |mode| child::run("child_that_works_on_the_stack_of_its_resumer", mode);
    let control = run("control");
    assert_eq!(control.status.code(), Some(child::SURVIVED), "{control:?}");
    let child = run("suspend");
    assert!(child::was_ended(&child), "not by an exit: {child:?}");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("on the stack of its resumer"), "{said}");
}

/// Notes that it was dropped.
struct Noted<'a>(&'a Cell<u32>);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_scoped_coroutine_borrows_and_is_unwound_at_the_end() {
    let drops = Cell::new(0);
    let mut seen = Vec::new();
    let body = |yielder: &Yielder<u32, u32>, mut number: u32| {
        let _noted = Noted(&drops);
        loop {
            seen.push(number);
            number = yielder.suspend(number * 2);
        }
    };
    let mut other = stack();
    let last = Coroutine::<_, _, (), _>::scope(STACKFUL, &mut other, body, |coroutine| {
        assert!(!coroutine.is_started());
        assert_eq!(coroutine.resume(1), CoroutineResult::Yield(2));
        assert!(coroutine.is_started() && !coroutine.is_done());
        coroutine.resume(2).into_yield()
    });
    assert_eq!((last, drops.get()), (Some(4), 1));
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_scoped_coroutine_is_unwound_when_its_user_panics() {
    let drops = Cell::new(0);
    let body = |yielder: &Yielder<(), ()>, ()| {
        let _noted = Noted(&drops);
        yielder.suspend(());
    };
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        Coroutine::<_, _, (), _>::scope(STACKFUL, stack(), body, |coroutine| {
            assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
            panic::resume_unwind(Box::new("the user's"));
        });
    }));
    assert!(caught.is_err());
    assert_eq!(drops.get(), 1);
}

#[test]
fn values_larger_than_a_register_go_both_ways() {
    type Large = [u64; 40];
    let body = |yielder: &Yielder<Large, Large>, first: Large| {
        let second = yielder.suspend(first.map(|number| number + 1));
        second.map(|number| number * 2)
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), body);
    assert_eq!(coroutine.resume([1; 40]), CoroutineResult::Yield([2; 40]));
    assert_eq!(coroutine.resume([5; 40]), CoroutineResult::Return([10; 40]));
}
