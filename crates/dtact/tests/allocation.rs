//! In the steady state nothing is allocated: not to spawn, wake, yield, wait or join. What a tool
//! is told is kept on the heap.

#![cfg(not(any(dtact_asan, dtact_tsan, dtact_valgrind)))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::poll_fn,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use common::{bounded, stackful};
use dtact::{
    spawn, spawn_with, spawn_with_stack,
    time::{sleep, timeout},
    wait, yield_now,
};

/// The system's allocator, counting what workers do while it is told to.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static IS_COUNTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The test's harness has threads too, which allocate as they like.
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

impl Counting {
    fn note() {
        if IS_COUNTING.load(Ordering::Relaxed) && IS_WORKER.get() {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: all is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A wake of the fiber by itself, through its waker: the way of every primitive.
async fn wake_by_waker() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        let waker = cx.waker().clone();
        waker.wake();
        Poll::Pending
    })
    .await;
}

async fn work(rounds: usize) {
    for round in 0..rounds {
        let first = spawn(async move {
            yield_now().await;
            round
        });
        let second = spawn(wake_by_waker());
        let third = spawn_with_stack("16K", move || {
            wait(yield_now());
            wait(wake_by_waker());
            round
        });
        assert_eq!(first.await.unwrap(), round);
        second.await.unwrap();
        assert_eq!(third.await.unwrap(), round);
        drop(spawn(async {}));
        drop(spawn_with().name("named").spawn(async {}));
        let nap = Duration::from_nanos(1);
        if round % 100 == 0 {
            sleep(Duration::from_micros(1)).await;
            assert!(timeout(Duration::from_secs(9), sleep(nap)).await.is_ok());
        }
    }
}

#[test]
fn spawn_wake_yield_wait_and_join_allocate_nothing() {
    bounded(|| {
        for workers in [1, 2] {
            let runtime = stackful().workers(workers).build().unwrap();
            // As many fibers as there are workers meet, so that each runs on one of them.
            let meeting = Arc::new(Barrier::new(workers));
            let fibers: [_; 2] = core::array::from_fn(|index| {
                let meeting = meeting.clone();
                runtime.spawn(async move {
                    if index < workers {
                        meeting.wait();
                        IS_WORKER.set(true);
                        // Its first sleep makes the wheel.
                        sleep(Duration::from_millis(1)).await;
                    }
                })
            });
            for fiber in fibers {
                fiber.wait().unwrap();
            }
            runtime.spawn(work(2_000)).wait().unwrap();
            let measured = runtime.spawn(async {
                COUNT.store(0, Ordering::SeqCst);
                IS_COUNTING.store(true, Ordering::SeqCst);
                work(2_000).await;
                IS_COUNTING.store(false, Ordering::SeqCst);
                COUNT.load(Ordering::SeqCst)
            });
            assert_eq!(measured.wait().unwrap(), 0, "with {workers} workers");
        }
    });
}
