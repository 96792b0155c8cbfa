//! Fibers that find something ready again and again let the others have their turn.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{bounded, each_runtime, stackful};
use dtact::{
    Builder, JoinHandle, Runtime, consume_budget, no_suspend, spawn, spawn_with_stack,
    time::{interval, now, sleep_until, timeout},
    wait, yield_now,
};

/// What ends the loops: it is set by a fiber that runs only if they let it.
type Stop = Arc<AtomicBool>;

/// Runs, on one worker, a fiber that loops until another one has had its turn.
fn looping<F: Future<Output = ()> + Send + 'static>(
    runtime: &Runtime,
    body: impl FnOnce(Stop) -> F,
) {
    let stop = Stop::default();
    let looping = runtime.spawn(body(Arc::clone(&stop)));
    let other = runtime.spawn(async move { stop.store(true, Ordering::SeqCst) });
    looping.wait().unwrap();
    other.wait().unwrap();
}

fn on_one_worker(mut body: impl FnMut(&Runtime)) {
    for builder in [Builder::new(), stackful()] {
        body(&builder.workers(1).stack("64K").build().unwrap());
    }
}

/// Handles of fibers that have ended, as many as one wants.
async fn ended() -> JoinHandle<u32> {
    let handle = spawn(async { 1 });
    while !handle.is_finished() {
        yield_now().await;
    }
    handle
}

#[test]
fn a_loop_over_what_is_ready_lets_another_fiber_run() {
    bounded(|| {
        on_one_worker(|runtime| {
            // No `yield_now` stands in these loops.
            looping(runtime, |stop| async move {
                while !stop.load(Ordering::SeqCst) {
                    consume_budget().await;
                }
            });
            looping(runtime, |stop| async move {
                let past = now();
                while !stop.load(Ordering::SeqCst) {
                    sleep_until(past).await;
                }
            });
            looping(runtime, |stop| async move {
                // Always late.
                let mut ticks = interval(Duration::from_nanos(1));
                while !stop.load(Ordering::SeqCst) {
                    ticks.tick().await;
                }
            });
            looping(runtime, |stop| async move {
                while !stop.load(Ordering::SeqCst) {
                    let over = timeout(Duration::ZERO, std::future::pending::<()>());
                    assert!(over.await.is_err());
                }
            });
            looping(runtime, |stop| async move {
                let id = ended().await.id().unwrap();
                while !stop.load(Ordering::SeqCst) {
                    id.ended().await;
                }
            });
        });
    });
}

#[test]
fn a_loop_of_waits_that_need_not_wait_lets_another_fiber_run() {
    bounded(|| {
        on_one_worker(|runtime| {
            looping(runtime, |stop| async move {
                let past = now();
                while !stop.load(Ordering::SeqCst) {
                    wait(sleep_until(past));
                }
            });
        });
    });
}

#[test]
fn more_handles_than_the_budget_are_joined_in_order_and_others_run_between() {
    bounded(|| {
        on_one_worker(|runtime| {
            let joined = runtime.spawn(async {
                let mut handles = Vec::new();
                for _ in 0..1_000 {
                    handles.push(ended().await);
                }
                let had_turn = Arc::new(AtomicBool::new(false));
                let told = Arc::clone(&had_turn);
                let other = spawn(async move { told.store(true, Ordering::SeqCst) });
                let mut before = 0;
                let mut sum = 0;
                for handle in handles {
                    before += u32::from(!had_turn.load(Ordering::SeqCst));
                    sum += handle.await.unwrap();
                }
                other.await.unwrap();
                (sum, before)
            });
            let (sum, before) = joined.wait().unwrap();
            assert_eq!(sum, 1_000);
            assert!(before <= 129, "{before} before the other had its turn");
        });
    });
}

/// An executor of a few lines, as a library might have one: it polls until there is a value.
fn spin<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

#[test]
fn an_executor_within_a_fiber_gets_to_its_end() {
    bounded(|| {
        each_runtime(|runtime| {
            let fiber = runtime.spawn(async {
                spin(async {
                    for _ in 0..10_000 {
                        consume_budget().await;
                    }
                });
                no_suspend(|| {
                    wait(async {
                        for _ in 0..10_000 {
                            consume_budget().await;
                        }
                    });
                });
            });
            fiber.wait().unwrap();
            runtime.block_on(async {
                for _ in 0..10_000 {
                    consume_budget().await;
                }
            });
        });
    });
}

/// A future that is polled beside one that waits: what the first has asked for is not forgotten.
#[test]
fn a_yield_before_a_wait_in_the_same_poll_is_not_lost() {
    bounded(|| {
        each_runtime(|runtime| {
            let yields = runtime.spawn(async {
                let mut first: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(yield_now());
                poll_fn(|cx| {
                    if first.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    wait(spawn(yield_now())).unwrap();
                    wait(spawn_with_stack("64K", || wait(yield_now()))).unwrap();
                    Poll::Pending
                })
                .await;
            });
            yields.wait().unwrap();
        });
    });
}
