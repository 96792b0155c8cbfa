//! Owns the set of workers that may hold something which others could take, so that who looks for
//! work reads one line for 64 workers instead of some of each.
//!
//! ```text
//!              push into an empty ring, loot, a slot filled, mail that may move
//!     clear  ------------------------------------------------------------------>  set
//!            <------------------------------------------------------------------
//!                    its worker has nothing, and found nothing in shared queues
//! ```
//!
//! # Why a clear bit hides nothing
//! - `[holders.I1]` A bit is cleared only by its worker, and only while rings, chunk and slot are
//!   empty, which nobody else fills.
//!
//! So for a worker's own tasks set and clear are in the order of its program, and no theft can make
//! the bit wrong: it sets the bit before or beside the task, and both before the fence of
//! *announce*, or of *stop* if it is a searcher with loot (`park/README.md`). Whoever *looks* past
//! a later fence sees both.
//!
//! Mail comes from others. Its sender rings, passes a fence, and sets the bit if it reads it as
//! clear; the worker clears the bit, passes a fence, and sets it again if it finds mail. One of the
//! two fences is the first, and who passes the other one sees what came before it.
//!
//! A set bit promises nothing: thieves that empty a ring leave it, since they could not know
//! whether a push came meanwhile.
//!
//! # Ordering
//! All accesses are Relaxed: a hint, but for what the fences above make of them.

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicU64, Ordering},
    task::WorkerId,
};

#[derive(Debug)]
pub(crate) struct Holders(Box<[CachePadded<AtomicU64>]>);

impl Holders {
    pub(crate) fn new(workers_max: usize) -> Self {
        let words = (0..workers_max.div_ceil(64)).map(|_| CachePadded::new(AtomicU64::new(0)));
        Self(words.collect())
    }

    /// How many lines a look at all of them reads.
    pub(crate) fn lines(&self) -> u64 {
        self.0.len() as u64
    }

    /// Sets the bit, with an RMW only if it is clear.
    pub(crate) fn set(&self, worker: WorkerId) {
        let (word, mask) = self.bit(worker.index());
        if word.load(Ordering::Relaxed) & mask == 0 {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }

    /// For the worker itself: it has nothing. A fence and a look at its mail must follow.
    pub(crate) fn clear(&self, worker: WorkerId) {
        let (word, mask) = self.bit(worker.index());
        word.fetch_and(!mask, Ordering::Relaxed);
    }

    /// Whether the worker with this index may hold something.
    pub(crate) fn is_set(&self, index: usize) -> bool {
        let (word, mask) = self.bit(index);
        word.load(Ordering::Relaxed) & mask != 0
    }

    /// The indices of all that may hold something.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut bits = word.load(Ordering::Relaxed);
            core::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.checked_sub(1)?;
                Some(64 * at + bit)
            })
        })
    }

    fn bit(&self, index: usize) -> (&AtomicU64, u64) {
        (&self.0[index / 64], 1 << (index % 64))
    }
}
