//! `spawn_local`: futures that are not `Send` live and die on their worker's thread.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::async_yields_async, reason = "handles are handed out")]

mod common;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    thread::{self, ThreadId},
};

use common::{DropCount, bounded, each_runtime};
use dtact::{
    JoinError, SpawnError, WaitExt as _, blocking, spawn, spawn_local, spawn_with, try_spawn_local,
    wait, yield_now,
};

/// Panics, and so ends the process in a destructor, if it is dropped on another thread.
struct Bound {
    thread: ThreadId,
    _rc: Rc<()>,
    _count: Option<common::DropToken>,
}

impl Bound {
    fn new(drops: &DropCount) -> Self {
        Self {
            thread: thread::current().id(),
            _rc: Rc::new(()),
            _count: Some(drops.token()),
        }
    }

    fn assert_here(&self) {
        assert_eq!(thread::current().id(), self.thread, "it left its thread");
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.assert_here();
    }
}

#[test]
fn a_local_future_never_leaves_its_thread_however_it_is_woken() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let parents: Vec<_> = (0..8)
                .map(|_| {
                    let drops = drops.clone();
                    runtime.spawn(async move {
                        let (sender, receiver) = async_channel::bounded::<u32>(1);
                        let local = spawn_local(async move {
                            let bound = Bound::new(&drops);
                            let mut sum = 0;
                            while let Ok(value) = receiver.recv().await {
                                bound.assert_here();
                                sum += value;
                                yield_now().await;
                                bound.assert_here();
                            }
                            sum
                        });
                        // Woken by fibers of any worker.
                        for value in 0..50 {
                            let sender = sender.clone();
                            spawn(async move { sender.send(value).await.unwrap() })
                                .await
                                .unwrap();
                        }
                        drop(sender);
                        local.await.unwrap()
                    })
                })
                .collect();
            for parent in parents {
                assert_eq!(parent.wait().unwrap(), 1225);
            }
            assert_eq!(drops.count(), 8);
        });
    });
}

#[test]
fn local_futures_are_dropped_on_their_thread_when_aborted_or_shut_down() {
    // Each round blocks threads, for which others are started: an emulator takes a second for that.
    let rounds = if common::emulated() { 4 } else { 20 };
    bounded(move || {
        for round in 0..rounds {
            each_runtime(|runtime| {
                let drops = DropCount::default();
                let spawner = {
                    let drops = drops.clone();
                    runtime.spawn(async move {
                        (0..4)
                            .map(|index| {
                                let drops = drops.clone();
                                spawn_local(async move {
                                    let _bound = Bound::new(&drops);
                                    if index % 2 == 0 {
                                        pending::<()>().await;
                                    } else {
                                        wait(pending::<()>());
                                    }
                                })
                            })
                            .collect::<Vec<_>>()
                    })
                };
                let handles = spawner.wait().unwrap();
                if round % 2 == 0 {
                    // All at once: one that blocks their thread holds up the others.
                    for handle in &handles {
                        handle.abort();
                    }
                    for handle in handles {
                        assert!(handle.wait().unwrap_err().is_cancelled());
                    }
                } else {
                    runtime.shutdown(common::LIMIT).unwrap();
                }
                assert_eq!(drops.count(), drops.made());
            });
        }
    });
}

#[test]
fn results_that_are_not_send_are_joined_on_the_same_worker() {
    bounded(|| {
        each_runtime(|runtime| {
            let sum = runtime.spawn(async {
                spawn_local(async {
                    let shared = Rc::new(Cell::new(1));
                    let other = Rc::clone(&shared);
                    let back: Rc<Cell<i32>> = spawn_local(async move {
                        yield_now().await;
                        other.set(other.get() + 1);
                        other
                    })
                    .await
                    .unwrap();
                    assert!(Rc::ptr_eq(&shared, &back));
                    drop(spawn_local(async move { back }));
                    yield_now().await;
                    shared.get()
                })
                .await
                .unwrap()
            });
            assert_eq!(sum.wait().unwrap(), 2);
        });
    });
}

#[test]
fn outside_of_a_worker_it_is_refused_and_given_back() {
    bounded(|| {
        let refused = try_spawn_local(async { 1 }).unwrap_err();
        assert_eq!(refused.error, SpawnError::NotOnWorker);
        assert_eq!(refused.rejected.wait(), 1);
        each_runtime(|runtime| {
            let handle = runtime.block_on(async { spawn_local(async { Rc::new(2) }) });
            assert!(matches!(
                handle.wait(),
                Err(JoinError::NotSpawned(SpawnError::NotOnWorker))
            ));
            let inside = runtime
                .spawn(async { blocking(|| spawn_with().try_spawn_local(async {}).is_err()) });
            assert!(inside.wait().unwrap());
        });
    });
}

#[test]
fn fiber_locals_are_each_fibers_own_and_dropped_at_its_end() {
    dtact::fiber_local! {
        static TRAIL: RefCell<Vec<u32>> = RefCell::new(Vec::new());
        static TOKEN: RefCell<Option<common::DropToken>> = RefCell::new(None);
        static LATE: Late = Late;
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            // A fiber-local that is dropped later, or not yet made, may still be used.
            TRAIL.with(|trail| trail.borrow_mut().push(0));
        }
    }
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let fibers: Vec<_> = (0..32)
                .map(|index| {
                    let drops = drops.clone();
                    runtime.spawn(async move {
                        TOKEN.with(|token| *token.borrow_mut() = Some(drops.token()));
                        LATE.with(|_| ());
                        for step in 0..10 {
                            TRAIL.with(|trail| {
                                // The value stays the fiber's while this waits inside of `with`.
                                wait(yield_now());
                                trail.borrow_mut().push(index * 100 + step);
                            });
                            yield_now().await;
                        }
                        assert!(index % 3 != 0, "one in three");
                        TRAIL.with(|trail| trail.borrow().clone())
                    })
                })
                .collect();
            for (index, fiber) in (0..).zip(fibers) {
                match fiber.wait() {
                    Ok(trail) => {
                        let all: Vec<_> = (0..10).map(|step| index * 100 + step).collect();
                        assert_eq!(trail, all);
                    }
                    Err(error) => assert!(error.is_panic() && index % 3 == 0),
                }
            }
            assert_eq!((drops.made(), drops.count()), (32, 32), "before the join");
            let cancelled = {
                let drops = drops.clone();
                runtime.spawn(async move {
                    TOKEN.with(|token| *token.borrow_mut() = Some(drops.token()));
                    pending::<()>().await;
                })
            };
            common::until("it began", || drops.made() == 33);
            cancelled.abort();
            assert!(cancelled.wait().unwrap_err().is_cancelled());
            assert_eq!(drops.count(), 33);
        });
        TRAIL.with(|trail| assert!(trail.borrow().is_empty(), "this thread has its own"));
    });
}

#[test]
fn an_initialiser_that_uses_its_own_fiber_local_panics_and_can_be_tried_again() {
    thread_local!(static TRIES: Cell<u32> = const { Cell::new(0) });
    dtact::fiber_local! {
        static LOOP: u32 = {
            if TRIES.replace(1) == 0 { LOOP.with(|value| *value) } else { 7 }
        };
    }
    bounded(|| {
        let caught = std::panic::catch_unwind(|| LOOP.with(|value| *value));
        assert!(caught.is_err());
        assert_eq!(LOOP.with(|value| *value), 7);
    });
}
