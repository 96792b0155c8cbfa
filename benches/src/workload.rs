//! What is measured: each workload is written once, over the few calls that all runtimes share.

use crate::{burst, hand_over};
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// A workload, and how many operations it is.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) count: usize,
}

/// Which work it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Spawns that many empty tasks from inside a task, then joins them in order.
    SpawnJoin,
    /// Spawns and joins one after the other.
    SpawnJoinSerial,
    /// That many yields, shared out among so many tasks.
    Yield { tasks: usize },
    /// Two tasks hand a message back and forth.
    PingPong,
    /// Spawns to workers that sleep: the time until the task runs.
    HandOver,
    /// That many tasks of a microsecond, made by one.
    Burst,
}

pub(crate) const ALL: [&Workload; 8] = [
    &Workload {
        name: "spawn-join/1M",
        kind: Kind::SpawnJoin,
        count: 1_000_000,
    },
    &Workload {
        name: "spawn-join/20k",
        kind: Kind::SpawnJoin,
        count: 20_000,
    },
    &Workload {
        name: "spawn-join/serial",
        kind: Kind::SpawnJoinSerial,
        count: 100_000,
    },
    &Workload {
        name: "yield/1",
        kind: Kind::Yield { tasks: 1 },
        count: 1_000_000,
    },
    &Workload {
        name: "yield/1000",
        kind: Kind::Yield { tasks: 1000 },
        count: 2_000_000,
    },
    &Workload {
        name: "ping-pong",
        kind: Kind::PingPong,
        count: 200_000,
    },
    &Workload {
        name: "hand-over",
        kind: Kind::HandOver,
        count: 500,
    },
    &Workload {
        name: "burst",
        kind: Kind::Burst,
        count: 20_000,
    },
];

/// The calls that all runtimes share. All are made from inside a task.
pub(crate) trait Calls: Copy + Send + Sync + 'static {
    type Handle<T: Send + 'static>: Send + 'static;
    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn join<T: Send + 'static>(self, handle: Self::Handle<T>) -> impl Future<Output = T> + Send;
    fn yield_now(self) -> impl Future<Output = ()> + Send;
}

/// Does the work, and says how long it took.
pub(crate) async fn run<C: Calls>(calls: C, kind: Kind, count: usize) -> Duration {
    let begin = Instant::now();
    match kind {
        Kind::SpawnJoin => {
            let handles: Vec<_> = (0..count).map(|_| calls.spawn(async {})).collect();
            for handle in handles {
                calls.join(handle).await;
            }
        }
        Kind::SpawnJoinSerial => {
            for _ in 0..count {
                let handle = calls.spawn(async {});
                calls.join(handle).await;
            }
        }
        Kind::Yield { tasks } => {
            let handles: Vec<_> = (0..tasks)
                .map(|_| {
                    calls.spawn(async move {
                        for _ in 0..count / tasks {
                            calls.yield_now().await;
                        }
                    })
                })
                .collect();
            for handle in handles {
                calls.join(handle).await;
            }
        }
        Kind::HandOver => return hand_over::run(calls, count).await,
        Kind::Burst => return burst::run(calls, count).await,
        Kind::PingPong => {
            let (ping, pinged) = async_channel::bounded::<usize>(1);
            let (pong, ponged) = async_channel::bounded::<usize>(1);
            let other = calls.spawn(async move {
                while let Ok(message) = pinged.recv().await {
                    pong.send(message).await.expect("the other side listens");
                }
            });
            let this = calls.spawn(async move {
                for message in 0..count {
                    ping.send(message).await.expect("the other side listens");
                    let echo = ponged.recv().await.expect("the other side answers");
                    assert_eq!(echo, message);
                }
            });
            calls.join(this).await;
            calls.join(other).await;
        }
    }
    begin.elapsed()
}
