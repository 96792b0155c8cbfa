//! A coroutine on a recycled stack never asks the allocator for anything. What a tool is told is
//! kept on the heap.
#![cfg(all(
    not(any(miri, dtact_asan, dtact_tsan, dtact_valgrind)),
    feature = "std"
))]
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and wraps the allocator"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dtact_switch::{Coroutine, GuardedStack, Stackful};

// SAFETY: the body suspends outside of the thread-local below, and the coroutine is not kept in it.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

thread_local! {
    /// The allocations of this thread; the harness of the tests makes its own on another.
    static ALLOCATION_COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts.
struct Counting;

// SAFETY: all is passed on to the system's allocator; what is counted needs no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.set(ALLOCATION_COUNT.get() + 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_coroutine_lives_and_ends_without_an_allocation() {
    let mut stack = GuardedStack::new(64 * 1024).expect("room for a stack");
    let before = ALLOCATION_COUNT.get();
    let mut sum = 0;
    for number in 0..1000_usize {
        let captured = [number; 32];
        let mut coroutine = Coroutine::with_stack(STACKFUL, stack, move |yielder, ()| {
            for value in captured {
                yielder.suspend([value; 16]);
            }
        });
        for values in coroutine.by_ref() {
            sum += values[0];
        }
        stack = coroutine.into_stack();
    }
    assert_eq!(ALLOCATION_COUNT.get(), before);
    assert_eq!(sum, 32 * 999 * 1000 / 2);
    drop(Box::new(sum));
    assert!(ALLOCATION_COUNT.get() > before, "the count counts");
}
