//! A coroutine passes values both ways, panics to its resumer, and nests.
#![cfg(feature = "std")]
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and resets a coroutine"
)]

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use dtact_switch::{
    ContextSwitcher, Coroutine, CoroutineResult, CrossThreadFloat, CrossThreadNoFloat,
    GuardedStack, SameThreadFloat, SameThreadNoFloat, Stackful, Yielder,
};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

fn stack() -> GuardedStack {
    GuardedStack::new(256 * 1024).expect("room for a stack")
}

#[test]
fn values_go_both_ways_and_the_last_one_is_returned() {
    let mut coroutine = Coroutine::new(STACKFUL, |yielder, first: String| {
        let second = yielder.suspend(first.len());
        let third = yielder.suspend(second.len());
        vec![first, second, third]
    })
    .expect("room for a stack");
    assert!(!coroutine.is_started());
    assert!(!coroutine.is_done());
    assert_eq!(coroutine.resume("a".into()), CoroutineResult::Yield(1));
    assert!(coroutine.is_started());
    assert_eq!(coroutine.resume("bc".into()), CoroutineResult::Yield(2));
    assert!(!coroutine.is_done());
    let returned = coroutine.resume("def".into()).into_return();
    assert_eq!(returned.expect("returned"), ["a", "bc", "def"]);
    assert!(coroutine.is_done());
    assert!(coroutine.is_started());
}

#[test]
fn values_of_no_size_and_of_much_size_and_alignment_arrive_whole() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Wide([u8; 256]);

    let mut nothing = Coroutine::new(STACKFUL, |yielder, ()| yielder.suspend(())).expect("room");
    assert_eq!(nothing.resume(()), CoroutineResult::Yield(()));
    assert_eq!(nothing.resume(()), CoroutineResult::Return(()));

    let is_aligned = |wide: &Wide| (&raw const *wide).addr().is_multiple_of(256);
    let captured = Wide([7; 256]);
    let mut wide = Coroutine::new(STACKFUL, move |yielder, first: Wide| {
        assert!(is_aligned(&captured), "what is captured");
        assert!(is_aligned(&first), "the first input");
        let second = yielder.suspend(first);
        assert!(is_aligned(&second), "an input");
        assert_eq!(captured, Wide([7; 256]));
        second
    })
    .expect("room for a stack");
    assert_eq!(
        wide.resume(Wide([1; 256])),
        CoroutineResult::Yield(Wide([1; 256]))
    );
    assert_eq!(
        wide.resume(Wide([2; 256])),
        CoroutineResult::Return(Wide([2; 256]))
    );

    let large = [3_u8; 16 * 1024];
    let mut large = Coroutine::new(STACKFUL, move |yielder, first: [u8; 16 * 1024]| {
        let second = yielder.suspend(large);
        (first, second)
    })
    .expect("room for a stack");
    assert_eq!(
        large.resume([4; 16 * 1024]),
        CoroutineResult::Yield([3; 16 * 1024])
    );
    assert_eq!(
        large.resume([5; 16 * 1024]),
        CoroutineResult::Return(([4; 16 * 1024], [5; 16 * 1024]))
    );
}

fn count_to_three<W: ContextSwitcher>() {
    let body = |yielder: &Yielder<(), u8, W>, ()| {
        for number in 0..3 {
            yielder.suspend(number);
        }
    };
    let coroutine = Coroutine::with_switcher(STACKFUL, stack(), body);
    assert!(coroutine.eq(0..3));
}

#[test]
fn every_switcher_serves_a_coroutine() {
    count_to_three::<SameThreadNoFloat>();
    count_to_three::<SameThreadFloat>();
    count_to_three::<CrossThreadNoFloat>();
    count_to_three::<CrossThreadFloat>();
}

#[test]
fn a_coroutine_is_an_iterator_that_stays_at_its_end() {
    let mut numbers = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        yielder.suspend(1);
        yielder.suspend(2);
    });
    assert_eq!(numbers.next(), Some(1));
    assert_eq!(numbers.next(), Some(2));
    assert_eq!(numbers.next(), None);
    assert_eq!(numbers.next(), None);
}

#[test]
fn a_coroutine_may_be_moved_while_it_is_suspended() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        let here = Cell::new(1);
        let there = &here;
        yielder.suspend(there.get());
        there.set(2);
        yielder.suspend(here.get());
    });
    assert_eq!(coroutine.next(), Some(1));
    let mut moved = Box::new(coroutine);
    assert_eq!(moved.next(), Some(2));
    assert_eq!(moved.next(), None);
}

#[test]
fn a_panic_is_passed_on_once_and_finishes_the_coroutine() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        yielder.suspend(1);
        panic::resume_unwind(Box::new("out of the body"));
    });
    assert_eq!(coroutine.next(), Some(1));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| coroutine.resume(())));
    let payload = caught.expect_err("passed on");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"out of the body"));
    assert!(coroutine.is_done());
    assert_eq!(coroutine.next(), None);
}

#[test]
fn a_coroutine_that_is_finished_is_not_resumed() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |_: &Yielder<(), ()>, ()| ());
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(()));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| coroutine.resume(())));
    let payload = caught.expect_err("it panics");
    let said = payload.downcast_ref::<&str>().expect("a message");
    assert!(said.contains("a finished coroutine was resumed"), "{said}");
}

#[test]
fn a_panic_of_the_resumer_leaves_the_coroutine_as_it_was() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        for number in 0..3 {
            yielder.suspend(number);
        }
    });
    for expected in 0..3 {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            let number = coroutine.next().expect("not at its end");
            panic::resume_unwind(Box::new(number));
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<i32>(), Some(&expected));
    }
}

/// A coroutine that passes on what an inner one makes, `depth` of them inside each other.
fn nested(depth: u32) -> Coroutine<u32, u32, u32> {
    Coroutine::with_stack(STACKFUL, stack(), move |yielder, first| {
        if depth == 0 {
            return yielder.suspend(first + 1) + 1;
        }
        let mut inner = nested(depth - 1);
        let mut input = first;
        loop {
            match inner.resume(input) {
                CoroutineResult::Yield(value) => input = yielder.suspend(value + 1),
                CoroutineResult::Return(value) => return value + 1,
            }
        }
    })
}

#[test]
fn coroutines_resume_coroutines() {
    let mut coroutine = nested(20);
    assert_eq!(coroutine.resume(0), CoroutineResult::Yield(21));
    assert_eq!(coroutine.resume(100), CoroutineResult::Return(121));
    // Dropped while each of them is suspended.
    let mut dropped = nested(20);
    assert_eq!(dropped.resume(0), CoroutineResult::Yield(21));
}

#[test]
fn a_coroutine_may_be_begun_by_one_and_gone_on_with_by_another() {
    let shared = Rc::new(RefCell::new(Coroutine::with_stack(
        STACKFUL,
        stack(),
        |yielder, ()| {
            for number in 0..10 {
                yielder.suspend(number);
            }
        },
    )));
    let taker = || {
        let shared = Rc::clone(&shared);
        Coroutine::with_stack(STACKFUL, stack(), move |yielder, ()| {
            loop {
                let Some(number) = shared.borrow_mut().next() else {
                    return;
                };
                yielder.suspend(number);
            }
        })
    };
    let (one, other) = (taker(), taker());
    let pairs: Vec<(i32, i32)> = one.zip(other).collect();
    assert_eq!(pairs, [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]);
}

#[test]
fn what_borrows_may_be_given_by_promise() {
    let text = String::from("borrowed");
    let mut seen = Vec::new();
    {
        // SAFETY: the body keeps what `Stackful` asks; the coroutine is dropped in this block,
        // before what it borrows.
        let mut coroutine = unsafe {
            Coroutine::<_, _, _, _, SameThreadNoFloat>::with_stack_unchecked(
                stack(),
                |yielder, ()| {
                    for word in [&text[..4], &text[4..]] {
                        seen.push(word);
                        yielder.suspend(word);
                    }
                },
            )
        };
        assert_eq!(coroutine.next(), Some("borr"));
    }
    assert_eq!(seen, ["borr"]);
}

#[test]
fn what_is_printed_for_debugging_says_the_state() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        assert!(format!("{yielder:?}").contains("Yielder"));
        yielder.suspend(());
    });
    assert!(format!("{coroutine:?}").contains("is_started: false"));
    assert_eq!(coroutine.next(), Some(()));
    assert!(format!("{coroutine:?}").contains("is_started: true, is_done: false"));
    assert_eq!(coroutine.next(), None);
    assert!(format!("{coroutine:?}").contains("is_done: true"));
}
