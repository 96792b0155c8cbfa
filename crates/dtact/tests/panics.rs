//! A panic stops at the fiber's root, is handed to the joiner, and harms nobody else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{Mutex, PoisonError},
};

use common::{DropCount, bounded, each_runtime, until};
use dtact::{JoinError, WaitExt as _, spawn, wait, yield_now};

/// A value whose destructor panics.
struct Explosive(&'static str);

impl Drop for Explosive {
    fn drop(&mut self) {
        panic_any(self.0);
    }
}

fn message<T: std::fmt::Debug>(joined: Result<T, JoinError>) -> String {
    let error = joined.expect_err("it panicked");
    assert!(error.is_panic() && !error.is_cancelled());
    error.panic_message().expect("it has a message").to_owned()
}

#[test]
fn a_panic_in_a_poll_reaches_the_joiner_and_destructors_run_once() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let token = drops.token();
            let handle = runtime.spawn(async move {
                let _token = token;
                yield_now().await;
                let number = 7;
                panic!("in a poll, number {number}");
            });
            assert_eq!(message(handle.wait()), "in a poll, number 7");
            assert_eq!(drops.count(), 1);
            assert_eq!(
                runtime.spawn(async { 1 }).wait().unwrap(),
                1,
                "the worker lives"
            );
        });
    });
}

#[test]
fn a_panic_in_a_closure_fiber_reaches_the_joiner() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let token = drops.token();
            let handle = runtime.spawn_with_stack("128K", move || {
                let _token = token;
                wait(yield_now());
                wait(async { panic!("in a closure") });
            });
            assert_eq!(message(handle.wait()), "in a closure");
            assert_eq!(drops.count(), 1);
        });
    });
}

#[test]
fn a_payload_of_any_type_comes_through() {
    bounded(|| {
        each_runtime(|runtime| {
            let error = runtime
                .spawn(async { panic_any(vec![1, 2, 3]) })
                .wait()
                .unwrap_err();
            assert_eq!(error.panic_message(), None);
            let payload = error.try_into_panic().expect("it panicked");
            assert_eq!(payload.downcast_ref::<Vec<i32>>(), Some(&vec![1, 2, 3]));
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_a_future_reaches_the_joiner() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let token = drops.token();
            let explosive = Explosive("a captured value");
            let handle = runtime.spawn(std::future::poll_fn(move |_| {
                // The captured values live until the future is dropped, after its last poll.
                let _keep = (&token, &explosive);
                std::task::Poll::Ready(5)
            }));
            assert_eq!(message(handle.wait()), "a captured value");
            assert_eq!(drops.count(), 1);
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_a_value_nobody_joins_ends_there() {
    bounded(|| {
        each_runtime(|runtime| {
            drop(runtime.spawn(async { Explosive("a value nobody wants") }));
            until("the fiber has ended", || runtime.metrics().finished == 1);
            assert_eq!(
                runtime.spawn(async { 1 }).wait().unwrap(),
                1,
                "the worker lives"
            );
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_a_payload_ends_there() {
    bounded(|| {
        each_runtime(|runtime| {
            drop(runtime.spawn(async { panic_any(Explosive("a payload nobody wants")) }));
            until("the fiber has ended", || runtime.metrics().finished == 1);
            assert_eq!(
                runtime.spawn(async { 1 }).wait().unwrap(),
                1,
                "the worker lives"
            );
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_future_reaches_the_joiner() {
    bounded(|| {
        each_runtime(|runtime| {
            let (started, begin) = async_channel::bounded(1);
            let handle = runtime.spawn(async move {
                let _explosive = Explosive("while it is cancelled");
                started.send(()).await.unwrap();
                std::future::pending::<()>().await;
            });
            begin.recv().wait().unwrap();
            handle.abort();
            assert_eq!(message(handle.wait()), "while it is cancelled");
        });
    });
}

#[test]
fn a_panic_caught_inside_of_a_fiber_is_its_own_affair() {
    bounded(|| {
        each_runtime(|runtime| {
            let handle = runtime.spawn_with_stack("128K", || {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    wait(yield_now());
                    panic!("caught");
                }));
                wait(yield_now());
                caught.is_err()
            });
            assert!(handle.wait().unwrap());
        });
    });
}

#[test]
fn waiting_in_a_destructor_while_unwinding_blocks_the_thread_and_poisons_nobody() {
    /// Waits for another fiber of the same runtime while its thread panics.
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            let other = spawn(async {
                yield_now().await;
                assert!(!std::thread::panicking(), "the panic is another fiber's");
                3
            });
            assert_eq!(other.wait().unwrap(), 3);
        }
    }
    bounded(|| {
        each_runtime(|runtime| {
            let handle = runtime.spawn_with_stack("256K", || {
                let _waits = Waits;
                panic!("with a destructor that waits");
            });
            let lock = Mutex::new(());
            assert_eq!(message(handle.wait()), "with a destructor that waits");
            drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
            assert!(!lock.is_poisoned());
        });
    });
}

#[expect(
    clippy::needless_collect,
    reason = "all are spawned before the first is joined"
)]
#[test]
fn many_fibers_panic_at_once_and_all_are_told_apart() {
    bounded(|| {
        each_runtime(|runtime| {
            let handles: Vec<_> = (0..200)
                .map(|index| {
                    runtime.spawn(async move {
                        yield_now().await;
                        assert!(index % 2 == 0, "{index}");
                        index
                    })
                })
                .collect();
            for (index, handle) in handles.into_iter().enumerate() {
                match handle.wait() {
                    Ok(value) => assert_eq!(value, index),
                    Err(error) => assert_eq!(error.panic_message(), Some(&*index.to_string())),
                }
            }
        });
    });
}
