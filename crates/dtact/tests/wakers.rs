//! Wakers name a fiber by cell and generation: a stale one does nothing, whatever has become of
//! the cell or the runtime.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use common::{DropCount, bounded, each_runtime, stackful};
use dtact::{Builder, Runtime, WaitExt as _, wait, yield_now};

/// The waker of a fiber that has ended.
fn stale_waker(runtime: &Runtime) -> Waker {
    let waker = runtime.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    waker.wait().expect("it does not panic")
}

#[test]
fn a_stale_waker_woken_a_million_times_wakes_none_of_the_fibers_that_use_its_cell() {
    /// Counts how often it is polled, and is never ready before it is told.
    struct Polled(Arc<AtomicUsize>, Arc<AtomicBool>);
    impl Future for Polled {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if self.1.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }
    bounded(|| {
        // One cell of the size: every fiber here uses the same.
        let runtime = Builder::new()
            .workers(2)
            .fibers(1)
            .stack("64K")
            .build()
            .unwrap();
        let waker = stale_waker(&runtime);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let waking = scope.spawn(|| {
                for _ in 0..1_000_000 {
                    waker.wake_by_ref();
                }
                stop.store(true, Ordering::Relaxed);
            });
            while !stop.load(Ordering::Relaxed) {
                let (polls, end) = (
                    Arc::new(AtomicUsize::new(0)),
                    Arc::new(AtomicBool::new(false)),
                );
                let fiber = runtime.spawn(Polled(polls.clone(), end.clone()));
                common::until("it is parked", || {
                    runtime.dump().fibers()[0].status() == dtact::FiberStatus::Parked
                });
                assert_eq!(polls.load(Ordering::Relaxed), 1, "woken by a stale waker");
                fiber.abort();
                assert!(fiber.wait().unwrap_err().is_cancelled());
                assert_eq!(polls.load(Ordering::Relaxed), 1);
            }
            waking.join().unwrap();
        });
    });
}

#[test]
fn stale_wakers_race_with_reuse_and_harm_nothing() {
    bounded(|| {
        let runtime = Builder::new()
            .workers(2)
            .fibers(64)
            .stack("64K")
            .build()
            .unwrap();
        let wakers: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for waker in wakers.lock().unwrap().iter() {
                        waker.wake_by_ref();
                    }
                }
            });
            for round in 0..2_000 {
                let value = runtime.spawn(async move {
                    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                    yield_now().await;
                    (waker, round)
                });
                let (waker, back) = value.wait().unwrap();
                assert_eq!(back, round);
                let mut wakers = wakers.lock().unwrap();
                if wakers.len() == 100 {
                    wakers.clear();
                }
                wakers.push(waker);
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn wakers_outlive_their_runtime_and_its_successors() {
    bounded(|| {
        let mut wakers = Vec::new();
        for _ in 0..20 {
            let runtime = Builder::new()
                .workers(1)
                .fibers(8)
                .stack("64K")
                .build()
                .unwrap();
            wakers.push(stale_waker(&runtime));
            for waker in &wakers {
                waker.wake_by_ref();
                let copy = waker.clone();
                copy.wake();
            }
            assert_eq!(runtime.spawn(async { 5 }).wait().unwrap(), 5);
        }
        for waker in wakers {
            waker.wake();
        }
    });
}

#[test]
fn handles_outlive_their_runtime_and_keep_what_it_returned() {
    bounded(|| {
        let drops = DropCount::default();
        let (done, dropped, parked) = {
            let runtime = Builder::new().workers(1).stack("64K").build().unwrap();
            let done = runtime.spawn(async { "kept".to_owned() });
            let token = drops.token();
            let dropped = runtime.spawn(async move { token });
            let parked = runtime.spawn(pending::<()>());
            common::until("both have ended", || runtime.metrics().finished == 2);
            (done, dropped, parked)
        };
        assert!(done.is_finished() && parked.is_finished());
        assert_eq!(done.wait().unwrap(), "kept");
        assert_eq!(drops.count(), 0);
        drop(dropped);
        assert_eq!(drops.count(), 1);
        parked.abort();
        assert!(parked.wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_fiber_woken_during_its_poll_is_polled_again() {
    bounded(|| {
        each_runtime(|runtime| {
            let handle = runtime.spawn(async {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    if polls < 1_000 {
                        Poll::Pending
                    } else {
                        Poll::Ready(polls)
                    }
                })
                .await
            });
            assert_eq!(handle.wait().unwrap(), 1_000);
        });
    });
}

#[test]
fn wakes_from_foreign_threads_are_never_lost() {
    bounded(|| {
        each_runtime(|runtime| {
            let (ping, pinged) = async_channel::bounded::<u32>(1);
            let (pong, ponged) = async_channel::bounded::<u32>(1);
            let echo = runtime.spawn(async move {
                while let Ok(value) = pinged.recv().await {
                    pong.send(value).await.unwrap();
                }
            });
            for value in 0..2_000 {
                ping.send(value).wait().unwrap();
                assert_eq!(ponged.recv().wait().unwrap(), value);
            }
            drop(ping);
            echo.wait().unwrap();
        });
    });
}

#[test]
fn a_fiber_suspended_on_a_stack_is_woken_by_any_thread() {
    bounded(|| {
        let runtime = stackful().workers(2).stack("64K").build().unwrap();
        let (ping, pinged) = async_channel::bounded::<u32>(1);
        let (pong, ponged) = async_channel::bounded::<u32>(1);
        let echo = runtime.spawn_with_stack("64K", move || {
            let thread = thread::current().id();
            while let Ok(value) = wait(pinged.recv()) {
                assert_eq!(thread::current().id(), thread, "it stays on its thread");
                wait(pong.send(value)).unwrap();
            }
        });
        for value in 0..2_000 {
            ping.send(value).wait().unwrap();
            assert_eq!(ponged.recv().wait().unwrap(), value);
        }
        drop(ping);
        echo.wait().unwrap();
        let metrics = runtime.metrics();
        assert!(
            metrics.stackful_suspensions > 0 && metrics.blocked_waits == 0,
            "{metrics:?}"
        );
    });
}
