//! Numbers that tell pools apart, so that a slot cannot go back to the wrong one.

use crate::sync::counter::{AtomicU64, Ordering};

/// A number that no other pool of the process has; never 0.
pub(crate) fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness matters. 2^64 pools cannot be made in any lifetime.
    NEXT.fetch_add(1, Ordering::Relaxed)
}
