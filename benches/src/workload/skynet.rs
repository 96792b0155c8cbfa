//! A tree of tasks: each node spawns ten children and adds up what they return.

use std::{future::Future, pin::Pin};

use crate::runtime::Calls;

const CHILDREN: usize = 10;

/// A tree with so many leaves, a power of ten.
///
/// # Panics
///
/// If they are not that, or fewer than ten.
pub(super) async fn run<C: Calls>(calls: C, leaves: usize) {
    let depth = leaves.checked_ilog(CHILDREN).unwrap_or(0);
    let is_whole = depth > 0 && CHILDREN.pow(depth) == leaves;
    assert!(
        is_whole,
        "a power of ten leaves, ten at least: not {leaves}"
    );
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
