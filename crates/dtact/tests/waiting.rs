//! `wait` works wherever it is called, and what is suspended stays on its thread.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::{pending, poll_fn},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
};

use common::{DropCount, bounded, each_runtime, park_in_each_way, stackful};
use dtact::{Builder, WaitExt as _, spawn, spawn_with_stack, wait, yield_now};

#[test]
fn an_rc_held_across_wait_stays_on_its_thread() {
    bounded(|| {
        for workers in [2, 8] {
            let runtime = stackful().workers(workers).stack("64K").build().unwrap();
            let handles: Vec<_> = (0..100)
                .map(|index| {
                    runtime.spawn_with_stack("64K", move || {
                        let thread = thread::current().id();
                        let shared = Rc::new(index);
                        for _ in 0..100 {
                            // Others count the same up and down meanwhile, without atomics.
                            let copy = Rc::clone(&shared);
                            wait(spawn(yield_now())).unwrap();
                            assert_eq!(thread::current().id(), thread);
                            assert_eq!(*copy, index);
                        }
                        Rc::strong_count(&shared)
                    })
                })
                .collect();
            for handle in handles {
                assert_eq!(handle.wait().unwrap(), 1);
            }
            assert!(runtime.metrics().stackful_suspensions > 0);
        }
    });
}

#[test]
fn wait_outside_of_everything_parks_the_thread() {
    bounded(|| {
        assert_eq!(wait(async { 5 }), 5);
        let (sender, receiver) = async_channel::bounded(1);
        thread::scope(|scope| {
            scope.spawn(move || sender.send(6).wait().unwrap());
            assert_eq!(receiver.recv().wait().unwrap(), 6);
        });
    });
}

#[test]
fn wait_inside_of_wait_inside_of_a_poll_inside_of_wait_works() {
    fn nest(depth: u32) -> u32 {
        wait(async move {
            yield_now().await;
            if depth == 0 { 0 } else { 1 + nest(depth - 1) }
        })
    }
    bounded(|| {
        assert_eq!(nest(10), 10);
        each_runtime(|runtime| {
            assert_eq!(
                runtime.spawn_with_stack("1M", || nest(10)).wait().unwrap(),
                10
            );
            assert_eq!(runtime.block_on(async { nest(3) }), 3);
        });
    });
}

#[test]
fn a_future_may_await_and_wait_by_turns() {
    bounded(|| {
        each_runtime(|runtime| {
            let handle = runtime.spawn(async {
                let mut sum = 0;
                for value in 0..100 {
                    sum += spawn(async move { value }).await.unwrap();
                    sum += wait(spawn(async move { value })).unwrap();
                    yield_now().await;
                    wait(yield_now());
                }
                sum
            });
            assert_eq!(handle.wait().unwrap(), 2 * 4_950);
        });
    });
}

#[test]
fn wait_in_a_destructor_works() {
    struct Waits(Arc<AtomicUsize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let value = wait(spawn(async {
                yield_now().await;
                4
            }));
            self.0.fetch_add(value.unwrap(), Ordering::SeqCst);
        }
    }
    bounded(|| {
        each_runtime(|runtime| {
            let sum = Arc::new(AtomicUsize::new(0));
            let (first, second) = (Waits(sum.clone()), Waits(sum.clone()));
            runtime
                .spawn(async move {
                    let _first = first;
                    yield_now().await;
                })
                .wait()
                .unwrap();
            drop(runtime.spawn_with_stack("64K", move || drop(second)).wait());
            assert_eq!(sum.load(Ordering::SeqCst), 8);
        });
    });
}

#[test]
fn wait_in_the_destructor_of_a_cancelled_future_works() {
    struct Waits(async_channel::Sender<u32>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let other = spawn(async {
                yield_now().await;
                4
            });
            let value = wait(other).unwrap();
            self.0.try_send(value).unwrap();
        }
    }
    bounded(|| {
        each_runtime(|runtime| {
            let (sender, receiver) = async_channel::bounded(2);
            let (kept, returned) = (Waits(sender.clone()), Waits(sender));
            let (started, begun) = async_channel::bounded(1);
            let parked = runtime.spawn(async move {
                let _kept = kept;
                started.send(()).await.unwrap();
                pending::<()>().await;
            });
            begun.recv().wait().unwrap();
            parked.abort();
            assert_eq!(receiver.recv().wait().unwrap(), 4);
            assert!(parked.wait().unwrap_err().is_cancelled());
            // And of a value that nobody joins.
            drop(runtime.spawn(async move { returned }));
            assert_eq!(receiver.recv().wait().unwrap(), 4);
        });
    });
}

#[test]
fn a_fiber_queued_behind_a_long_one_runs_although_all_others_yield_for_ever() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            for yielders in [1, 3] {
                let runtime = builder.clone().workers(2).stack("64K").build().unwrap();
                let stop = Arc::new(AtomicUsize::new(0));
                for index in 0..yielders {
                    let stop = stop.clone();
                    if index % 2 == 0 {
                        drop(runtime.spawn(async move {
                            while stop.load(Ordering::Relaxed) == 0 {
                                yield_now().await;
                            }
                        }));
                    } else {
                        drop(runtime.spawn_with_stack("64K", move || {
                            while stop.load(Ordering::Relaxed) == 0 {
                                wait(yield_now());
                            }
                        }));
                    }
                }
                // It spawns a fiber into its own queue, and then hogs its worker until that one
                // has run elsewhere.
                let ran = Arc::new(AtomicUsize::new(0));
                let long = runtime.spawn(async move {
                    let set = ran.clone();
                    let queued = spawn(async move { set.store(1, Ordering::Relaxed) });
                    while ran.load(Ordering::Relaxed) == 0 {
                        std::hint::spin_loop();
                    }
                    queued.await.unwrap();
                });
                long.wait().unwrap();
                stop.store(1, Ordering::Relaxed);
            }
        }
    });
}

#[test]
fn a_fiber_that_yields_for_ever_without_a_stack_to_spare_can_be_cancelled() {
    bounded(|| {
        let runtime = stackful()
            .workers(1)
            .stacks(2)
            .stack("64K")
            .build()
            .unwrap();
        let (open, gate) = async_channel::bounded::<()>(1);
        let kept = runtime.spawn(async move { gate.recv().wait().is_err() });
        let yielding = runtime.spawn(async {
            loop {
                wait(yield_now());
            }
        });
        common::until("one keeps a stack", || {
            let metrics = runtime.metrics();
            metrics.stackful_suspensions + metrics.blocked_waits >= 1
        });
        yielding.abort();
        let outcome: Result<(), _> = yielding.wait();
        assert!(outcome.unwrap_err().is_cancelled());
        drop(open);
        assert!(kept.wait().unwrap());
    });
}

#[test]
fn without_the_acknowledgement_blocked_threads_are_replaced() {
    bounded(|| {
        for workers in [1, 2] {
            let runtime = Builder::new()
                .workers(workers)
                .stack("64K")
                .build()
                .unwrap();
            let (open, gate) = async_channel::bounded::<()>(1);
            // Many more fibers block than there are workers; one that opens the gate still runs.
            let blocked: Vec<_> = (0..30)
                .map(|_| {
                    let gate = gate.clone();
                    runtime.spawn(async move { gate.recv().wait().is_err() })
                })
                .collect();
            common::until("all of them block", || {
                runtime.metrics().blocked_waits >= 30
            });
            let opener = runtime.spawn(async move {
                yield_now().await;
                drop(open);
            });
            opener.wait().unwrap();
            for handle in blocked {
                assert!(handle.wait().unwrap());
            }
            assert_eq!(runtime.metrics().stackful_suspensions, 0);
            // And afterwards no more fibers run at a time than there are workers.
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let handles: Vec<_> = (0..200)
                .map(|_| {
                    let (running, most) = (running.clone(), most.clone());
                    runtime.spawn(async move {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    })
                })
                .collect();
            for handle in handles {
                handle.wait().unwrap();
            }
            assert!(
                most.load(Ordering::SeqCst) <= workers,
                "{most:?} ran at a time"
            );
        }
    });
}

#[test]
fn a_wait_with_no_thread_left_to_replace_it_still_ends() {
    bounded(|| {
        let runtime = Builder::new()
            .workers(1)
            .threads_max(1)
            .stack("64K")
            .build()
            .unwrap();
        let (sender, receiver) = async_channel::bounded(1);
        let blocked = runtime.spawn(async move { receiver.recv().wait().unwrap() });
        common::until("it blocks", || runtime.metrics().blocked_waits == 1);
        sender.send(8).wait().unwrap();
        assert_eq!(blocked.wait().unwrap(), 8);
    });
}

#[test]
fn where_no_stack_is_left_the_thread_is_blocked_instead() {
    bounded(|| {
        // Two for the worker, two for the threads that replace it.
        let runtime = stackful()
            .workers(1)
            .stacks(4)
            .stack("64K")
            .build()
            .unwrap();
        let (open, gate) = async_channel::bounded::<()>(1);
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let gate = gate.clone();
                // Futures: they begin without a spare stack, as they mostly need none.
                runtime.spawn(async move { gate.recv().wait().is_err() })
            })
            .collect();
        common::until("the stacks are used up", || {
            runtime.metrics().blocked_waits >= 1
        });
        drop(open);
        for handle in waiting {
            assert!(handle.wait().unwrap());
        }
    });
}

#[test]
fn an_aborted_fiber_drops_or_unwinds_what_it_holds() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let handles = park_in_each_way(runtime, &drops);
            for handle in &handles {
                handle.abort();
            }
            for handle in handles {
                assert!(handle.wait().unwrap_err().is_cancelled());
            }
            assert_eq!(drops.count(), 3);
        });
    });
}

#[test]
fn block_on_inside_of_block_on_keeps_both_awake() {
    bounded(|| {
        let runtime = Builder::new().workers(2).stack("64K").build().unwrap();
        for _ in 0..200 {
            let outer = runtime.block_on(async {
                let slow = spawn(async {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    1
                });
                let inner = runtime.block_on(spawn(async {
                    yield_now().await;
                    2
                }));
                slow.await.unwrap() + inner.unwrap()
            });
            assert_eq!(outer, 3);
        }
    });
}

#[test]
fn a_wait_inside_of_a_poll_leaves_the_wake_ups_of_the_outer_wait_alone() {
    bounded(|| {
        // The thread has what it waits with from here on, and might use it for both.
        wait(async {});
        let mut outer_polls = 0;
        wait(poll_fn(|outer| {
            outer_polls += 1;
            if outer_polls == 2 {
                return Poll::Ready(());
            }
            let mut inner_polls = 0;
            let inner = poll_fn(|cx| {
                inner_polls += 1;
                match inner_polls {
                    1 => {
                        // The event of the outer wait, before the inner one sleeps.
                        outer.waker().wake_by_ref();
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    2 => {
                        let waker = cx.waker().clone();
                        thread::spawn(move || waker.wake());
                        Poll::Pending
                    }
                    _ => Poll::Ready(()),
                }
            });
            wait(inner);
            Poll::Pending
        }));
        assert_eq!(outer_polls, 2);
    });
}

#[test]
fn a_fiber_of_one_runtime_joins_a_fiber_of_another() {
    bounded(|| {
        each_runtime(|runtime| {
            let other = stackful().workers(1).stack("64K").build().unwrap();
            let there = other.spawn(async {
                yield_now().await;
                5
            });
            let also = other.spawn_with_stack("64K", || wait(spawn(async { 6 })).unwrap());
            let here = runtime.spawn(async move { there.await.unwrap() + also.wait().unwrap() });
            assert_eq!(here.wait().unwrap(), 11);
        });
    });
}

#[test]
fn the_global_runtime_starts_by_itself() {
    bounded(|| {
        assert_eq!(spawn(async { 3 }).wait().unwrap(), 3);
        let handle = spawn_with_stack("64K", || spawn(async { 4 }).wait().unwrap());
        assert_eq!(handle.wait().unwrap(), 4);
        assert!(
            dtact::Runtime::init_global(Builder::new()).is_err(),
            "it has started"
        );
    });
}

#[test]
fn a_thread_that_takes_over_without_a_stack_runs_what_is_waited_for() {
    bounded(|| {
        // The fiber that is suspended has one of the two stacks, the blocked worker the other.
        let runtime = stackful()
            .workers(1)
            .stacks(2)
            .stack("64K")
            .build()
            .unwrap();
        let (open, gate) = async_channel::bounded::<()>(1);
        let (started, begun) = async_channel::bounded(1);
        let holder = runtime.spawn(async move {
            started.try_send(()).unwrap();
            wait(gate.recv()).unwrap();
        });
        begun.recv().wait().unwrap();
        let blocked = runtime.spawn(async {
            dtact::no_suspend(|| {
                let first = spawn(async {
                    yield_now().await;
                    1
                });
                // It waits as well, without a stack to leave.
                let second = spawn(async { wait(spawn(yield_now())).map(|()| 2).unwrap() });
                first.wait().unwrap() + second.wait().unwrap()
            })
        });
        assert_eq!(blocked.wait().unwrap(), 3);
        open.try_send(()).unwrap();
        holder.wait().unwrap();
        // The stacks come back to whoever needs one.
        let mut fibers = Vec::new();
        for value in 0..20 {
            let fiber = runtime.spawn_with_stack("64K", move || wait(async move { value }));
            fibers.push((value, fiber));
        }
        for (value, fiber) in fibers {
            assert_eq!(fiber.wait().unwrap(), value);
        }
    });
}

#[test]
fn more_threads_may_block_than_there_are_stacks() {
    fn deep(depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let inner = spawn_with_stack("64K", move || deep(depth - 1));
        1 + inner.wait().unwrap()
    }
    bounded(|| {
        let runtime = Builder::new()
            .workers(1)
            .stacks(2)
            .stack("64K")
            .build()
            .unwrap();
        let outer = runtime.spawn_with_stack("64K", || deep(8));
        assert_eq!(outer.wait().unwrap(), 8);
        let futures: Vec<_> = (0..8)
            .map(|_| runtime.spawn(async { wait(spawn(yield_now())).unwrap() }))
            .collect();
        for future in futures {
            future.wait().unwrap();
        }
    });
}
