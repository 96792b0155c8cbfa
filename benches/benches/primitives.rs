//! One primitive at a time, so that a loss of the whole can be placed.
//!
//! ```sh
//! cargo bench -p benches --bench primitives
//! ```
//!
//! All on one thread: what a primitive costs where nobody else is at it.

#![allow(unsafe_code, reason = "promises what coroutines ask")]

use std::{
    future::poll_fn,
    hint::black_box,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use dtact_arena::{CellCache, CellClass, CellPool, StackCache, StackPool};
use dtact_mesh::{ArrayLinks, Config, Mesh, TaskIndex, Worker, WorkerId};
use dtact_switch::{
    Coroutine, GuardedStack, SameThreadFloat, SameThreadNoFloat, Stackful, Yielder,
};

const STACK_BYTES: usize = 64 << 10;
// SAFETY: the bodies here use no thread-local, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

fn switches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("switch");
    group.bench_function("round trip", |bencher| {
        let body = |yielder: &Yielder<u64, u64, SameThreadNoFloat>, first| {
            let mut number = first;
            loop {
                number = yielder.suspend(number);
            }
        };
        let stack = GuardedStack::new(STACK_BYTES).expect("room for a stack");
        let mut coroutine =
            Coroutine::<u64, u64, (), _, SameThreadNoFloat>::with_switcher(STACKFUL, stack, body);
        bencher.iter(|| coroutine.resume(black_box(1)));
    });
    group.bench_function("round trip, float", |bencher| {
        let body = |yielder: &Yielder<u64, u64, SameThreadFloat>, first| {
            let mut number = first;
            loop {
                number = yielder.suspend(number);
            }
        };
        let stack = GuardedStack::new(STACK_BYTES).expect("room for a stack");
        let mut coroutine =
            Coroutine::<u64, u64, (), _, SameThreadFloat>::with_switcher(STACKFUL, stack, body);
        bencher.iter(|| coroutine.resume(black_box(1)));
    });
}

fn arena(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("arena");
    group.bench_function("take and give back a stack", |bencher| {
        let pool = StackPool::builder().stack_bytes(STACK_BYTES).capacity(64);
        let pool = pool.build().expect("4 MiB of address space");
        let mut cache = StackCache::new(8);
        bencher.iter(|| {
            let stack = cache.take(&pool).expect("some are free");
            cache.give_back(&pool, black_box(stack));
        });
    });
    group.bench_function("take and give back a cell", |bencher| {
        let pool = CellPool::new(1024).expect("little address space");
        let class = CellClass::all().next().expect("there is a smallest");
        let mut cache = CellCache::new();
        bencher.iter(|| {
            let cell = cache.take(&pool, class).expect("some are free");
            cache.give_back(&pool, black_box(cell));
        });
    });
}

fn with_worker(workers: usize, body: impl FnOnce(&Worker<ArrayLinks>)) {
    let mesh = Mesh::new(Config::new(workers, workers), ArrayLinks::new(1024));
    let mesh = mesh.expect("a mesh of few workers");
    let worker = mesh.worker(WorkerId::from_raw(0));
    body(&worker.expect("nobody has claimed it"));
}

fn mesh(criterion: &mut Criterion) {
    let task = |raw| TaskIndex::from_raw(raw).expect("small numbers are indices");
    let mut group = criterion.benchmark_group("mesh");
    for (name, workers) in [("one worker", 1), ("two workers", 2)] {
        group.bench_function(format!("push and pop, {name}"), |bencher| {
            with_worker(workers, |worker| {
                bencher.iter(|| {
                    worker.push_yielded(black_box(task(1)));
                    worker.next()
                });
            });
        });
        group.bench_function(format!("push and pop, 500 waiting, {name}"), |bencher| {
            with_worker(workers, |worker| {
                (0..500).for_each(|raw| worker.push(task(raw)));
                bencher.iter(|| {
                    let next = worker.next().expect("there are 500");
                    worker.push_yielded(next);
                });
                while worker.next().is_some() {}
            });
        });
        group.bench_function(format!("slot, {name}"), |bencher| {
            with_worker(workers, |worker| {
                bencher.iter(|| {
                    worker.push_woken(black_box(task(1)));
                    worker.next()
                });
            });
        });
    }
    group.bench_function("push and pop, pinned", |bencher| {
        with_worker(1, |worker| {
            bencher.iter(|| {
                worker.push_pinned(black_box(task(1)));
                worker.next()
            });
        });
    });
    group.bench_function("1,000 times through a mailbox", |bencher| {
        bencher.iter(|| dtact_mesh::exercise_mailbox(black_box(1000)));
    });
}

/// Times so many turns of what `body` does in a fiber of a runtime with one worker.
fn in_fiber<F>(bencher: &mut Bencher<'_>, body: impl Fn(u64) -> F)
where
    F: Future<Output = Duration> + Send + 'static,
{
    let runtime = dtact::Builder::new().workers(1).build();
    let runtime = runtime.expect("room for a runtime");
    bencher.iter_custom(|turns| {
        let handle = runtime.spawn(body(turns));
        runtime.block_on(handle).expect("it does not panic")
    });
}

fn fibers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fiber");
    group.bench_function("poll round trip", |bencher| {
        in_fiber(bencher, |turns| async move {
            let yields = |turns| async move {
                for _ in 0..turns {
                    dtact::yield_now().await;
                }
            };
            let begin = Instant::now();
            let other = dtact::spawn(yields(turns / 2));
            yields(turns - turns / 2).await;
            other.await.expect("it does not panic");
            begin.elapsed()
        });
    });
    group.bench_function("wake itself while it runs", |bencher| {
        in_fiber(bencher, |turns| {
            poll_fn(move |cx| {
                let begin = Instant::now();
                (0..turns).for_each(|_| cx.waker().wake_by_ref());
                Poll::Ready(begin.elapsed())
            })
        });
    });
    group.bench_function("wake another, which is polled and parks", |bencher| {
        in_fiber(bencher, wake_another);
    });
    group.bench_function("spawn, poll and join", |bencher| {
        in_fiber(bencher, |turns| async move {
            let begin = Instant::now();
            for _ in 0..turns {
                dtact::spawn(async {}).await.expect("it does not panic");
            }
            begin.elapsed()
        });
    });
    group.bench_function("poll a ready future without a fiber", |bencher| {
        let mut cx = std::task::Context::from_waker(Waker::noop());
        bencher.iter(|| pin!(async { black_box(1) }).poll(&mut cx));
    });
}

async fn wake_another(turns: u64) -> Duration {
    #[derive(Default)]
    struct Other {
        waker: Mutex<Option<Waker>>,
        is_over: AtomicBool,
    }
    let other = Arc::new(Other::default());
    let shared = Arc::clone(&other);
    let handle = dtact::spawn(poll_fn(move |cx| {
        let mut waker = shared.waker.lock().unwrap_or_else(PoisonError::into_inner);
        waker.get_or_insert_with(|| cx.waker().clone());
        drop(waker);
        if shared.is_over.load(Ordering::Relaxed) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    let waker = loop {
        dtact::yield_now().await;
        let waker = other.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            break waker.clone();
        }
    };
    let begin = Instant::now();
    for _ in 0..turns {
        waker.wake_by_ref();
        dtact::yield_now().await;
    }
    let elapsed = begin.elapsed();
    other.is_over.store(true, Ordering::Relaxed);
    waker.wake();
    handle.await.expect("it does not panic");
    elapsed
}

criterion_group!(primitives, switches, arena, mesh, fibers);
criterion_main!(primitives);
