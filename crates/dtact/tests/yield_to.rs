//! Yielding, and yielding to a certain fiber, from both kinds of code.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{bounded, each_runtime, stackful};
use dtact::{
    Builder, FiberId, Runtime, TopologyMode, dtact_handle_t, fiber, scope, spawn, spawn_local,
    spawn_with, spawn_with_stack, yield_now, yield_to, yield_to_async, yield_to_sync,
};

type Log = Arc<Mutex<Vec<u32>>>;

fn alone(builder: Builder) -> Runtime {
    builder.workers(1).stack("64K").build().unwrap()
}

fn note(log: &Log, number: u32) {
    log.lock().unwrap().push(number);
}

#[test]
fn the_fiber_that_is_yielded_to_runs_before_all_others() {
    bounded(|| {
        let runtime = alone(Builder::new());
        let log = Log::default();
        let inner = Arc::clone(&log);
        let all = runtime.spawn(async move {
            let handles: Vec<_> = (0..6)
                .map(|number| {
                    let log = Arc::clone(&inner);
                    spawn(async move { note(&log, number) })
                })
                .collect();
            yield_to_async(&handles[4]).await;
            // By number, as C has it; there is no such fiber.
            yield_to(dtact_handle_t::from_raw(7)).await;
            for handle in handles {
                handle.await.unwrap();
            }
        });
        all.wait().unwrap();
        assert_eq!(*log.lock().unwrap(), [4, 0, 1, 2, 3, 5]);
    });
}

#[test]
fn stackful_code_yields_to_fibers_of_each_kind() {
    bounded(|| {
        let runtime = alone(stackful());
        let log = Log::default();
        let all = runtime.spawn_with_stack("64K", move || {
            let other = || {
                let log = Arc::clone(&log);
                move |number| note(&log, number)
            };
            let (a, b, c, d) = (other(), other(), other(), other());
            let first = spawn(async move { a(0) });
            let closure = spawn_with_stack("64K", move || {
                b(1);
                fiber::yield_now();
                b(11);
            });
            let local = spawn_local(async move { c(2) });
            let last = spawn(async move { d(3) });
            fiber::yield_to(&local);
            assert_eq!(log.lock().unwrap()[0], 2);
            log.lock().unwrap().clear();
            yield_to_sync(&closure);
            // Either it has begun now, or it goes on: suspended with frames on its stack, it waits
            // on this worker alone.
            assert!([1, 11].contains(&log.lock().unwrap()[0]));
            first.wait().unwrap();
            last.wait().unwrap();
            closure.wait().unwrap();
            local.wait().unwrap();
        });
        all.wait().unwrap();
    });
}

#[test]
fn two_that_yield_to_each_other_starve_nobody() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = alone(builder);
            let stop = Arc::new(AtomicBool::new(false));
            let all = runtime.spawn(async move {
                let (give, take) = async_channel::bounded::<FiberId>(1);
                let is_over = Arc::clone(&stop);
                let first = spawn(async move {
                    let other = take.recv().await.unwrap();
                    while !is_over.load(Ordering::Relaxed) {
                        yield_to(other).await;
                    }
                });
                let (other, is_over) = (first.id().unwrap(), Arc::clone(&stop));
                let second = spawn_with_stack("64K", move || {
                    while !is_over.load(Ordering::Relaxed) {
                        fiber::yield_to(other);
                    }
                });
                give.send(second.id().unwrap()).await.unwrap();
                for _ in 0..1000 {
                    yield_now().await;
                }
                stop.store(true, Ordering::Relaxed);
                first.await.unwrap();
                second.await.unwrap();
            });
            all.wait().unwrap();
        }
    });
}

#[test]
fn it_is_an_ordinary_yield_where_the_other_cannot_be_made_next() {
    bounded(|| {
        let elsewhere = alone(Builder::new());
        let far = elsewhere.spawn(pending::<()>());
        let far_id = far.id().unwrap();
        each_runtime(|runtime| {
            let ended = runtime.spawn(async {});
            let ended_id = ended.id().unwrap();
            ended.wait().unwrap();
            let body = move || async move {
                let ran = Arc::new(AtomicBool::new(false));
                let parked = spawn(pending::<()>());
                let seen = Arc::clone(&ran);
                let other = spawn(async move { seen.store(true, Ordering::Relaxed) });
                for _ in 0..100 {
                    yield_to(&parked).await;
                    yield_to(ended_id).await;
                    yield_to(far_id).await;
                    yield_to(FiberId::current().unwrap()).await;
                }
                other.await.unwrap();
                assert!(ran.load(Ordering::Relaxed));
                parked.abort();
            };
            runtime.spawn(body()).wait().unwrap();
            let closure = runtime.spawn_with_stack("64K", move || {
                for _ in 0..10 {
                    fiber::yield_to(ended_id);
                    fiber::yield_to(far_id);
                    fiber::yield_to(FiberId::current().unwrap());
                    fiber::yield_now();
                }
            });
            closure.wait().unwrap();
            // Outside of a fiber.
            fiber::yield_now();
            fiber::yield_to(far_id);
            runtime.block_on(yield_to(far_id));
        });
        far.abort();
    });
}

#[test]
fn fibers_that_borrow_can_be_yielded_to() {
    bounded(|| {
        let runtime = alone(Builder::new());
        let all = runtime.spawn(async {
            let log = Mutex::new(Vec::new());
            scope(|scope| {
                let first = scope.spawn(async { log.lock().unwrap().push(1) });
                let second = scope.spawn(async { log.lock().unwrap().push(2) });
                fiber::yield_to(&second);
                drop((first, second));
            });
            log.into_inner().unwrap().len()
        });
        assert_eq!(all.wait().unwrap(), 2);
    });
}

#[test]
fn many_fibers_on_many_workers_that_yield_to_each_other_all_end() {
    bounded(|| {
        each_runtime(|runtime| {
            let (give, take) = async_channel::bounded::<Arc<Vec<FiberId>>>(32);
            let handles: Vec<_> = (0..32_usize)
                .map(|number| {
                    let take = take.clone();
                    runtime.spawn(async move {
                        let all = take.recv().await.unwrap();
                        for step in 0..200 {
                            yield_to(all[(number * 7 + step) % all.len()]).await;
                        }
                    })
                })
                .collect();
            let all: Arc<Vec<_>> =
                Arc::new(handles.iter().map(|handle| handle.id().unwrap()).collect());
            for _ in 0..32 {
                give.send_blocking(Arc::clone(&all)).unwrap();
            }
            for handle in handles {
                handle.wait().unwrap();
            }
        });
    });
}

#[test]
fn a_cancelled_fiber_unwinds_from_a_yield_of_its_stack() {
    bounded(|| {
        let runtime = alone(stackful());
        let endless = runtime.spawn_with_stack("64K", || {
            loop {
                fiber::yield_now();
            }
        });
        endless.abort();
        assert!(endless.wait().unwrap_err().is_cancelled());
        runtime.shutdown(Duration::from_secs(10)).unwrap();
    });
}

#[test]
fn of_one_fiber_the_mode_says_who_runs_it_and_in_what_order() {
    bounded(|| {
        let order = |mode| {
            let runtime = alone(Builder::new());
            let log = Log::default();
            let inner = Arc::clone(&log);
            let all = runtime.spawn(async move {
                let (wake, woken) = async_channel::bounded::<()>(1);
                let log = Arc::clone(&inner);
                let first = spawn_with().topology_mode(mode).spawn(async move {
                    woken.recv().await.unwrap();
                    note(&log, 1);
                });
                for _ in 0..100 {
                    yield_now().await;
                }
                let second = spawn(async move { note(&inner, 2) });
                wake.try_send(()).unwrap();
                first.await.unwrap();
                second.await.unwrap();
            });
            all.wait().unwrap();
            let log = log.lock().unwrap();
            log.clone()
        };
        assert_eq!(order(TopologyMode::P2PMesh), [1, 2]);
        assert_eq!(order(TopologyMode::Global), [2, 1]);
        // It stays where it is, in the queue of those that do, which takes turns with the others.
        assert_eq!(order(TopologyMode::Pinned).len(), 2);
    });
}
