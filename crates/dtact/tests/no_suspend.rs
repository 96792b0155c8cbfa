//! Regions in which nothing is suspended, and waits that could never end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::cell::Cell;

use common::{bounded, each_runtime, stackful};
use dtact::{
    JoinError, JoinHandle, WaitExt as _, blocking, no_suspend, spawn, spawn_local,
    spawn_with_stack, wait, yield_now,
};

thread_local!(static SCOPED: Cell<u32> = const { Cell::new(0) });

/// What a crate of scoped thread-locals does, without its undefined behaviour.
fn in_scope(value: u32, body: impl FnOnce()) {
    let old = SCOPED.replace(value);
    body();
    assert_eq!(SCOPED.replace(old), value, "somebody else was here");
}

#[test]
fn no_other_fiber_runs_on_the_thread_of_a_region() {
    bounded(|| {
        each_runtime(|runtime| {
            let fibers: Vec<_> = (1..=12)
                .map(|value| {
                    runtime.spawn_with_stack("64K", move || {
                        no_suspend(|| {
                            assert_eq!(SCOPED.get(), 0);
                            in_scope(value, || {
                                let other = spawn_with_stack("64K", || {
                                    wait(yield_now());
                                    SCOPED.get()
                                });
                                assert_eq!(other.wait().unwrap(), 0);
                                // Nested, and left by a panic.
                                no_suspend(|| wait(yield_now()));
                                let caught =
                                    std::panic::catch_unwind(|| no_suspend(|| panic!("out")));
                                assert!(caught.is_err());
                                wait(yield_now());
                            });
                        });
                        // Suspended again, where that is on.
                        wait(yield_now());
                    })
                })
                .collect();
            for fiber in fibers {
                fiber.wait().unwrap();
            }
        });
        // Outside of fibers it changes nothing.
        assert_eq!(no_suspend(|| wait(async { 7 })), 7);
    });
}

#[test]
fn a_region_blocks_and_the_rest_suspends() {
    bounded(|| {
        let runtime = stackful().workers(1).build().unwrap();
        let fiber = runtime.spawn(async {
            let _: u32 = no_suspend(|| spawn(async { 1 }).wait()).unwrap();
            let _: u32 = spawn(async { 2 }).wait().unwrap();
        });
        fiber.wait().unwrap();
        let metrics = runtime.metrics();
        assert_eq!(metrics.blocked_waits, 1, "{metrics:?}");
        assert_eq!(metrics.stackful_suspensions, 1, "{metrics:?}");
    });
}

/// The program of `docs/soundness.md` that is undefined behaviour, found and made harmless.
#[cfg(debug_assertions)]
#[test]
fn a_wait_in_the_initialiser_of_a_thread_local_blocks_the_thread_in_debug_builds() {
    thread_local! {
        static IS_FIRST: Cell<bool> = const { Cell::new(true) };
        static NAME: String = {
            if IS_FIRST.replace(false) {
                spawn(yield_now()).wait().unwrap();
            }
            String::from("a name that lies on the heap")
        };
    }
    fn name() -> String {
        NAME.with(|name| {
            let text: &str = name;
            wait(yield_now());
            text.to_owned()
        })
    }
    bounded(|| {
        let runtime = stackful().workers(1).build().unwrap();
        let fibers: Vec<_> = (0..4)
            .map(|_| runtime.spawn_with_stack("64K", name))
            .collect();
        for fiber in fibers {
            assert_eq!(fiber.wait().unwrap(), "a name that lies on the heap");
        }
        assert!(
            runtime.metrics().blocked_waits >= 1,
            "its thread was blocked"
        );
    });
}

#[test]
fn waiting_for_oneself_is_an_error_and_not_a_hang() {
    bounded(|| {
        each_runtime(|runtime| {
            let (sender, receiver) = async_channel::bounded::<JoinHandle<bool>>(1);
            let own = runtime.spawn(async move {
                let own = receiver.recv().await.unwrap();
                matches!(own.wait(), Err(JoinError::Deadlock))
            });
            let id = own.id().unwrap();
            sender.try_send(own).unwrap();
            id.wait();
            let (sender, receiver) = async_channel::bounded::<JoinHandle<()>>(1);
            let (told, outcome) = async_channel::bounded(1);
            let own = runtime.spawn(async move {
                let own = receiver.recv().await.unwrap();
                told.try_send(own.await).unwrap();
            });
            sender.try_send(own).unwrap();
            let awaited = outcome.recv().wait().unwrap();
            assert!(matches!(awaited, Err(JoinError::Deadlock)));
        });
    });
}

#[test]
fn blocking_the_thread_that_another_needs_is_an_error_and_not_a_hang() {
    bounded(|| {
        each_runtime(|runtime| {
            let is_told = runtime.spawn(async {
                let in_region = no_suspend(|| spawn_local(async { 1 }).wait());
                let blocked = spawn_local(async { 2 });
                let blocked = blocking(|| blocked.wait());
                let awaited = spawn_local(async { 3 }).await.unwrap();
                (in_region, blocked, awaited)
            });
            let (in_region, blocked, awaited) = is_told.wait().unwrap();
            assert!(matches!(in_region, Err(JoinError::Deadlock)));
            assert!(matches!(blocked, Err(JoinError::Deadlock)));
            assert!(blocked.unwrap_err().to_string().contains("await it"));
            assert_eq!(awaited, 3);
        });
    });
}
