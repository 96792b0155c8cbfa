//! What a `SpawnBuilder` says of a fiber holds, and the dump shows it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::pending,
    sync::mpsc,
    thread::{self, ThreadId},
};

use common::{bounded, each_runtime, stackful, until};
use dtact::{
    Builder, CrossThreadNoFloat, FiberStatus, JoinError, SameThreadFloat, SameThreadNoFloat,
    SpawnBuilder, SpawnError, spawn, spawn_with, wait, yield_now,
};

#[test]
fn the_dump_shows_names_and_where_fibers_were_spawned() {
    bounded(|| {
        each_runtime(|runtime| {
            let handles = runtime.block_on(async {
                [
                    spawn_with().name("first").spawn(pending::<()>()),
                    spawn_with()
                        .name("second")
                        .switcher::<SameThreadFloat>()
                        .spawn_fn(|| wait(pending::<()>())),
                    spawn(pending::<()>()),
                ]
            });
            let dump = runtime.dump();
            let names: Vec<_> = dump
                .fibers()
                .iter()
                .filter_map(dtact::FiberDump::name)
                .collect();
            assert_eq!(names.len(), 2, "{dump}");
            assert!(
                names.contains(&"first") && names.contains(&"second"),
                "{dump}"
            );
            for fiber in dump.fibers() {
                assert_eq!(fiber.location().unwrap().file(), file!(), "{dump}");
            }
            let lines: Vec<_> = dump
                .fibers()
                .iter()
                .map(|it| it.location().unwrap().line())
                .collect();
            assert!(lines[0] != lines[1] && lines[1] != lines[2], "{dump}");
            assert!(dump.to_string().contains("\"first\""), "{dump}");
            assert!(dump.to_string().contains("spawn_builder.rs:"), "{dump}");
            for handle in handles {
                handle.abort();
                assert!(handle.wait().unwrap_err().is_cancelled());
            }
            // The same cells, without names.
            let handles: Vec<_> = (0..3).map(|_| runtime.spawn(pending::<()>())).collect();
            let dump = runtime.dump();
            assert!(
                dump.fibers().iter().all(|fiber| fiber.name().is_none()),
                "{dump}"
            );
            drop(handles);
        });
    });
}

/// Names while fibers come and go are those of fibers that were there, and never two in one.
#[test]
fn names_are_never_torn_while_cells_are_used_again() {
    bounded(|| {
        let runtime = Builder::new().workers(2).build().unwrap();
        let names = [
            "a",
            "a name of some length",
            "another one, which is longer still",
        ];
        let (stop, is_over) = mpsc::channel::<()>();
        let spawner = runtime.spawn(async move {
            while matches!(is_over.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                for name in names {
                    spawn_with().name(name).spawn(yield_now()).await.unwrap();
                }
            }
        });
        for _ in 0..2_000 {
            for fiber in runtime.dump().fibers() {
                assert!(
                    fiber.name().is_none_or(|name| names.contains(&name)),
                    "{fiber}"
                );
            }
        }
        drop(stop);
        spawner.wait().unwrap();
    });
}

#[test]
fn a_same_thread_fiber_stays_on_one_thread() {
    async fn threads() -> Vec<ThreadId> {
        let mut seen = Vec::new();
        for _ in 0..200 {
            seen.push(thread::current().id());
            yield_now().await;
            wait(yield_now());
        }
        seen.dedup();
        seen
    }
    bounded(|| {
        each_runtime(|runtime| {
            let from_outside: Vec<_> = runtime.block_on(async {
                (0..16)
                    .map(|_| SpawnBuilder::<SameThreadFloat>::new().spawn(threads()))
                    .collect()
            });
            let from_inside = runtime.spawn(async {
                let here = thread::current().id();
                let fibers: Vec<_> = (0..16)
                    .map(|_| {
                        spawn_with()
                            .switcher::<SameThreadNoFloat>()
                            .spawn(threads())
                    })
                    .collect();
                (here, fibers)
            });
            for fiber in from_outside {
                assert_eq!(fiber.wait().unwrap().len(), 1);
            }
            let (here, fibers) = from_inside.wait().unwrap();
            for fiber in fibers {
                assert_eq!(fiber.wait().unwrap(), [here]);
            }
        });
    });
}

/// How deep a stack is at least: what a frame of so many bytes proves.
#[inline(never)]
fn use_stack(bytes: usize) -> u8 {
    let frame = [1_u8; 8 << 10];
    let below = match bytes.checked_sub(frame.len()) {
        Some(rest) => use_stack(rest),
        None => 0,
    };
    std::hint::black_box(&frame)[0].wrapping_add(below)
}

#[test]
#[cfg_attr(dtact_asan, ignore = "the tool keeps locals elsewhere")]
fn a_worker_leaves_the_larger_stack_that_one_fiber_asked_for() {
    const LARGE: usize = 2 << 20;
    /// Where the stack is that this runs on, nearly.
    fn here() -> usize {
        let local = 0_u8;
        std::ptr::from_ref(std::hint::black_box(&local)).addr()
    }
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = builder.workers(1).stack("64K").build().unwrap();
            for _ in 0..3 {
                let large = runtime.spawn_with_stack(LARGE, here).wait().unwrap();
                let usual = runtime.spawn(async { here() }).wait().unwrap();
                assert!(large.abs_diff(usual) > LARGE, "{usual:#x} on {large:#x}");
            }
        }
    });
}

#[test]
fn a_floor_gives_futures_and_closures_a_larger_stack() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = builder.workers(2).stack("64K").build().unwrap();
            let handles = runtime.block_on(async {
                let large = spawn_with().stack("512K");
                [
                    large.spawn(async {
                        for _ in 0..20 {
                            use_stack(400 << 10);
                            yield_now().await;
                            wait(yield_now());
                        }
                    }),
                    large.spawn_fn(|| {
                        use_stack(400 << 10);
                    }),
                    large.switcher::<SameThreadFloat>().spawn(async {
                        for _ in 0..20 {
                            use_stack(400 << 10);
                            yield_now().await;
                        }
                    }),
                ]
            });
            for handle in handles {
                handle.wait().unwrap();
            }
        }
    });
}

#[test]
fn a_bad_stack_size_is_refused_and_the_future_given_back() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        runtime.block_on(async {
            let refused = spawn_with()
                .stack("64Q")
                .try_spawn(async { 3 })
                .unwrap_err();
            assert!(matches!(refused.error, SpawnError::BadStackSize(_)));
            assert_eq!(refused.rejected.await, 3);
            let refused = spawn_with().stack("1G").try_spawn_fn(|| 4).unwrap_err();
            assert!(matches!(refused.error, SpawnError::StackTooLarge { .. }));
            assert_eq!((refused.rejected)(), 4);
            let handle = spawn_with().stack(0_usize).spawn(async {});
            assert!(matches!(
                handle.await,
                Err(JoinError::NotSpawned(SpawnError::BadStackSize(_)))
            ));
        });
    });
}

#[test]
fn no_float_fibers_suspend_and_unwind_as_others_do() {
    bounded(|| {
        let runtime = stackful().workers(2).stack("64K").build().unwrap();
        let handles: Vec<_> = runtime.block_on(async {
            (0..64_u32)
                .map(|index| {
                    spawn_with()
                        .switcher::<CrossThreadNoFloat>()
                        .spawn_fn(move || {
                            for _ in 0..50 {
                                wait(yield_now());
                            }
                            index
                        })
                })
                .collect()
        });
        for (index, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.wait().unwrap() as usize, index);
        }
        let parked = runtime.block_on(async {
            let builder = spawn_with().switcher::<SameThreadNoFloat>();
            Some(builder.spawn_fn(|| wait(pending::<()>())))
        });
        let parked = parked.unwrap();
        until("it is suspended", || {
            let dump = runtime.dump();
            dump.fibers()
                .iter()
                .any(|it| it.status() == FiberStatus::Parked)
        });
        parked.abort();
        assert!(parked.wait().unwrap_err().is_cancelled());
    });
}
