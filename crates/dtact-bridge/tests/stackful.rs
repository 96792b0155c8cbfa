//! Stackful suspension, small enough for Miri: there a thread stands in for each stack, so that the
//! worker's loop, what it leaves and what it abandons are checked for aliasing and for races.

#![allow(unsafe_code, reason = "switches stackful suspension on")]

use std::{
    future::{pending, poll_fn},
    mem::ManuallyDrop,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use dtact_bridge::{
    Builder, Runtime, SameThreadFloat, spawn, spawn_with, spawn_with_stack, time::timeout, wait,
    yield_now,
};

fn runtime(workers: usize) -> Runtime {
    // SAFETY: nothing here waits within a thread-local's initialiser or a scoped thread-local.
    let builder = unsafe { Builder::new().enable_stackful() };
    builder
        .workers(workers)
        .fibers(64)
        .stacks(16)
        .stack("64K")
        .build()
        .expect("it starts")
}

/// Counts its drops.
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn sum_tree(depth: u32) -> u64 {
    if depth == 0 {
        return 1;
    }
    let left = spawn_with_stack("64K", move || sum_tree(depth - 1));
    let right = spawn(async move { wait(poll_fn(move |_| Poll::Ready(sum_tree(depth - 1)))) });
    left.wait().expect("it does not panic") + right.wait().expect("it does not panic")
}

#[test]
fn a_recursion_suspends_in_its_depth() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let sum = runtime.spawn(async { sum_tree(2) });
        assert_eq!(sum.wait().expect("it does not panic"), 4);
    }
}

#[test]
fn what_a_fiber_holds_across_a_wait_is_there_afterwards() {
    let runtime = runtime(2);
    let fibers: Vec<_> = (0..4_u64)
        .map(|number| {
            runtime.spawn(async move {
                let shared = Rc::new(number);
                let other = Rc::clone(&shared);
                for _ in 0..3 {
                    wait(yield_now());
                }
                drop(other);
                Rc::into_inner(shared)
            })
        })
        .collect();
    for (number, fiber) in (0..).zip(fibers) {
        assert_eq!(fiber.wait().expect("it does not panic"), Some(number));
    }
}

#[test]
fn a_fiber_may_ask_for_a_larger_stack() {
    let runtime = runtime(1);
    let fiber = runtime.spawn(async {
        let larger = spawn_with_stack("256K", || {
            wait(yield_now());
            spawn_with_stack("64K", || 3).wait().expect("no panic") + 4
        });
        larger.wait().expect("no panic")
    });
    assert_eq!(fiber.wait().expect("no panic"), 7);
}

#[test]
fn a_panic_after_a_wait_reaches_the_joiner() {
    let runtime = runtime(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let token = Token(Arc::clone(&drops));
    let fiber = runtime.spawn(async move {
        let _token = token;
        wait(yield_now());
        std::panic::resume_unwind(Box::new(5_u8));
    });
    let error = fiber.wait().expect_err("it panics");
    assert!(!error.is_cancelled());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_fiber_cancelled_in_its_wait_unwinds() {
    let runtime = runtime(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let waiter = |drops: &Arc<AtomicUsize>| {
        let token = Token(Arc::clone(drops));
        runtime.spawn(async move {
            let _token = token;
            wait(pending::<()>());
        })
    };
    let (aborted, left) = (waiter(&drops), waiter(&drops));
    // Others run meanwhile, on other stacks.
    let other = runtime.spawn(async { wait(yield_now()) });
    other.wait().expect("it does not panic");
    aborted.abort();
    assert!(aborted.wait().unwrap_err().is_cancelled());
    drop(runtime);
    assert!(left.wait().unwrap_err().is_cancelled());
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

#[test]
fn a_worker_that_gets_to_run_late_has_a_stack_all_the_same() {
    let rounds = if cfg!(miri) { 2 } else { 300 };
    for _ in 0..rounds {
        let builder = Builder::new().workers(2).fibers(64).stacks(4);
        // SAFETY: the fibers hold nothing over their waits.
        let builder = unsafe { builder.stack_bytes(1 << 16).enable_stackful() };
        // Where this fails the runtime would never end.
        let runtime = ManuallyDrop::new(builder.build().expect("a small runtime"));
        // Each keeps a stack, as many as there are and more.
        let keepers: Vec<_> = (0..8)
            .map(|_| runtime.spawn_with_stack(1, || (0..8).for_each(|_| wait(yield_now()))))
            .collect();
        // By turns on one worker and the other.
        let pinned: Vec<_> = (0..4)
            .map(|n| {
                let builder = spawn_with().switcher::<SameThreadFloat>();
                let spawned = builder.try_spawn_fn_on(&runtime, move || n);
                spawned
                    .map_err(|refused| refused.error)
                    .expect("there is room")
            })
            .collect();
        for (n, handle) in pinned.into_iter().enumerate() {
            let end = wait(timeout(Duration::from_secs(30), handle)).expect("its worker runs");
            assert_eq!(end.expect("it returns"), n);
        }
        for keeper in keepers {
            keeper.wait().expect("it returns");
        }
        drop(ManuallyDrop::into_inner(runtime));
    }
}
