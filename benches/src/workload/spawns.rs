//! Empty tasks.

use crate::runtime::Calls;

/// Spawns all, then joins them in order.
pub(super) async fn batch<C: Calls>(calls: C, count: usize) {
    let handles: Vec<_> = (0..count).map(|_| calls.spawn(async {})).collect();
    for handle in handles {
        calls.join(handle).await;
    }
}

/// One after the other.
pub(super) async fn serial<C: Calls>(calls: C, count: usize) {
    for _ in 0..count {
        calls.join(calls.spawn(async {})).await;
    }
}
