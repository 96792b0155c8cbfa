//! What a runtime does when one of its fibers panics, by its policy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{env, future::pending, panic::panic_any, time::Duration};

use common::{DropCount, bounded, park_in_each_way, stackful, this_program, until};
use dtact::{Builder, JoinError, PanicPolicy, Runtime, SpawnError, spawn_with, wait, yield_now};

fn runtime(builder: Builder, policy: PanicPolicy) -> Runtime {
    builder
        .workers(2)
        .stack("64K")
        .panic_policy(policy)
        .build()
        .unwrap()
}

/// A value whose destructor panics.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic_any("in a destructor");
    }
}

#[test]
fn by_default_a_panic_concerns_nobody_but_the_joiner() {
    bounded(|| {
        let runtime = runtime(Builder::new(), PanicPolicy::default());
        let other = runtime.spawn(pending::<()>());
        let panics = runtime.spawn(async { panic!("over") });
        assert!(panics.wait().unwrap_err().is_panic());
        assert!(!other.is_finished());
        assert_eq!(runtime.spawn(async { 1 }).wait().unwrap(), 1);
    });
}

#[test]
fn a_panic_shuts_the_runtime_down_where_that_is_the_policy() {
    bounded(|| {
        for builder in [Builder::new(), stackful()] {
            let runtime = runtime(builder, PanicPolicy::ShutDown);
            let drops = DropCount::default();
            let others = park_in_each_way(&runtime, &drops);
            let panics = runtime.spawn(async {
                yield_now().await;
                panic!("over")
            });
            let error: JoinError = panics.wait().unwrap_err();
            assert_eq!(error.panic_message(), Some("over"));
            for other in others {
                assert!(other.wait().unwrap_err().is_cancelled());
            }
            assert_eq!(drops.count(), 3);
            let refused = runtime.spawn(async {}).wait();
            assert!(matches!(
                refused,
                Err(JoinError::NotSpawned(SpawnError::ShutDown))
            ));
            runtime.shutdown(Duration::from_secs(30)).unwrap();
        }
    });
}

#[test]
fn a_destructor_that_panics_at_a_cancellation_counts() {
    bounded(|| {
        let runtime = runtime(Builder::new(), PanicPolicy::ShutDown);
        let other = runtime.spawn(pending::<()>());
        let explosive = runtime.spawn(async {
            let _explosive = Explosive;
            pending::<()>().await;
        });
        until("it waits", || {
            let dump = runtime.dump();
            let parked = |it: &dtact::FiberDump| it.status() == dtact::FiberStatus::Parked;
            dump.fibers().len() == 2 && dump.fibers().iter().all(parked)
        });
        explosive.abort();
        assert!(explosive.wait().unwrap_err().is_panic());
        assert!(other.wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_cancellation_that_unwinds_is_no_panic() {
    bounded(|| {
        let runtime = runtime(stackful(), PanicPolicy::Abort);
        let waits = runtime.spawn_with_stack("64K", || wait(pending::<()>()));
        waits.abort();
        assert!(waits.wait().unwrap_err().is_cancelled());
    });
}

const CHILD: &str = "DTACT_PANIC_CHILD";

/// Runs as a child process, by the tests below.
#[test]
#[ignore = "a child process of the others, which ends by an abort"]
fn child() {
    let runtime = runtime(stackful(), PanicPolicy::Abort);
    match env::var(CHILD).unwrap_or_default().as_str() {
        "poll" => {
            let _error = runtime.block_on(async {
                let culprit = spawn_with().name("the culprit").spawn(async {
                    yield_now().await;
                    panic!("for the test");
                });
                culprit.await
            });
        }
        "closure" => {
            let panics = runtime.spawn_with_stack("64K", || {
                wait(yield_now());
                panic!("for the test");
            });
            let _error = panics.wait();
        }
        "detached" => {
            drop(runtime.spawn(async { panic!("for the test") }));
            let _never = runtime.spawn(pending::<()>()).wait();
        }
        other => panic!("no child is called {other:?}"),
    }
    unreachable!("the panic aborts the process");
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no processes")]
fn a_panic_aborts_the_process_where_that_is_the_policy_and_says_whose_it_was() {
    for kind in ["poll", "closure", "detached"] {
        let output = this_program()
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, kind)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{kind}: {text}");
        assert!(text.contains("for the test"), "{kind}: {text}");
        assert!(text.contains("`Builder::panic_policy`"), "{kind}: {text}");
        assert!(!text.contains("unreachable"), "{kind}: {text}");
        assert_eq!(kind == "poll", text.contains("the culprit"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            const SIGABRT: i32 = 6;
            assert_eq!(output.status.signal(), Some(SIGABRT), "{kind}: {text}");
        }
    }
}
