//! Values go through spawn and join, with any number of workers and however many fibers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::{Future, pending, poll_fn},
    task::Poll,
};

use common::{DropCount, bounded, each_runtime, stackful, until};
use dtact::{
    Builder, JoinError, SpawnError, WaitExt as _, spawn, spawn_with_stack, wait, yield_now,
};

#[test]
fn a_value_comes_back_through_spawn_and_join() {
    bounded(|| {
        each_runtime(|runtime| {
            assert_eq!(runtime.spawn(async { 42 }).wait().unwrap(), 42);
            assert_eq!(
                runtime
                    .block_on(runtime.spawn(async { "text".to_owned() }))
                    .unwrap(),
                "text"
            );
            assert_eq!(
                runtime
                    .spawn_with_stack("64K", || [7_u8; 100])
                    .wait()
                    .unwrap(),
                [7; 100]
            );
            let inside = runtime.spawn(async { spawn(async { 1 }).await.unwrap() + 1 });
            assert_eq!(inside.wait().unwrap(), 2);
        });
    });
}

#[expect(
    clippy::large_stack_arrays,
    reason = "futures this large are the subject"
)]
#[test]
fn zero_sized_and_huge_and_over_aligned_futures_run() {
    #[repr(align(256))]
    struct Aligned(u8);

    bounded(|| {
        for workers in common::WORKERS {
            let runtime = stackful().workers(workers).build().unwrap();
            runtime.spawn(async {}).wait().unwrap();
            assert_eq!(runtime.metrics().heap_escaped_spawns, 0);
            let large = [3_u8; 100_000];
            let sum = runtime.spawn(async move {
                yield_now().await;
                large.iter().map(|&byte| u32::from(byte)).sum::<u32>()
            });
            assert_eq!(sum.wait().unwrap(), 300_000);
            let large = runtime.spawn(async { [5_u8; 50_000] }).wait().unwrap();
            assert_eq!(large[49_999], 5);
            let aligned = Aligned(9);
            let address = runtime.spawn(async move {
                yield_now().await;
                (&raw const aligned).addr() % 256 + usize::from(aligned.0)
            });
            assert_eq!(address.wait().unwrap(), 9);
            assert_eq!(runtime.metrics().heap_escaped_spawns, 3);
        }
    });
}

#[test]
fn a_future_of_each_size_of_cell_keeps_its_bytes() {
    fn check<const SIZE: usize>(runtime: &dtact::Runtime) {
        let bytes: [u8; SIZE] = core::array::from_fn(|index| index.to_le_bytes()[0]);
        let handle = runtime.spawn(async move {
            yield_now().await;
            bytes
        });
        assert_eq!(handle.wait().unwrap(), bytes);
    }
    bounded(|| {
        for workers in common::WORKERS {
            let runtime = &stackful().workers(workers).build().unwrap();
            check::<1>(runtime);
            check::<60>(runtime);
            check::<64>(runtime);
            check::<100>(runtime);
            check::<400>(runtime);
            check::<900>(runtime);
            check::<2_000>(runtime);
            check::<4_000>(runtime);
            check::<8_000>(runtime);
            check::<9_000>(runtime);
        }
    });
}

#[expect(
    clippy::needless_collect,
    reason = "all are spawned before the first is joined"
)]
#[test]
fn a_hundred_thousand_fibers_live_at_once_on_a_thousand_stacks() {
    bounded(|| {
        let runtime = stackful()
            .workers(2)
            .stack("16K")
            .stacks(1_000)
            .build()
            .unwrap();
        let (open, gate) = async_channel::bounded::<()>(1);
        // Half of them wait at an `.await`, with no stack; the other half are closures that
        // wait on a stack of their own, of which there are not nearly enough.
        let futures: Vec<_> = (0..50_000_u64)
            .map(|index| {
                let gate = gate.clone();
                runtime.spawn(async move {
                    let closed = gate.recv().await;
                    assert!(closed.is_err(), "the gate opens by closing");
                    index
                })
            })
            .collect();
        let closures: Vec<_> = (0..50_000_u64)
            .map(|index| {
                let gate = gate.clone();
                runtime.spawn_with_stack("16K", move || {
                    let closed = gate.recv().wait();
                    assert!(closed.is_err(), "the gate opens by closing");
                    index
                })
            })
            .collect();
        until("hundreds are suspended on stacks", || {
            runtime.metrics().stackful_suspensions > 900
        });
        let dump = runtime.dump();
        assert_eq!(dump.fibers().len(), 100_000);
        let suspended = dump
            .fibers()
            .iter()
            .filter(|fiber| fiber.suspended_on().is_some());
        assert!(suspended.count() > 900);
        assert_eq!(runtime.metrics().finished, 0);
        until("the others wait for a stack to begin on", || {
            runtime.metrics().starved > 40_000
        });
        drop(open);
        let sum: u64 = futures
            .into_iter()
            .chain(closures)
            .map(|handle| handle.wait().unwrap())
            .sum();
        assert_eq!(sum, 2 * (0..50_000).sum::<u64>());
        assert!(runtime.metrics().stacks_live_max <= 1_000);
        assert_eq!(runtime.metrics().starved, 0);
        assert_eq!(
            runtime.metrics().blocked_waits,
            0,
            "fibers were suspended, not threads"
        );
    });
}

#[test]
fn fibers_spawned_from_many_threads_all_run() {
    bounded(|| {
        each_runtime(|runtime| {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for value in 0..1_000 {
                            assert_eq!(runtime.spawn(async move { value }).wait().unwrap(), value);
                        }
                    });
                }
            });
        });
    });
}

#[test]
fn a_full_arena_gives_the_future_back_and_recovers() {
    bounded(|| {
        let runtime = Builder::new()
            .workers(1)
            .fibers(4)
            .stack("64K")
            .build()
            .unwrap();
        let drops = DropCount::default();
        let mut handles = Vec::new();
        let error = loop {
            let token = drops.token();
            let spawned = runtime.try_spawn(async move {
                let _token = token;
                pending::<()>().await;
            });
            match spawned {
                Ok(handle) => handles.push(handle),
                Err(refused) => break refused,
            }
        };
        assert_eq!(error.error, SpawnError::Exhausted { capacity: 4 });
        assert_eq!(handles.len(), 4);
        assert_eq!(drops.count(), 0, "the future was given back");
        drop(error);
        assert_eq!(drops.count(), 1);
        let refused = runtime.spawn(async { [0_u8; 20] }).wait();
        assert!(matches!(
            refused,
            Err(JoinError::NotSpawned(SpawnError::Exhausted { .. }))
        ));
        for handle in handles {
            handle.abort();
            assert!(handle.wait().unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 5);
        runtime.spawn(async {}).wait().unwrap();
    });
}

#[test]
fn a_stack_size_that_is_none_is_an_error_of_the_handle() {
    bounded(|| {
        let runtime = stackful().workers(1).build().unwrap();
        for size in ["", "lots", "0K", "1T"] {
            let error = runtime.spawn_with_stack(size, || ()).wait().unwrap_err();
            assert!(
                matches!(error, JoinError::NotSpawned(SpawnError::BadStackSize(_))),
                "{size}: {error}"
            );
        }
        let error = runtime.spawn_with_stack("1G", || ()).wait().unwrap_err();
        assert!(
            matches!(
                error,
                JoinError::NotSpawned(SpawnError::StackTooLarge { .. })
            ),
            "{error}"
        );
    });
}

#[test]
fn a_closure_gets_the_stack_it_asks_for() {
    #[inline(never)]
    fn dig(depth: usize) -> usize {
        let frame = core::hint::black_box([1_u8; 4096]);
        if depth == 0 {
            return usize::from(frame[0]);
        }
        wait(yield_now());
        dig(depth - 1) + usize::from(core::hint::black_box(frame)[4095])
    }
    bounded(|| {
        each_runtime(|runtime| {
            // 200 frames of more than 4 KiB do not fit into the workers' own 64 KiB.
            let deep = runtime.spawn_with_stack("8M", || dig(200));
            let flat = runtime.spawn_with_stack(16_384, || dig(1));
            assert_eq!(deep.wait().unwrap(), 201);
            assert_eq!(flat.wait().unwrap(), 2);
        });
    });
}

#[test]
fn a_dropped_handle_detaches_the_fiber() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let (sender, receiver) = async_channel::bounded(1);
            let token = drops.token();
            drop(runtime.spawn(async move {
                yield_now().await;
                sender.send(()).await.unwrap();
                token
            }));
            receiver.recv().wait().unwrap();
            until("the value nobody joins is dropped", || drops.count() == 1);
        });
    });
}

#[test]
fn a_handle_polled_with_changing_wakers_is_woken_by_the_last() {
    bounded(|| {
        each_runtime(|runtime| {
            let (open, gate) = async_channel::bounded::<()>(1);
            let mut target = runtime.spawn(async move { gate.recv().await.is_err() });
            // Polled on this thread first, with this thread's waker.
            let polled = wait(poll_fn(|cx| {
                Poll::Ready(std::pin::Pin::new(&mut target).poll(cx).is_pending())
            }));
            assert!(polled);
            let joiner = runtime.spawn(async move { target.await.unwrap() });
            drop(open);
            assert!(joiner.wait().unwrap());
        });
    });
}

#[test]
fn yielding_lets_another_fiber_run() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        let turns = runtime.block_on(runtime.spawn(async {
            let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let set = flag.clone();
            let other = spawn(async move { set.store(true, std::sync::atomic::Ordering::Relaxed) });
            let mut turns = 0;
            while !flag.load(std::sync::atomic::Ordering::Relaxed) {
                yield_now().await;
                turns += 1;
            }
            other.await.unwrap();
            turns
        }));
        assert_eq!(turns.unwrap(), 1, "one yield is one turn of the other");
    });
}

#[test]
fn recursion_that_waits_at_every_level_gives_its_sum() {
    fn tree(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let left = spawn_with_stack("64K", move || tree(depth - 1));
        let right = spawn_with_stack("64K", move || tree(depth - 1));
        left.wait().unwrap() + right.wait().unwrap()
    }
    bounded(|| {
        for workers in common::WORKERS {
            let runtime = stackful().workers(workers).stack("64K").build().unwrap();
            assert_eq!(
                runtime.spawn_with_stack("64K", || tree(12)).wait().unwrap(),
                4096
            );
        }
        // And without the acknowledgement, where each wait blocks a thread.
        let runtime = Builder::new().workers(2).stack("64K").build().unwrap();
        assert_eq!(
            runtime.spawn_with_stack("64K", || tree(6)).wait().unwrap(),
            64
        );
    });
}
