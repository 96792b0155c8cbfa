//! Sleeps are never early, wherever they are polled, and whoever is blocked meanwhile.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::{Future as _, pending, poll_fn},
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{bounded, each_runtime, stackful, until};
use dtact::{
    Builder, WaitExt as _, blocking, spawn, spawn_local,
    time::{Sleep, VirtualClock, interval, now, sleep, sleep_until, timeout},
    wait, yield_now,
};

const MILLI: Duration = Duration::from_millis(1);

/// Sleeps in this way, and asserts that it took no less.
async fn checked(span: Duration, is_stackful: bool) {
    let begin = Instant::now();
    if is_stackful {
        wait(sleep(span));
    } else {
        sleep(span).await;
    }
    let slept = begin.elapsed();
    assert!(slept >= span, "{slept:?} instead of {span:?}");
}

#[test]
fn no_sleep_is_early_in_futures_closures_and_on_threads() {
    bounded(|| {
        each_runtime(|runtime| {
            let fibers: Vec<_> = (0..64_u32)
                .map(|index| {
                    let span = Duration::from_micros(u64::from(index * 130));
                    match index % 4 {
                        0 => runtime.spawn(checked(span, true)),
                        1 => runtime.spawn_with_stack("64K", move || wait(checked(span, true))),
                        2 => runtime.spawn(async move {
                            timeout(Duration::MAX, checked(span, false)).await.unwrap();
                        }),
                        _ => runtime.spawn(async move {
                            spawn_local(checked(span, false)).await.unwrap();
                        }),
                    }
                })
                .collect();
            runtime.block_on(checked(3 * MILLI, false));
            for fiber in fibers {
                fiber.wait().unwrap();
            }
        });
        let begin = Instant::now();
        sleep(2 * MILLI).wait();
        sleep_until(begin + 4 * MILLI).wait();
        assert!(begin.elapsed() >= 4 * MILLI);
        sleep_until(begin).wait();
        sleep(Duration::ZERO).wait();
    });
}

/// After a pause in which no timer was armed, too: a clock that stood still would catch up at once.
#[test]
fn a_sleep_after_idling_is_not_early() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        runtime.spawn(checked(MILLI, false)).wait().unwrap();
        thread::sleep(300 * MILLI);
        runtime.spawn(checked(100 * MILLI, false)).wait().unwrap();
    });
}

#[test]
fn a_sleep_on_an_idle_worker_is_late_by_no_more_than_a_wake_up() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        // The machine has other work: the best of many says what the runtime adds.
        let best = runtime.spawn(async {
            let mut best = Duration::MAX;
            for micros in (200..6_000).step_by(173) {
                let (span, begin) = (Duration::from_micros(micros), Instant::now());
                sleep(span).await;
                best = best.min(begin.elapsed().saturating_sub(span));
            }
            best
        });
        let best = best.wait().unwrap();
        assert!(best < MILLI, "late by {best:?}");
    });
}

#[test]
fn timeouts_end_what_takes_too_long_and_nothing_else() {
    bounded(|| {
        each_runtime(|runtime| {
            let handle = runtime.spawn(async {
                assert!(timeout(MILLI, pending::<()>()).await.is_err());
                assert_eq!(timeout(Duration::MAX, async { 1 }).await, Ok(1));
                assert_eq!(timeout(Duration::ZERO, async { 2 }).await, Ok(2));
                let inner = timeout(Duration::from_secs(50), sleep(MILLI)).await;
                assert!(inner.is_ok());
                wait(timeout(MILLI, pending::<()>())).unwrap_err();
                spawn(timeout(MILLI, pending::<()>()))
                    .await
                    .unwrap()
                    .unwrap_err();
            });
            handle.wait().unwrap();
        });
    });
}

#[test]
fn intervals_keep_their_times_and_leave_out_what_was_missed() {
    bounded(|| {
        let clock = VirtualClock::new();
        let runtime = Builder::new().workers(2).clock(&clock).build().unwrap();
        let begin = clock.now();
        let fiber = runtime.spawn(async move {
            let seconds = |count| clock.advance(Duration::from_secs(count));
            let mut interval = interval(Duration::from_secs(10));
            let mut due = vec![interval.tick().await];
            // The tick of 10 is late, those of 20 and 30 are left out, that of 40 is to come.
            seconds(37);
            due.push(interval.tick().await);
            let mut is_first = true;
            let next = poll_fn(|cx| {
                if std::mem::take(&mut is_first) {
                    assert!(interval.poll_tick(cx).is_pending());
                    assert_eq!(clock.sleeping(), 1);
                    seconds(2);
                    assert!(interval.poll_tick(cx).is_pending());
                    seconds(1);
                }
                interval.poll_tick(cx)
            });
            due.push(next.await);
            due
        });
        let due = fiber.wait().unwrap();
        let due: Vec<_> = due.iter().map(|at| (*at - begin).as_secs()).collect();
        assert_eq!(due, [0, 10, 40]);
    });
}

#[test]
fn a_virtual_clock_makes_hours_pass_in_order() {
    bounded(|| {
        each_runtime(|_| {});
        let clock = VirtualClock::new();
        let runtime = stackful().workers(2).clock(&clock).build().unwrap();
        let (sender, order) = mpsc::channel();
        let real = Instant::now();
        let fibers: Vec<_> = [3_u64, 1, 2]
            .into_iter()
            .map(|hours| {
                let sender = sender.clone();
                runtime.spawn(async move {
                    let begin = now();
                    if hours == 2 {
                        wait(sleep(Duration::from_hours(hours)));
                    } else {
                        sleep(Duration::from_hours(hours)).await;
                    }
                    sender.send((hours, now() - begin)).unwrap();
                })
            })
            .collect();
        until("all sleep", || clock.sleeping() == 3);
        for hours in 1..=3 {
            clock.advance(Duration::from_hours(1));
            assert_eq!(order.recv().unwrap(), (hours, Duration::from_hours(hours)));
        }
        for fiber in fibers {
            fiber.wait().unwrap();
        }
        // Within `block_on` too.
        let mover = {
            let clock = clock.clone();
            thread::spawn(move || {
                until("it sleeps", || clock.sleeping() == 1);
                clock.advance(Duration::from_hours(1));
            })
        };
        runtime.block_on(async { sleep(Duration::from_mins(59)).await });
        mover.join().unwrap();
        assert!(real.elapsed() < Duration::from_mins(1));
        // Cancelled, and given up.
        let hour = || async { sleep(Duration::from_hours(1)).await };
        let aborted = runtime.spawn(hour());
        until("it sleeps", || clock.sleeping() == 1);
        aborted.abort();
        assert!(aborted.wait().is_err());
        assert_eq!(clock.sleeping(), 0);
        let left = runtime.spawn(hour());
        drop(runtime);
        assert!(left.wait().is_err());
    });
}

/// The timers of a worker whose thread blocks are served by whoever takes over.
#[test]
fn timers_fire_while_their_worker_is_blocked() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = builder.workers(1).build().unwrap();
            for _ in 0..20 {
                let (done, is_done) = mpsc::channel();
                let fiber = runtime.spawn(async move {
                    for index in 0..10_u32 {
                        let done = done.clone();
                        drop(spawn(async move {
                            sleep(MILLI + index * MILLI / 10).await;
                            done.send(()).unwrap();
                        }));
                    }
                    drop(done);
                    // They arm their timers on this worker, which then blocks until all are over.
                    yield_now().await;
                    blocking(|| is_done.iter().count())
                });
                assert_eq!(fiber.wait().unwrap(), 10);
            }
        }
    });
}

/// A wait that blocks the one thread there may be serves its own timer.
#[test]
fn a_sleep_that_blocks_the_only_thread_ends() {
    bounded(|| {
        let runtime = Builder::new().workers(1).threads_max(1).build().unwrap();
        let fiber = runtime.spawn(async {
            let sleeper = spawn(sleep(MILLI));
            yield_now().await;
            wait(checked(3 * MILLI, true));
            assert!(wait(timeout(MILLI, pending::<()>())).is_err());
            sleeper.await.unwrap();
        });
        fiber.wait().unwrap();
    });
}

/// Wakers of no runtime of ours, as another executor has them.
struct Foreign(mpsc::SyncSender<()>);

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        // One is enough.
        let _: Result<(), _> = self.0.try_send(());
    }
}

#[test]
fn a_sleep_polled_by_another_executor_ends() {
    bounded(|| {
        let (sender, woken) = mpsc::sync_channel(1);
        let waker = Waker::from(Arc::new(Foreign(sender)));
        let mut cx = Context::from_waker(&waker);
        let begin = Instant::now();
        let mut sleep = sleep(5 * MILLI);
        while Pin::new(&mut sleep).poll(&mut cx).is_pending() {
            woken.recv_timeout(common::LIMIT).unwrap();
        }
        assert!(begin.elapsed() >= 5 * MILLI);
        // One that is given up.
        let mut sleep = dtact::time::sleep(Duration::from_hours(1));
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
        drop(sleep);
    });
}

/// A sleep moves from a thread's loop to a fiber, whose waker is a new one; or stays behind in
/// something that is not polled again unless it is woken.
#[test]
fn a_sleep_goes_on_elsewhere_when_its_loop_ends() {
    bounded(|| {
        each_runtime(|runtime| {
            // On a slow machine a short sleep may be over before it is polled: then a longer one.
            let (begin, span, moved) = (0..)
                .find_map(|doublings| {
                    let (begin, span) = (Instant::now(), 3 * MILLI * 2_u32.pow(doublings));
                    let mut moved = sleep(span);
                    let is_pending = runtime.block_on(poll_fn(|cx| {
                        Poll::Ready(Pin::new(&mut moved).poll(cx).is_pending())
                    }));
                    is_pending.then_some((begin, span, moved))
                })
                .unwrap();
            runtime.spawn(moved).wait().unwrap();
            assert!(begin.elapsed() >= span);

            let (sender, woken) = mpsc::sync_channel(1);
            let waker = Waker::from(Arc::new(Foreign(sender)));
            let mut kept = sleep(Duration::from_hours(1));
            runtime.block_on(async {
                // Under a waker of its own, as in a set of futures.
                assert!(
                    Pin::new(&mut kept)
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            });
            woken.recv_timeout(common::LIMIT).unwrap();
            let ready = runtime.block_on(poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut kept).poll(cx).is_ready())
            }));
            assert!(!ready, "woken to arm elsewhere, and not early");
        });
    });
}

#[test]
fn sleeps_dropped_by_other_workers_and_aborted_ones_leave_nothing() {
    bounded(|| {
        each_runtime(|runtime| {
            let rounds: Vec<_> = (0..8)
                .map(|_| {
                    runtime.spawn(async {
                        for round in 0..200_u32 {
                            let mut armed = dtact::time::sleep(Duration::from_secs(100));
                            poll_fn(|cx| {
                                assert!(Pin::new(&mut armed).poll(cx).is_pending());
                                Poll::Ready(())
                            })
                            .await;
                            // Dropped by whichever worker runs it, or here.
                            if round % 2 == 0 {
                                spawn(async move { drop(armed) }).await.unwrap();
                            }
                            let aborted = spawn(sleep(Duration::from_secs(100)));
                            yield_now().await;
                            aborted.abort();
                            assert!(aborted.await.is_err());
                        }
                    })
                })
                .collect();
            for round in rounds {
                round.wait().unwrap();
            }
        });
    });
}

#[test]
fn a_million_years_are_not_armed() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        let far: Vec<Sleep> = runtime
            .block_on(async { vec![sleep(Duration::MAX), sleep(Duration::from_secs(u64::MAX))] });
        for sleep in far {
            assert!(!sleep.is_elapsed());
            let fiber = runtime.spawn(sleep);
            yield_now().wait();
            fiber.abort();
            assert!(fiber.wait().is_err());
        }
    });
}
