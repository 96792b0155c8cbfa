//! Cancellation: futures are dropped at their `.await`, stacks are unwound from their `wait`, and
//! destructors run in both.
//!
//! ```sh
//! cargo run --example cancellation
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dtact::{Builder, spawn, spawn_with_stack, time::timeout, wait, yield_now};

/// Something that has to be put back.
struct Lease(Arc<AtomicU32>);

impl Lease {
    fn new(out: &Arc<AtomicU32>) -> Self {
        out.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(out))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A destructor may wait as well.
        wait(yield_now());
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn main() {
    // SAFETY: nothing here waits in a thread-local's initialiser or a scoped thread-local.
    let builder = unsafe { Builder::new().enable_stackful() };
    let runtime = builder
        .workers(2)
        .build()
        .expect("the machine has two threads");
    let out = Arc::new(AtomicU32::new(0));
    let leases = Arc::clone(&out);
    runtime.block_on(async move {
        let lease = Lease::new(&leases);
        let parked = spawn(async move {
            let _lease = lease;
            pending::<()>().await;
        });
        let lease = Lease::new(&leases);
        let suspended = spawn_with_stack("64K", move || {
            let _lease = lease;
            wait(pending::<()>());
        });
        // Given up when the time is over: the future is dropped, and with it its lease.
        let lease = Lease::new(&leases);
        let late = timeout(Duration::from_millis(5), async move {
            let _lease = lease;
            pending::<()>().await;
        });
        assert!(late.await.is_err());
        println!("{} leases are out", leases.load(Ordering::SeqCst));
        for handle in [parked, suspended] {
            handle.abort();
            let error = handle.await.expect_err("it waits for ever");
            println!("{error}");
            assert!(error.is_cancelled());
        }
    });
    println!("{} leases are out", out.load(Ordering::SeqCst));
    assert_eq!(out.load(Ordering::SeqCst), 0);
}
