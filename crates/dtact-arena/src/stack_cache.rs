//! A worker's own few stacks of the default class, most recently used first.

#![allow(unsafe_code, reason = "computes addresses of stacks without checks")]

use crate::error::ArenaError;
use crate::stack::{Stack, StackKey};
use crate::stack_pool::StackPool;

/// A magazine of stacks over a pool: taking and giving back touch no shared memory while the
/// magazine is neither empty nor full.
///
/// It serves the pool's default class; stacks of other classes pass through to the pool. Cached
/// stacks count as live in the pool and cannot be taken by others, so keep the limit small beside
/// the capacity. Dropping a cache that is not empty loses its stacks to the pool for good: call
/// [`flush`](Self::flush) first.
///
/// ```
/// use dtact_arena::{StackCache, StackPool};
///
/// let pool = StackPool::builder().capacity(10).build()?;
/// let mut cache = StackCache::new(4);
/// let stack = cache.take(&pool)?;
/// let top = stack.top();
/// cache.give_back(&pool, stack);
/// let stack = cache.take(&pool)?;
/// assert_eq!(stack.top(), top, "the last one in is the first one out");
/// cache.give_back(&pool, stack);
/// cache.flush(&pool);
/// assert_eq!(pool.metrics().live, 0);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping a cache loses the stacks in it"]
pub struct StackCache {
    /// The pool whose stacks are inside; any where there are none.
    pool_id: u64,
    /// Stacks of the pool's default class; the last is the hottest.
    stacks: Vec<StackKey>,
    limit: usize,
}

impl StackCache {
    /// An empty cache that keeps up to `limit` stacks; with 0 it keeps none. It belongs to the
    /// first pool it is used with, until it is empty again.
    ///
    /// Memory for `limit` entries (at least one) is allocated here, and none later.
    pub fn new(limit: usize) -> Self {
        Self {
            pool_id: 0,
            stacks: Vec::with_capacity(limit.max(1)),
            limit,
        }
    }

    /// Takes a stack of the pool's default class.
    ///
    /// # Errors
    ///
    /// As [`StackPool::take`], when the cache is empty.
    ///
    /// # Panics
    ///
    /// When the cache holds stacks of another pool.
    #[inline]
    #[track_caller]
    pub fn take(&mut self, pool: &StackPool) -> Result<Stack, ArenaError> {
        if self.pool_id != pool.id || self.stacks.is_empty() {
            self.refill(pool)?;
        }
        let key = self.stacks.pop().expect("a refill without an error");
        // SAFETY: `push` has kept the key of a stack of this pool's default class, since `bind`
        // lets no keys of two pools meet.
        Ok(unsafe { pool.cached_stack(key) })
    }

    /// Gives a stack back. A cache at its limit moves its older half to the pool.
    ///
    /// # Panics
    ///
    /// When the stack is not from this pool, or the cache holds stacks of another.
    #[inline]
    #[track_caller]
    pub fn give_back(&mut self, pool: &StackPool, stack: Stack) {
        if self.stacks.len() < self.limit
            && self.pool_id == pool.id
            && stack.pool_id == pool.id
            && pool.is_cached(stack.class())
        {
            self.push(stack.key());
        } else {
            self.give_back_slowly(pool, stack);
        }
    }

    /// Whether there is no stack in it.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// Gives all cached stacks back to the pool.
    ///
    /// # Panics
    ///
    /// When the cache holds stacks of another pool.
    #[track_caller]
    pub fn flush(&mut self, pool: &StackPool) {
        self.bind(pool);
        self.spill(pool, self.stacks.len());
    }

    /// Keeps a stack of this pool's default class.
    #[inline]
    #[track_caller]
    fn push(&mut self, key: StackKey) {
        debug_assert!(
            self.stacks.iter().all(|other| other.index != key.index),
            "stack {} has been given back already",
            key.index
        );
        self.stacks.push(key);
    }

    /// Makes the cache this pool's, if it holds nothing of another.
    #[track_caller]
    fn bind(&mut self, pool: &StackPool) {
        assert!(
            self.pool_id == pool.id || self.stacks.is_empty(),
            "a cache is used with one pool, flush it between two"
        );
        self.pool_id = pool.id;
    }

    /// Takes a stack for the caller, and a few for later.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill(&mut self, pool: &StackPool) -> Result<(), ArenaError> {
        self.bind(pool);
        let wanted = u32::try_from(self.limit / 2).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(1, pool.cache_chunk());
        pool.take_for_cache(wanted, |key| self.push(key))?;
        // The hottest came first, and goes last.
        self.stacks.reverse();
        Ok(())
    }

    /// Makes room first, or passes the stack on where it is not to be kept.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn give_back_slowly(&mut self, pool: &StackPool, stack: Stack) {
        assert!(
            stack.pool_id == pool.id,
            "a stack goes back to the pool it came from"
        );
        if self.limit == 0 || !pool.is_cached(stack.class()) {
            pool.give_back(stack);
            return;
        }
        self.bind(pool);
        if self.stacks.len() == self.limit {
            self.spill(pool, self.limit.div_ceil(2));
        }
        self.push(stack.key());
    }

    /// Moves the `count` coldest stacks to the pool.
    #[track_caller]
    fn spill(&mut self, pool: &StackPool, count: usize) {
        pool.give_back_cached(&self.stacks[..count]);
        self.stacks.drain(..count);
    }
}
