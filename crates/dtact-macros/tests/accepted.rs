//! Expansions compiled and run against a stand-in for `dtact`, which records what it was told.
#![deny(unsafe_code)]

use core::fmt::Display;
use core::num::ParseIntError;

use dtact_macros::dtact_init;

mod stand_in {
    use core::cell::Cell;

    thread_local! {
        pub(crate) static SEEN: Cell<Builder> = const { Cell::new(Builder::new()) };
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Builder {
        pub(crate) workers: usize,
        pub(crate) fibers: u32,
        pub(crate) stack_bytes: usize,
        pub(crate) stackful: bool,
        pub(crate) mode: Option<TopologyMode>,
        pub(crate) level: Option<SafetyLevel>,
        pub(crate) node: Option<u32>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum TopologyMode {
        Global,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum SafetyLevel {
        Safety0(Unguarded),
        Safety2,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Unguarded;

    impl Unguarded {
        /// # Safety
        ///
        /// None is needed: it promises nothing.
        #[allow(unsafe_code, reason = "the real one is unsafe")]
        pub(crate) unsafe fn promise() -> Self {
            Self
        }
    }

    impl Builder {
        pub(crate) const fn new() -> Self {
            Self {
                workers: 0,
                fibers: 0,
                stack_bytes: 0,
                stackful: false,
                mode: None,
                level: None,
                node: None,
            }
        }

        pub(crate) fn workers(self, workers: usize) -> Self {
            Self { workers, ..self }
        }

        pub(crate) fn fibers(self, fibers: u32) -> Self {
            Self { fibers, ..self }
        }

        pub(crate) fn topology_mode(self, mode: TopologyMode) -> Self {
            let mode = Some(mode);
            Self { mode, ..self }
        }

        pub(crate) fn safety(self, level: SafetyLevel) -> Self {
            let level = Some(level);
            Self { level, ..self }
        }

        pub(crate) fn numa_node(self, node: u32) -> Self {
            let node = Some(node);
            Self { node, ..self }
        }

        pub(crate) fn stack_bytes(self, stack_bytes: usize) -> Self {
            Self {
                stack_bytes,
                ..self
            }
        }

        /// # Safety
        ///
        /// None is needed: it only records that it was called.
        #[allow(unsafe_code, reason = "the real one is unsafe")]
        pub(crate) unsafe fn enable_stackful(self) -> Self {
            Self {
                stackful: true,
                ..self
            }
        }
    }

    pub(crate) mod __private {
        use core::future::Future;
        use core::pin::pin;
        use core::task::{Context, Poll, Waker};

        use super::{Builder, SEEN};

        pub(crate) fn run_sync<R>(builder: Builder, body: impl FnOnce() -> R) -> R {
            SEEN.set(builder);
            body()
        }

        pub(crate) fn run_async<F: Future>(builder: Builder, body: F) -> F::Output {
            SEEN.set(builder);
            match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                Poll::Pending => panic!("these bodies never wait"),
            }
        }
    }
}

use stand_in::{Builder, SEEN};

#[dtact_init(crate = crate::stand_in)]
fn plain() -> u8 {
    7
}

#[dtact_init(workers = 3, capacity = "9", stack = "2M", crate = stand_in)]
async fn fallible() -> Result<u32, Box<dyn core::error::Error>> {
    let number: u32 = core::future::ready("42").await.parse()?;
    if number == 0 {
        return Err("zero".into());
    }
    Ok(number)
}

#[dtact_init(topology = "Global", safety = Safety2, numa = 0, crate = stand_in)]
fn chosen() {}

#[dtact_init(unsafe(safety0), unsafe(stackful), crate = stand_in)]
fn unguarded() {}

#[dtact_init(unsafe(stackful), crate = self::stand_in)]
fn opaque() -> impl Display {
    "opaque"
}

#[dtact_init(workers = 1, crate = stand_in)]
async fn failing() -> Result<(), ParseIntError> {
    let _: u8 = core::future::ready("none").await.parse()?;
    Ok(())
}

#[test]
fn a_sync_body_runs_and_returns() {
    assert_eq!(plain(), 7);
    assert_eq!(SEEN.get(), Builder::new());
}

#[test]
fn an_async_body_is_driven_and_infers_its_error_from_the_signature() {
    assert_eq!(fallible().expect("a number"), 42);
    let seen = SEEN.get();
    assert_eq!(
        (seen.workers, seen.fibers, seen.stack_bytes),
        (3, 9, 2 << 20)
    );
    assert!(!seen.stackful);
    assert!(failing().is_err());
}

#[test]
fn mode_level_and_node_reach_the_builder() {
    chosen();
    let seen = SEEN.get();
    assert_eq!(seen.mode, Some(stand_in::TopologyMode::Global));
    assert_eq!(seen.level, Some(stand_in::SafetyLevel::Safety2));
    assert_eq!(seen.node, Some(0));
    unguarded();
    let promised = stand_in::SafetyLevel::Safety0(stand_in::Unguarded);
    assert_eq!(SEEN.get().level, Some(promised));
    assert!(SEEN.get().stackful);
}

#[test]
fn a_promise_needs_no_unsafe_code_of_the_crate_that_makes_it() {
    assert_eq!(opaque().to_string(), "opaque");
    assert!(SEEN.get().stackful);
}
