//! However a fiber lives and ends, what it owns is dropped exactly once, and its joiner learns how
//! it ended: random lives, shrunk when one goes wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{future::pending, sync::Once};

use common::{DropCount, DropToken, bounded, emulated, stackful};
use dtact::{Builder, JoinHandle, Runtime, spawn, spawn_with_stack, wait, yield_now};
use proptest::{collection::vec, prelude::*};

/// What a fiber does before it ends. Each can be a suspension, with or without a stack.
#[derive(Clone, Copy, Debug)]
enum Step {
    AwaitYield,
    WaitYield,
    AwaitChild,
    WaitChild,
    WaitClosureChild,
    CatchPanic,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Return,
    Panic,
    AwaitForEver,
    WaitForEver,
}

/// What becomes of its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handle {
    Join,
    Abort,
    Drop,
    KeepToTheEnd,
}

#[derive(Clone, Debug)]
struct Life {
    is_closure: bool,
    is_large: bool,
    steps: Vec<Step>,
    exit: Exit,
    handle: Handle,
}

fn life() -> impl Strategy<Value = Life> {
    let step = prop_oneof![
        Just(Step::AwaitYield),
        Just(Step::WaitYield),
        Just(Step::AwaitChild),
        Just(Step::WaitChild),
        Just(Step::WaitClosureChild),
        Just(Step::CatchPanic),
    ];
    let exit = prop_oneof![
        Just(Exit::Return),
        Just(Exit::Panic),
        Just(Exit::AwaitForEver),
        Just(Exit::WaitForEver),
    ];
    let handle = prop_oneof![
        Just(Handle::Join),
        Just(Handle::Abort),
        Just(Handle::Drop),
        Just(Handle::KeepToTheEnd),
    ];
    (any::<bool>(), any::<bool>(), vec(step, 0..6), exit, handle).prop_map(
        |(is_closure, is_large, steps, exit, handle)| Life {
            is_closure,
            is_large,
            steps,
            exit,
            handle,
        },
    )
}

async fn child(token: DropToken) -> u32 {
    let _token = token;
    yield_now().await;
    1
}

async fn step(step: Step, drops: &DropCount) {
    match step {
        Step::AwaitYield => yield_now().await,
        Step::WaitYield => wait(yield_now()),
        // A child may be cancelled by the end of the runtime.
        Step::AwaitChild => drop(spawn(child(drops.token())).await),
        Step::WaitChild => drop(spawn(child(drops.token())).wait()),
        Step::WaitClosureChild => {
            let token = drops.token();
            drop(
                spawn_with_stack("128K", move || {
                    let _token = token;
                    wait(yield_now());
                })
                .wait(),
            );
        }
        Step::CatchPanic => {
            let token = drops.token();
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _token = token;
                panic!("expected: caught inside");
            }));
            assert!(caught.is_err());
        }
    }
}

async fn live(life: Life, token: DropToken, drops: DropCount) -> DropToken {
    for what in life.steps {
        step(what, &drops).await;
    }
    match life.exit {
        Exit::Return => {}
        Exit::Panic => panic!("expected: a fiber's end"),
        Exit::AwaitForEver => pending().await,
        Exit::WaitForEver => wait(pending()),
    }
    token
}

fn start(runtime: &Runtime, life: Life, drops: &DropCount) -> JoinHandle<DropToken> {
    let (token, counter) = (drops.token(), drops.clone());
    let large = life.is_large.then_some([0_u8; 10_000]);
    if life.is_closure {
        runtime.spawn_with_stack("128K", move || {
            let _large = std::hint::black_box(large);
            wait(live(life, token, counter))
        })
    } else if let Some(large) = large {
        runtime.spawn(async move {
            let token = live(life, token, counter).await;
            assert_eq!(std::hint::black_box(large)[9_999], 0);
            token
        })
    } else {
        runtime.spawn(live(life, token, counter))
    }
}

fn check(lives: &[Life], workers: usize, is_stackful: bool) {
    let builder = if is_stackful {
        stackful()
    } else {
        Builder::new()
    };
    let runtime = builder.workers(workers).stack("256K").build().unwrap();
    let drops = DropCount::default();
    let mut kept = Vec::new();
    for life in lives {
        let never_ends = matches!(life.exit, Exit::AwaitForEver | Exit::WaitForEver);
        let handle = start(&runtime, life.clone(), &drops);
        match life.handle {
            // Joining what never ends would not end either.
            Handle::Join if !never_ends => {
                let outcome = handle.wait();
                match life.exit {
                    Exit::Panic => assert!(outcome.unwrap_err().is_panic()),
                    _ => drop(outcome.unwrap()),
                }
            }
            Handle::Abort | Handle::Join => {
                handle.abort();
                match handle.wait() {
                    Ok(_) => assert_eq!(life.exit, Exit::Return),
                    Err(error) if error.is_panic() => assert_eq!(life.exit, Exit::Panic),
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
            Handle::Drop => drop(handle),
            Handle::KeepToTheEnd => kept.push(handle),
        }
    }
    drop(runtime);
    for handle in kept {
        drop(handle.wait());
    }
    assert_eq!(drops.count(), drops.made(), "each token was dropped once");
}

/// The panics of this test are expected; their backtraces would bury what is not.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<&str>().unwrap_or(&"");
            if !message.starts_with("expected: ") {
                usual(info);
            }
        }));
    });
}

#[test]
fn whatever_a_fiber_owns_is_dropped_once() {
    silence_expected_panics();
    bounded(|| {
        // An emulator takes a hundred times as long to start and end a thread.
        let cases = if emulated() { 30 } else { 200 };
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..Default::default()
        };
        proptest!(config, |(lives in vec(life(), 1..12), workers in 1..4_usize, stackful: bool)| {
            check(&lives, workers, stackful);
        });
    });
}
