//! Thread-locals that point into a fiber's stack while a closure runs: nothing is suspended then.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    cell::Cell,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use common::{bounded, stackful, until};
use dtact::{
    JoinError, WaitExt as _, scope, spawn, spawn_local, spawn_with_stack, wait, yield_now,
};

/// What the crate `scoped-tls` does, with its interface: safe, and sound as long as closures return
/// before anything else happens on their thread.
mod scoped {
    use std::{cell::Cell, ptr, thread::LocalKey};

    pub(crate) struct Scoped(pub(crate) &'static LocalKey<Cell<*const u32>>);

    impl Scoped {
        pub(crate) fn set<R>(&self, value: &u32, body: impl FnOnce() -> R) -> R {
            struct Restore(&'static LocalKey<Cell<*const u32>>, *const u32);
            impl Drop for Restore {
                fn drop(&mut self) {
                    self.0.set(self.1);
                }
            }
            let _restore = Restore(self.0, self.0.replace(ptr::from_ref(value)));
            body()
        }

        pub(crate) fn get(&self) -> Option<u32> {
            let pointer = self.0.get();
            // SAFETY: null, or set by `set`, whose closure is under way.
            unsafe { pointer.as_ref() }.copied()
        }
    }
}

thread_local!(static PLACE: Cell<*const u32> = const { Cell::new(ptr::null()) });
static CONTEXT: scoped::Scoped = scoped::Scoped(&PLACE);

/// The program of `docs/soundness.md`: two fibers that leave their scopes in the order in which
/// they entered them, and all the others on their thread.
#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn no_fiber_sees_a_scoped_thread_local_of_another() {
    bounded(|| {
        for workers in [1, 2] {
            let runtime = stackful().workers(workers).stack("64K").build().unwrap();
            let (open_a, gate_a) = async_channel::bounded::<()>(1);
            let (open_b, gate_b) = async_channel::bounded::<()>(1);
            let inside = Arc::new(AtomicUsize::new(0));
            let enter = |value: u32, gate: async_channel::Receiver<()>| {
                let inside = Arc::clone(&inside);
                runtime.spawn_with_stack("64K", move || {
                    assert_eq!(CONTEXT.get(), None);
                    CONTEXT.set(&value, || {
                        inside.fetch_add(1, Ordering::SeqCst);
                        wait(gate.recv()).unwrap();
                        assert_eq!(CONTEXT.get(), Some(value));
                    });
                    assert_eq!(CONTEXT.get(), None);
                })
            };
            let (a, b) = (enter(1, gate_a), enter(2, gate_b));
            until("both are inside", || inside.load(Ordering::SeqCst) == 2);
            let others = || {
                for _ in 0..100 {
                    assert_eq!(runtime.spawn(async { CONTEXT.get() }).wait().unwrap(), None);
                }
            };
            others();
            open_a.send_blocking(()).unwrap();
            a.wait().unwrap();
            others();
            open_b.send_blocking(()).unwrap();
            b.wait().unwrap();
            others();
            let metrics = runtime.metrics();
            assert_eq!(metrics.stackful_suspensions, 0, "{metrics:?}");
            assert!(metrics.blocked_waits >= 2, "{metrics:?}");
        }
    });
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn a_fiber_whose_turn_it_is_when_it_is_joined_in_a_scope_does_not_see_it() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let fiber = runtime.spawn_with_stack("64K", || {
            for value in 0..40 {
                CONTEXT.set(&value, || {
                    let seen = spawn_with_stack("64K", || CONTEXT.get());
                    assert_eq!(seen.wait().unwrap(), None);
                    assert_eq!(CONTEXT.get(), Some(value));
                });
            }
        });
        fiber.wait().unwrap();
    });
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn a_scope_within_the_initialiser_of_a_thread_local_is_seen_by_nobody_either() {
    thread_local! {
        static LAZY: u32 = {
            let value = 7;
            CONTEXT.set(&value, || {
                // Others run meanwhile, elsewhere.
                let seen = spawn(async {
                    yield_now().await;
                    CONTEXT.get()
                });
                assert_eq!(seen.wait().unwrap(), None);
                CONTEXT.get().unwrap()
            })
        };
    }
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let fibers: Vec<_> = (0..8)
            .map(|_| runtime.spawn_with_stack("64K", || LAZY.with(|lazy| *lazy)))
            .collect();
        for fiber in fibers {
            assert_eq!(fiber.wait().unwrap(), 7);
        }
        assert!(runtime.metrics().blocked_waits >= 1);
    });
}

#[test]
fn a_region_that_is_left_and_one_that_points_elsewhere_do_not_block() {
    thread_local!(static PLAIN: Cell<u32> = const { Cell::new(0) });
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let fiber = runtime.spawn_with_stack("64K", || {
            let local = 1;
            CONTEXT.set(&local, || assert_eq!(CONTEXT.get(), Some(1)));
            spawn(async {}).wait().unwrap();
            // A thread-local that is borrowed and holds no pointer.
            PLAIN.with(|plain| {
                plain.set(2);
                spawn(async {}).wait().unwrap();
                assert_eq!(plain.get(), 2);
            });
            // A pointer below the frames in use.
            let below = ptr::from_ref(&local).wrapping_byte_sub(16 << 10);
            PLACE.set(below);
            spawn(async {}).wait().unwrap();
            PLACE.set(ptr::null());
        });
        fiber.wait().unwrap();
        let metrics = runtime.metrics();
        assert_eq!(metrics.blocked_waits, 0, "{metrics:?}");
        assert_eq!(metrics.stackful_suspensions, 3, "{metrics:?}");
    });
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn every_kind_of_wait_blocks_within_a_scope() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let fiber = runtime.spawn_with_stack("64K", || {
            let thread = thread::current().id();
            let value = 3;
            CONTEXT.set(&value, || {
                dtact::fiber::yield_now();
                let sum = scope(|scope| {
                    let two = scope.spawn(async {
                        yield_now().await;
                        (CONTEXT.get(), 2)
                    });
                    let one = scope.spawn(async { (CONTEXT.get(), 1) });
                    let (two, one) = (two.wait().unwrap(), one.wait().unwrap());
                    assert_eq!((two.0, one.0), (None, None));
                    two.1 + one.1
                });
                assert_eq!(sum, 3);
                spawn_with_stack("64K", || wait(yield_now()))
                    .wait()
                    .unwrap();
            });
            assert_eq!(thread::current().id(), thread);
            // Suspended again.
            let before = value;
            spawn(async {}).wait().unwrap();
            before
        });
        assert_eq!(fiber.wait().unwrap(), 3);
        assert!(runtime.metrics().blocked_waits >= 1);
    });
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn a_wait_within_a_scope_for_a_fiber_of_the_same_thread_is_an_error_and_not_a_hang() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let fiber = runtime.spawn_with_stack("64K", || {
            let value = 4;
            let inner = CONTEXT.set(&value, || spawn_local(async { 1 }).wait());
            (inner, spawn_local(async { 2 }).wait())
        });
        let (inside, outside) = fiber.wait().unwrap();
        assert!(matches!(inside, Err(JoinError::Deadlock)), "{inside:?}");
        assert_eq!(outside.unwrap(), 2);
    });
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn a_cancelled_fiber_unwinds_out_of_its_scope() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("64K").build().unwrap();
        let (started, begun) = async_channel::bounded(1);
        let fiber = runtime.spawn_with_stack("64K", move || {
            let value = 5;
            CONTEXT.set(&value, || {
                started.try_send(()).unwrap();
                wait(std::future::pending::<()>());
            });
        });
        begun.recv().wait().unwrap();
        fiber.abort();
        assert!(fiber.wait().unwrap_err().is_cancelled());
        for _ in 0..10 {
            assert_eq!(runtime.spawn(async { CONTEXT.get() }).wait().unwrap(), None);
        }
    });
}
