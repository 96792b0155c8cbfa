//! The stacks of coroutines: sizes, guards, reuse, and bodies that do not fit.
#![cfg(all(not(miri), feature = "std"))]
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and vouches for one"
)]

#[path = "support/child.rs"]
mod child;

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::rc::Rc;

use dtact_switch::{
    Context, Coroutine, CoroutineResult, GuardedStack, Stack, StackError, Stackful, Yielder,
};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

fn bytes_of(stack: &impl Stack) -> usize {
    stack.top().addr().get() - stack.bottom().addr().get()
}

#[test]
fn a_guarded_stack_is_aligned_and_as_large_as_asked_for() {
    for bytes in [1, 4095, 4096, 4097, 100_000, GuardedStack::BYTES_DEFAULT] {
        let stack = GuardedStack::new(bytes).expect("room for a stack");
        assert!(
            stack
                .top()
                .addr()
                .get()
                .is_multiple_of(Context::STACK_ALIGN)
        );
        assert!(
            (bytes..bytes + 65_536).contains(&bytes_of(&stack)),
            "{bytes}"
        );
        // SAFETY: the lowest usable byte of a stack that nothing runs on.
        unsafe { stack.bottom().write(1) };
    }
}

#[test]
fn sizes_that_cannot_be_are_errors_that_say_so() {
    let error = |bytes| GuardedStack::new(bytes).expect_err("refused");
    assert_eq!(error(0), StackError::Zero);
    assert!(error(0).to_string().contains("at least one page"));
    for bytes in [usize::MAX, isize::MAX.unsigned_abs()] {
        assert_eq!(error(bytes), StackError::TooLarge { bytes });
        assert!(error(bytes).to_string().contains("too large"));
    }
    // More than the lower half of any address space of today, page tables of five levels included.
    let refused = error(1 << 62);
    assert!(matches!(refused, StackError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().contains("the system refused"));
}

#[test]
fn a_hundred_thousand_coroutines_run_on_one_recycled_stack() {
    const COROUTINES: u64 = if cfg!(dtact_valgrind) { 1_000 } else { 100_000 };
    let mut stack = GuardedStack::new(64 * 1024).expect("room for a stack");
    let top = stack.top();
    let mut sum = 0;
    for number in 0..COROUTINES {
        let mut coroutine = Coroutine::with_stack(STACKFUL, stack, move |yielder, input: u64| {
            yielder.suspend(number) + input
        });
        sum += coroutine.resume(1).into_yield().expect("suspended");
        sum += coroutine.resume(2).into_return().expect("returned");
        stack = coroutine.into_stack();
        assert_eq!(stack.top(), top);
    }
    assert_eq!(sum, COROUTINES * (COROUTINES - 1) / 2 + 3 * COROUTINES);
}

#[test]
fn stacks_are_recycled_after_a_panic_and_after_unwinding() {
    let stack = GuardedStack::new(256 * 1024).expect("room for a stack");
    let mut panics = Coroutine::with_stack(STACKFUL, stack, |_: &Yielder<(), ()>, ()| {
        panic::resume_unwind(Box::new("a panic"));
    });
    let caught = panic::catch_unwind(AssertUnwindSafe(|| panics.next()));
    assert!(caught.is_err());
    let mut suspends = Coroutine::with_stack(STACKFUL, panics.into_stack(), |yielder, ()| {
        yielder.suspend(1);
    });
    assert_eq!(suspends.next(), Some(1));
    suspends.force_unwind();
    suspends.force_unwind();
    let fresh = Coroutine::with_stack(STACKFUL, suspends.into_stack(), |yielder, ()| {
        yielder.suspend(2);
    });
    assert!(fresh.eq([2]));
}

#[test]
fn the_stack_of_a_coroutine_that_is_not_finished_stays_where_it_is() {
    let dropped = Rc::new(Cell::new(0));
    let inside = Rc::clone(&dropped);
    let stack = GuardedStack::new(256 * 1024).expect("room for a stack");
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack, move |yielder, ()| {
        struct OnDrop(Rc<Cell<i32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(1);
            }
        }
        let _on_drop = OnDrop(inside);
        yielder.suspend(());
    });
    assert_eq!(coroutine.next(), Some(()));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| coroutine.into_stack()));
    assert!(caught.is_err());
    assert_eq!(dropped.get(), 1, "unwound, not torn away");
}

#[test]
fn a_stack_may_be_lent_for_ever() {
    let stack = GuardedStack::new(64 * 1024).expect("room for a stack");
    let lent: &'static mut GuardedStack = Box::leak(Box::new(stack));
    let (top, bottom) = (lent.top(), lent.bottom());
    let mut coroutine = Coroutine::with_stack(STACKFUL, lent, |_: &Yielder<(), ()>, ()| 1);
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(1));
    let back = coroutine.into_stack();
    assert_eq!((back.top(), back.bottom()), (top, bottom));
}

#[test]
fn a_body_that_does_not_fit_is_dropped_with_its_stack() {
    struct Dropped(Rc<Cell<i32>>, [u8; 16 * 1024]);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(i32::from(self.1[0]));
        }
    }
    let dropped = Rc::new(Cell::new(0));
    for bytes in [1, 16 * 1024] {
        dropped.set(0);
        let large = Dropped(Rc::clone(&dropped), [5; 16 * 1024]);
        let stack = GuardedStack::new(bytes).expect("room for a stack");
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            Coroutine::with_stack(STACKFUL, stack, move |_: &Yielder<(), ()>, ()| {
                drop(large);
            })
        }));
        let payload = caught.expect_err("it does not fit");
        let said = payload.downcast_ref::<String>().expect("a message");
        assert!(said.contains("leaves no room on its stack"), "{said}");
        assert_eq!(dropped.get(), 5);
    }
}

#[test]
fn a_body_finds_its_stack_aligned_whatever_it_captures() {
    #[repr(align(4096))]
    struct Page(u8);

    fn is_aligned<T>(value: &T) -> bool {
        (&raw const *value).addr().is_multiple_of(align_of::<T>())
    }
    let stack = || GuardedStack::new(256 * 1024).expect("room for a stack");
    let page = Page(1);
    let mut on_page = Coroutine::with_stack(STACKFUL, stack(), move |_: &Yielder<(), ()>, ()| {
        let local = 0_u128;
        assert!(is_aligned(&page) && is_aligned(black_box(&local)));
        page.0
    });
    assert_eq!(on_page.resume(()), CoroutineResult::Return(1));
    let odd = [1_u8; 13];
    let mut odd = Coroutine::with_stack(STACKFUL, stack(), move |_: &Yielder<(), ()>, ()| {
        let local = 0_u128;
        assert!(is_aligned(black_box(&local)));
        odd.len()
    });
    assert_eq!(odd.resume(()), CoroutineResult::Return(13));
}

/// A stack of a user's own: a part of another one, from which its first words are kept.
struct Lower(GuardedStack);

// SAFETY: the upper page is used by nobody; the rest of the contract is the inner stack's.
unsafe impl Stack for Lower {
    fn top(&self) -> NonNull<u8> {
        // SAFETY: inside the stack, which has more than one page.
        unsafe { self.0.top().byte_sub(4096) }
    }

    fn bottom(&self) -> NonNull<u8> {
        self.0.bottom()
    }
}

#[test]
fn a_coroutine_keeps_to_the_stack_that_it_was_given() {
    let lower = Lower(GuardedStack::new(256 * 1024).expect("room for a stack"));
    let (top, bottom) = (lower.top().addr().get(), lower.bottom().addr().get());
    let mut coroutine = Coroutine::with_stack(STACKFUL, lower, |yielder, ()| {
        let local = 0_u8;
        yielder.suspend((&raw const *black_box(&local)).addr());
    });
    let local = coroutine.next().expect("an address");
    // AddressSanitizer keeps locals elsewhere, to find their use after the function.
    assert!(cfg!(dtact_asan) || (bottom..top).contains(&local));
    assert_eq!(coroutine.next(), None);
    let above = coroutine.into_stack().0;
    for offset in 1..=4096 {
        // SAFETY: inside the stack, on which nothing runs.
        let place = unsafe { above.top().byte_sub(offset) };
        // SAFETY: as above; the mapping was made of zeroes.
        let byte = unsafe { place.read() };
        assert_eq!(byte, 0, "above the top");
    }
}

/// Uses about `bytes` of stack.
#[inline(never)]
fn dig(bytes: usize) -> usize {
    let frame = black_box([1_u8; 1024]);
    let deeper = bytes.saturating_sub(frame.len());
    if deeper == 0 {
        return 0;
    }
    dig(deeper) + usize::from(black_box(&frame)[0])
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_digs() {
    let Some(mode) = child::mode() else {
        return;
    };
    let bytes = if mode == "overflow" { 1 << 20 } else { 1 << 17 };
    let stack = GuardedStack::new(1 << 19).expect("room for a stack");
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack, move |_: &Yielder<(), ()>, ()| {
        dig(black_box(bytes))
    });
    let dug = coroutine.resume(()).into_return();
    assert!(dug > Some(0));
    std::process::exit(child::SURVIVED);
}

#[test]
fn an_overflow_meets_the_guard_and_less_does_not() {
    let run = |mode| child::run("child_that_digs", mode);
    let control = run("control");
    assert_eq!(control.status.code(), Some(child::SURVIVED), "{control:?}");
    let child = run("overflow");
    if cfg!(dtact_asan) {
        // The tool handles the signal, and knows what it means from the bounds that it was told.
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(said.contains("AddressSanitizer: stack-overflow"), "{said}");
        return;
    }
    assert!(child::was_ended(&child), "not by an exit: {child:?}");
    if cfg!(windows) {
        // Its handler runs on what the guard keeps for it.
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(said.contains("has overflowed its stack"), "{said}");
    }
}
