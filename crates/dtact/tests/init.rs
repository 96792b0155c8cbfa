//! `#[dtact_init]` configures and starts the runtime of the process, and ends it after `main`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use dtact::{Runtime, dtact_init, spawn};

/// The attribute makes the one runtime of the process, so there is one test here.
#[dtact_init(
    workers = 2,
    capacity = "1024",
    stack = "64K",
    topology = "Pinned",
    safety = "Safety2",
    unsafe(stackful)
)]
async fn begin(/* no arguments */) -> Result<u32, dtact::JoinError> {
    let handle = dtact::spawn_with_stack("64K", || spawn(async { 20 }).wait().unwrap() + 1);
    let value = spawn(async { 21 }).await? + handle.await?;
    let metrics = Runtime::global().expect("it was started").metrics();
    assert!(metrics.blocked_waits == 0, "it is stackful: {metrics:?}");
    Ok(value)
}

#[test]
fn main_runs_on_the_runtime_it_configures() {
    assert_eq!(begin().unwrap(), 42);
    let after = spawn(async {}).wait();
    assert!(matches!(
        after,
        Err(dtact::JoinError::NotSpawned(dtact::SpawnError::ShutDown))
    ));
}
