//! `scope`: fibers that borrow never outlive what they borrow.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::async_yields_async, reason = "handles are handed out")]
#![allow(
    clippy::needless_collect,
    reason = "all begin before the first is joined"
)]

mod common;

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use common::{DropCount, bounded, each_runtime, until};
use dtact::{Runtime, scope, spawn, spawn_with_stack, wait, yield_now};

/// Runs `body` in a closure fiber, in a future, and on the calling thread.
fn everywhere(runtime: &Runtime, body: fn()) {
    runtime.spawn_with_stack("64K", body).wait().unwrap();
    runtime.spawn(async move { body() }).wait().unwrap();
    runtime.block_on(async { body() });
}

#[test]
fn scoped_fibers_borrow_and_have_ended_when_the_scope_returns() {
    bounded(|| {
        each_runtime(|runtime| {
            everywhere(runtime, || {
                let text = String::from("borrowed");
                let mut numbers = vec![0; 64];
                let count = AtomicUsize::new(0);
                let joined = scope(|scope| {
                    for (index, number) in numbers.iter_mut().enumerate() {
                        let (count, text) = (&count, &text);
                        let mut work = move || {
                            wait(yield_now());
                            *number = index + text.len();
                            count.fetch_add(1, Ordering::Relaxed);
                        };
                        if index % 2 == 0 {
                            drop(scope.spawn_fn("64K", work));
                        } else {
                            drop(scope.spawn(async move {
                                yield_now().await;
                                work();
                            }));
                        }
                    }
                    let handle = scope.spawn(async { text.as_str() });
                    handle.wait().unwrap()
                });
                assert_eq!(joined, "borrowed");
                assert_eq!(count.into_inner(), 64);
                assert!(
                    (0..)
                        .zip(&numbers)
                        .all(|(index, number)| *number == index + 8)
                );
            });
        });
    });
}

#[test]
fn scopes_nest_and_fibers_spawn_into_their_scope() {
    bounded(|| {
        each_runtime(|runtime| {
            everywhere(runtime, || {
                let count = AtomicUsize::new(0);
                scope(|outer| {
                    for _ in 0..4 {
                        let count = &count;
                        drop(outer.spawn_fn("64K", move || {
                            scope(|inner| {
                                for _ in 0..4 {
                                    drop(
                                        inner
                                            .spawn(async { count.fetch_add(1, Ordering::Relaxed) }),
                                    );
                                }
                            });
                            drop(outer.spawn(async { count.fetch_add(100, Ordering::Relaxed) }));
                        }));
                    }
                });
                assert_eq!(count.into_inner(), 416);
            });
        });
    });
}

/// Looks at what is borrowed when the fiber ends, in whichever way.
struct OnDrop<F: Fn()>(
    F,
    #[expect(dead_code, reason = "it counts its drop")] common::DropToken,
);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What a borrowed thing is: it knows when it is gone.
struct Lent(Arc<AtomicBool>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_cancelled_scope_ends_its_fibers_before_what_they_borrow() {
    bounded(|| {
        each_runtime(|runtime| {
            for kind in 0..3 {
                let is_gone = Arc::new(AtomicBool::new(false));
                let drops = DropCount::default();
                let (lent, gone, tokens) = (Lent(is_gone.clone()), is_gone.clone(), drops.clone());
                let body = move || {
                    let lent = lent;
                    scope(|scope| {
                        for index in 0..6 {
                            let (lent, gone) = (&lent, &gone);
                            let token = tokens.token();
                            let check = move || {
                                assert!(
                                    !gone.load(Ordering::SeqCst),
                                    "it outlived what it borrows"
                                );
                                let _ = lent;
                            };
                            let guard = OnDrop(check, token);
                            if index % 2 == 0 {
                                drop(scope.spawn(async move {
                                    let _guard = guard;
                                    pending::<()>().await;
                                }));
                            } else {
                                drop(scope.spawn_fn("64K", move || {
                                    let _guard = guard;
                                    wait(pending::<()>());
                                }));
                            }
                        }
                        if kind == 1 {
                            wait(pending::<()>());
                        }
                    });
                };
                let handle = if kind == 2 {
                    runtime.spawn(async move { body() })
                } else {
                    runtime.spawn_with_stack("64K", body)
                };
                until("all were spawned", || drops.made() == 6);
                thread::sleep(Duration::from_millis(2));
                assert!(!is_gone.load(Ordering::SeqCst));
                handle.abort();
                assert!(handle.wait().unwrap_err().is_cancelled());
                assert_eq!(drops.count(), 6);
                assert!(is_gone.load(Ordering::SeqCst));
            }
        });
    });
}

#[test]
fn shutting_down_ends_scopes_and_what_is_in_them() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = DropCount::default();
            let tokens = drops.clone();
            let handle = runtime.spawn_with_stack("64K", move || {
                let lent = tokens.token();
                scope(|scope| {
                    let _borrowed = &lent;
                    for _ in 0..4 {
                        let token = tokens.token();
                        drop(scope.spawn(async move {
                            let _token = token;
                            pending::<()>().await;
                        }));
                    }
                });
            });
            until("all were spawned", || drops.made() == 5);
            runtime.shutdown(common::LIMIT).unwrap();
            // Whether it sees its own cancellation before the end of the last is open.
            drop(handle.wait());
            assert_eq!(drops.count(), 5);
        });
    });
}

#[test]
fn panics_come_out_when_all_have_ended() {
    bounded(|| {
        each_runtime(|runtime| {
            everywhere(runtime, || {
                let ended = AtomicUsize::new(0);
                let slow = || {
                    for _ in 0..20 {
                        wait(yield_now());
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                };
                // Of the closure.
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    scope(|scope| {
                        drop(scope.spawn_fn("64K", slow));
                        panic!("of the closure");
                    });
                }));
                assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"of the closure"));
                assert_eq!(ended.load(Ordering::SeqCst), 1);
                // Of a fiber whose handle is dropped: early, late, or never looked at.
                for kind in 0..3 {
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        scope(|scope| {
                            let handle = scope.spawn(async { panic!("of a fiber") });
                            let slow = scope.spawn_fn("64K", slow);
                            if kind == 1 {
                                slow.wait().unwrap();
                                while !handle.is_finished() {
                                    wait(yield_now());
                                }
                            }
                            if kind == 2 {
                                let error: dtact::JoinError = handle.wait().unwrap_err();
                                assert_eq!(error.panic_message(), Some("of a fiber"));
                            }
                        });
                    }));
                    assert_eq!(caught.is_err(), kind != 2, "kind {kind}");
                }
                assert_eq!(ended.load(Ordering::SeqCst), 4);
            });
        });
    });
}

#[test]
fn a_forgotten_handle_leaks_its_value_and_nothing_else() {
    bounded(|| {
        each_runtime(|runtime| {
            everywhere(runtime, || {
                let lent = String::from("lent");
                scope(|scope| {
                    let handle = scope.spawn(async { lent.as_str() });
                    #[allow(clippy::mem_forget, reason = "this is the test")]
                    std::mem::forget(handle);
                });
                drop(lent);
            });
        });
    });
}

#[test]
fn ids_let_any_number_wait_for_the_end() {
    bounded(|| {
        each_runtime(|runtime| {
            for detach in [false, true] {
                let (sender, receiver) = async_channel::bounded::<()>(1);
                let target = runtime.spawn(async move {
                    let _closed = receiver.recv().await;
                    7
                });
                let id = target.id().unwrap();
                assert!(id.is_alive());
                assert_eq!(target.id(), Some(id));
                let waiters: Vec<_> = (0..8)
                    .map(|index| match index % 3 {
                        0 => runtime.spawn(id.ended()),
                        1 => runtime.spawn(async move { id.await }),
                        _ => runtime.spawn_with_stack("64K", move || id.wait()),
                    })
                    .collect();
                // One that gives up, and one that has a host thread of its own.
                let given_up = runtime.spawn(id.ended());
                given_up.abort();
                assert!(given_up.wait().is_err() || !id.is_alive());
                let host = thread::spawn(move || id.wait());
                assert!(id.is_alive());
                let target = if detach { None } else { Some(target) };
                drop(sender);
                for waiter in waiters {
                    waiter.wait().unwrap();
                }
                host.join().unwrap();
                assert!(!id.is_alive());
                id.wait();
                id.abort();
                if let Some(target) = target {
                    assert_eq!(target.wait().unwrap(), 7);
                }
            }
            let own = runtime.spawn(async { dtact::FiberId::current() });
            let id = own.id();
            assert_eq!(own.wait().unwrap(), id);
            assert_eq!(dtact::FiberId::current(), None);
        });
    });
}

#[test]
fn an_id_outlives_its_runtime() {
    bounded(|| {
        let runtime = dtact::Builder::new().workers(1).build().unwrap();
        let handle = runtime.spawn(pending::<()>());
        let id = handle.id().unwrap();
        let host = thread::spawn(move || id.wait());
        drop(handle);
        drop(runtime);
        host.join().unwrap();
        assert!(!id.is_alive());
        id.wait();
    });
}

#[test]
fn blocked_code_holds_up_no_other_fiber() {
    bounded(|| {
        for workers in [1, 2] {
            let runtime = common::stackful().workers(workers).build().unwrap();
            let (sender, receiver) = std::sync::mpsc::channel::<u32>();
            // As many as there are workers, and more, block on what only other fibers do.
            let receiver = std::sync::Mutex::new(receiver);
            let receiver = Arc::new(receiver);
            let blocked: Vec<_> = (0..workers + 2)
                .map(|_| {
                    let receiver = receiver.clone();
                    runtime.block_on(async {
                        dtact::spawn_blocking(move || receiver.lock().unwrap().recv().unwrap())
                    })
                })
                .collect();
            let senders = runtime.spawn(async move {
                for value in 0..u32::try_from(workers + 2).unwrap() {
                    let sender = sender.clone();
                    // What is spawned and woken from within reaches the others.
                    spawn(async move {
                        dtact::blocking(|| {
                            let beside = spawn(async move { value });
                            sender.send(wait(beside).unwrap()).unwrap();
                        });
                        yield_now().await;
                    })
                    .await
                    .unwrap();
                }
            });
            senders.wait().unwrap();
            let mut values: Vec<_> = blocked.into_iter().map(|it| it.wait().unwrap()).collect();
            values.sort_unstable();
            assert!(
                values
                    .iter()
                    .copied()
                    .eq(0..u32::try_from(workers + 2).unwrap())
            );
            // A panic passes through, and the worker goes on.
            let panicked = runtime.spawn(async { dtact::blocking(|| panic!("inside")) });
            assert_eq!(panicked.wait().unwrap_err().panic_message(), Some("inside"));
            assert_eq!(runtime.spawn_with_stack("64K", || 1).wait().unwrap(), 1);
            drop(spawn_with_stack::<fn(), ()>("64K", || {}));
        }
    });
}
