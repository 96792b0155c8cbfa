//! A tree of tasks: each node spawns ten children and adds up what they return.

use std::{future::Future, pin::Pin};

use crate::runtime::Calls;

const CHILDREN: usize = 10;

/// A tree with so many leaves, a power of ten.
pub(super) async fn run<C: Calls>(calls: C, leaves: usize) {
    let sum = calls.join(calls.spawn(node(calls, 0, leaves))).await;
    assert_eq!(sum, (0..leaves).sum());
}

fn node<C: Calls>(
    calls: C,
    first: usize,
    leaves: usize,
) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        let each = leaves / CHILDREN;
        let child = |at: usize| {
            let first = first + at * each;
            if each == 1 {
                calls.spawn(async move { first })
            } else {
                calls.spawn(node(calls, first, each))
            }
        };
        let children: [_; CHILDREN] = std::array::from_fn(child);
        let mut sum = 0;
        for child in children {
            sum += calls.join(child).await;
        }
        sum
    })
}
