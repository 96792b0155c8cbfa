//! What `#[task]` says arrives at the fiber, however the future is spawned.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::async_yields_async, reason = "handles are handed out")]
#![allow(
    clippy::needless_collect,
    reason = "all begin before the first is joined"
)]

mod common;

use std::{fmt::Display, future::pending, thread, time::Duration};

use common::{bounded, each_runtime, until};
use dtact::{Builder, FiberDump, FiberStatus, scope, spawn, spawn_with, task, wait, yield_now};

/// Adds, and says so.
#[task(name = "adder", stack = "512K", switcher = "SameThreadFloat")]
async fn add(a: u32, (b, _): (u32, u32), mut c: u32) -> u32 {
    c += use_stack(400 << 10);
    yield_now().await;
    a + b + c
}

#[task]
async fn longest<'a, T: AsRef<str> + Sync + ?Sized>(first: &'a T, second: &'a T) -> &'a str {
    yield_now().await;
    let (first, second) = (first.as_ref(), second.as_ref());
    if first.len() < second.len() {
        second
    } else {
        first
    }
}

#[task]
async fn elided(text: &str, count: impl Into<usize>) -> impl Display {
    text.repeat(count.into())
}

#[task(crate = dtact)]
async fn fallible(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.parse::<u32>()?)
}

#[task(name = "sleeper")]
async fn never<const COUNT: usize>(kept: Option<common::DropToken>) -> [u8; COUNT] {
    let ended = pending().await;
    drop(kept);
    ended
}

struct Counter(u32);

impl Counter {
    #[task(name = "method")]
    async fn next(&mut self, by: u32) -> Result<u32, std::num::ParseIntError> {
        let more = "1".parse::<u32>()?;
        self.0 += by + more;
        Ok(self.0)
    }
}

#[inline(never)]
fn use_stack(bytes: usize) -> u32 {
    let frame = [1_u8; 8 << 10];
    let below = bytes.checked_sub(frame.len()).map_or(0, use_stack);
    // Always zero, which the compiler does not know.
    u32::from(std::hint::black_box(&frame)[0]) - 1 + below
}

#[test]
fn a_task_is_spawned_and_awaited_like_any_other() {
    bounded(|| {
        each_runtime(|runtime| {
            // On a thread whose stack is large enough, or on one that it asks for.
            assert_eq!(runtime.block_on(add(1, (2, 0), 3)), 6);
            for _ in 0..50 {
                let spawned = runtime.spawn(add(1, (2, 0), 3));
                assert_eq!(spawned.wait().unwrap(), 6);
            }
            let nested = runtime.spawn(async {
                spawn(add(1, (1, 0), 1)).await.unwrap()
                    + dtact::spawn!(add(2, (2, 0), 2)).await.unwrap()
            });
            assert_eq!(nested.wait().unwrap(), 9);
            let others = runtime.block_on(async {
                let mut counter = Counter(1);
                counter.next(2).await.unwrap();
                (
                    longest("ab", "abc").await.len(),
                    elided("x", 3_u8).await.to_string(),
                    fallible("12").await.unwrap(),
                    fallible("no").await.is_err(),
                    counter.0,
                )
            });
            assert_eq!(others, (3, "xxx".into(), 12, true, 4));
            let (a, b) = (String::from("lent"), String::from("lent longer"));
            let longer = scope(|scope| scope.spawn(longest(&a, &b)).wait().unwrap().len());
            assert_eq!(longer, 11);
        });
    });
}

#[test]
fn names_and_switchers_arrive_at_the_fiber_and_at_no_other() {
    bounded(|| {
        each_runtime(|runtime| {
            let drops = common::DropCount::default();
            let token = drops.token();
            let own = runtime.spawn(never::<3>(Some(token)));
            // Too large for a cell.
            let boxed = runtime.spawn(never::<10_000>(None));
            let inside = runtime.spawn(async {
                let before = [0_u8; 9];
                let after = never::<2>(None).await;
                (before, after)
            });
            let renamed =
                runtime.block_on(async { spawn_with().name("other").spawn(never::<1>(None)) });
            let parked = || {
                let dump = runtime.dump();
                dump.fibers()
                    .iter()
                    .all(|it| it.status() == FiberStatus::Parked)
            };
            until("all are parked", parked);
            let dump = runtime.dump();
            let mut names: Vec<_> = dump.fibers().iter().map(FiberDump::name).collect();
            names.sort_unstable();
            let expected = [None, Some("other"), Some("sleeper"), Some("sleeper")];
            assert_eq!(names, expected, "{dump}");
            own.abort();
            assert!(own.wait().is_err());
            assert_eq!(drops.count(), 1);
            drop((boxed, inside, renamed));
        });
    });
}

#[test]
fn a_task_that_stays_on_its_thread_does() {
    #[task(switcher = SameThreadNoFloat)]
    async fn threads() -> usize {
        let here = thread::current().id();
        for _ in 0..200 {
            yield_now().await;
            wait(yield_now());
            assert_eq!(thread::current().id(), here);
        }
        1
    }
    bounded(|| {
        each_runtime(|runtime| {
            let fibers: Vec<_> = (0..32).map(|_| runtime.spawn(threads())).collect();
            let count: usize = fibers.into_iter().map(|it| it.wait().unwrap()).sum();
            assert_eq!(count, 32);
        });
    });
}

#[test]
fn the_metadata_is_there_to_be_read() {
    assert_eq!(dtact_metadata_add::NAME, "adder");
    assert_eq!(dtact_metadata_add::STACK_SIZE, "512K");
    assert_eq!(dtact_metadata_add::STACK_SIZE_BYTES, Some(512 << 10));
    let _: dtact_metadata_add::SWITCHER = dtact::SameThreadFloat;
    assert_eq!(dtact_metadata_longest::NAME, "longest");
    assert_eq!(dtact_metadata_longest::STACK_SIZE_BYTES, None);
    let task = add(0, (0, 0), 0);
    assert_eq!(task.metadata().name(), "adder");
    assert_eq!(task.metadata().stack_bytes(), Some(512 << 10));
    drop(task);
    let runtime = Builder::new().workers(1).build().unwrap();
    assert!(
        runtime
            .block_on(dtact::time::timeout(Duration::ZERO, never::<1>(None)))
            .is_err()
    );
}
