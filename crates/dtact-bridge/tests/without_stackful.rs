//! The whole runtime without stackful suspension, small enough for Miri: there a thread stands in
//! for the stack that a worker's loop stands on.

use std::{
    future::{Future as _, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use dtact_bridge::{
    Builder, IntoStackSize as _, Runtime, SpawnError, WaitExt as _, blocking, scope, spawn,
    spawn_local, spawn_with,
    time::{VirtualClock, sleep, timeout},
    wait, yield_now,
};

fn runtime(workers: usize) -> Runtime {
    Builder::new()
        .workers(workers)
        .fibers(64)
        .stacks(16)
        .stack("64K")
        .build()
        .expect("it starts")
}

/// Counts its drops.
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn values_go_through_spawn_yield_and_join() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let sum = runtime.spawn(async {
            let handles: Vec<_> = (0..10)
                .map(|value| {
                    spawn(async move {
                        yield_now().await;
                        value
                    })
                })
                .collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("it does not panic");
            }
            sum
        });
        assert_eq!(runtime.block_on(sum).expect("it does not panic"), 45);
    }
}

#[test]
fn boxed_and_inline_futures_give_their_values_and_drop_them_once() {
    let runtime = runtime(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let token = || Token(Arc::clone(&drops));
    let (first, second, third) = (token(), token(), token());
    let large = [1_u8; 10_000];
    let kept = runtime.spawn(async move {
        let _first = first;
        yield_now().await;
        (second, u32::from(large[9_999]))
    });
    let (second, one) = kept.wait().expect("it does not panic");
    assert_eq!((drops.load(Ordering::SeqCst), one), (1, 1));
    drop(second);
    drop(runtime.spawn(async move { third }));
    drop(runtime);
    assert_eq!(drops.load(Ordering::SeqCst), 3);
}

#[test]
fn waiting_fibers_block_threads_which_others_replace() {
    let runtime = runtime(1);
    let outer = runtime.spawn(async {
        let inner = spawn(async {
            wait(yield_now());
            20
        });
        wait(inner).expect("it does not panic") + 1
    });
    let closure = runtime.spawn_with_stack("64K", || wait(spawn(async { 21 })));
    let closure = closure.wait().expect("it does not panic");
    assert_eq!(
        outer.wait().expect("it does not panic") + closure.expect("nor does that"),
        42
    );
}

#[test]
fn a_panic_and_a_cancellation_reach_the_joiner() {
    let runtime = runtime(2);
    let error = runtime.spawn(async { panic!("over") }).wait().unwrap_err();
    assert_eq!(error.panic_message(), Some("over"));
    let parked = runtime.spawn(pending::<()>());
    parked.abort();
    assert!(parked.wait().unwrap_err().is_cancelled());
    let blocked = runtime.spawn(async { wait(pending::<()>()) });
    let left = runtime.spawn(pending::<()>());
    drop(runtime);
    assert!(blocked.wait().unwrap_err().is_cancelled());
    assert!(left.wait().unwrap_err().is_cancelled());
}

#[test]
fn wakers_and_handles_outlive_the_fiber_and_the_runtime() {
    let runtime = runtime(1);
    let handle = runtime.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    let waker: Waker = handle.wait().expect("it does not panic");
    waker.wake_by_ref();
    let kept = runtime.spawn(async { String::from("kept") });
    while !kept.is_finished() {
        thread::yield_now();
    }
    drop(runtime);
    waker.wake_by_ref();
    assert_eq!(kept.wait().expect("it does not panic"), "kept");
    waker.wake();
}

#[test]
fn a_waker_left_by_an_earlier_poll_is_replaced() {
    let runtime = runtime(1);
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let mut target = runtime.spawn(poll_fn(move |cx| match receiver.try_recv() {
        Err(std::sync::mpsc::TryRecvError::Disconnected) => Poll::Ready(7),
        _ => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }));
    wait(poll_fn(|cx| {
        assert!(Pin::new(&mut target).poll(cx).is_pending());
        Poll::Ready(())
    }));
    let joiner = runtime.spawn(target);
    drop(sender);
    assert_eq!(
        joiner.wait().expect("it ends").expect("it does not panic"),
        7
    );
}

#[test]
fn a_full_pool_refuses_and_gives_back() {
    let runtime = Builder::new()
        .workers(1)
        .fibers(1)
        .stacks(4)
        .stack("64K")
        .build()
        .expect("it starts");
    let first = runtime.spawn(pending::<()>());
    let refused = runtime.try_spawn(async { 1_u8 }).unwrap_err();
    assert_eq!(refused.error, SpawnError::Exhausted { capacity: 1 });
    assert_eq!(refused.rejected.wait(), 1);
    first.abort();
    assert!(first.wait().unwrap_err().is_cancelled());
    assert_eq!(
        runtime.spawn(async { 2_u8 }).wait().expect("there is room"),
        2
    );
    assert!("64Q".into_stack_size().is_err());
}

#[test]
fn local_and_scoped_fibers_blocked_code_and_fiber_locals_work() {
    dtact_bridge::fiber_local! {
        static NUMBERS: std::cell::RefCell<Vec<u32>> = std::cell::RefCell::new(Vec::new());
    }
    let runtime = runtime(2);
    let sum = runtime.spawn(async {
        let text = String::from("lent");
        let lent = scope(|scope| {
            let first = scope.spawn(async { text.len() });
            let second = scope.spawn_fn("64K", || {
                wait(yield_now());
                text.len()
            });
            first.wait().expect("it ends") + second.wait().expect("it ends")
        });
        let local = spawn_local(async {
            let shared = std::rc::Rc::new(1);
            yield_now().await;
            std::rc::Rc::try_unwrap(shared).expect("it is the only one")
        });
        NUMBERS.with(|numbers| numbers.borrow_mut().push(local.id().map_or(0, |_| 1)));
        let local = local.await.expect("it ends");
        let blocked = blocking(|| wait(spawn(async { 2 }))).expect("it ends");
        lent + local + blocked + NUMBERS.with(|numbers| numbers.borrow().len())
    });
    let id = sum.id().expect("it was spawned");
    let waiter = runtime.spawn(id.ended());
    assert_eq!(sum.wait().expect("it ends"), 12);
    waiter.wait().expect("it ends");
    let named = spawn_with().name("a name");
    let named = runtime.block_on(async { Some(named.spawn(pending::<()>())) });
    let named = named.expect("it is");
    assert!(runtime.dump().to_string().contains("a name"));
    named.abort();
    assert!(named.wait().is_err());
}

#[test]
fn sleeps_end_and_are_cancelled_on_any_thread() {
    let runtime = runtime(2);
    let span = Duration::from_millis(2);
    let fibers: Vec<_> = (0..6)
        .map(|index| match index % 3 {
            0 => runtime.spawn(async move { sleep(span).await }),
            1 => runtime.spawn_with_stack("64K", move || wait(sleep(span))),
            _ => runtime.spawn(async move {
                let mut far = sleep(Duration::from_secs(1_000));
                poll_fn(|cx| {
                    assert!(Pin::new(&mut far).poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                spawn(async move { drop(far) }).await.expect("it ends");
            }),
        })
        .collect();
    runtime.block_on(async { sleep(span).await });
    assert!(timeout(span, pending::<()>()).wait().is_err());
    for fiber in fibers {
        fiber.wait().expect("it ends");
    }
    let clock = VirtualClock::new();
    let other = Builder::new()
        .workers(1)
        .fibers(64)
        .stacks(16)
        .stack("64K")
        .clock(&clock);
    let other = other.build().expect("it starts");
    let hour = Duration::from_hours(1);
    let sleeper = other.spawn(async move { sleep(hour).await });
    while clock.sleeping() == 0 {
        thread::yield_now();
    }
    clock.advance(hour);
    sleeper.wait().expect("it ends");
}
