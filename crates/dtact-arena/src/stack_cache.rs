//! A worker's own few stacks of the default class, most recently used first.

use crate::error::ArenaError;
use crate::stack::Stack;
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
    /// Stacks of one pool's default class; the last is the hottest.
    stacks: Vec<Stack>,
    limit: usize,
}

impl StackCache {
    /// An empty cache that keeps up to `limit` stacks; with 0 it keeps none.
    ///
    /// Memory for `limit` entries is allocated here, and none later.
    pub fn new(limit: usize) -> Self {
        Self {
            stacks: Vec::with_capacity(limit),
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
        let cached = self.stacks.pop_if(|stack| stack.pool_id == pool.id);
        cached.map_or_else(|| self.refill(pool), Ok)
    }

    /// Gives a stack back. A cache at its limit moves its older half to the pool.
    ///
    /// # Panics
    ///
    /// When the stack is not from this pool, or the cache holds stacks of another.
    #[inline]
    #[track_caller]
    pub fn give_back(&mut self, pool: &StackPool, stack: Stack) {
        assert!(
            stack.pool_id == pool.id,
            "a stack goes back to the pool it came from"
        );
        if self.stacks.len() < self.limit && pool.is_cached(stack.class) {
            debug_assert!(
                self.stacks.iter().all(|other| other.index != stack.index),
                "stack {} has been given back already",
                stack.index
            );
            self.stacks.push(stack);
        } else {
            self.give_back_slowly(pool, stack);
        }
    }

    /// Gives all cached stacks back to the pool.
    ///
    /// # Panics
    ///
    /// When the cache holds stacks of another pool.
    #[track_caller]
    pub fn flush(&mut self, pool: &StackPool) {
        self.spill(pool, self.stacks.len());
    }

    /// Takes a stack for the caller, and a few for later.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill(&mut self, pool: &StackPool) -> Result<Stack, ArenaError> {
        assert!(
            self.stacks.is_empty(),
            "a cache is used with one pool, flush it between two"
        );
        let wanted = u32::try_from(self.limit / 2).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(1, pool.cache_chunk());
        let mut first = None;
        pool.take_chunk(pool.default_class(), wanted, |stack| match first {
            None => first = Some(stack),
            Some(_) => self.stacks.push(stack),
        })?;
        // The hottest came first, and goes last.
        self.stacks.reverse();
        Ok(first.expect("a chunk without an error is not empty"))
    }

    /// Makes room first, or passes the stack on where it is not to be kept.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn give_back_slowly(&mut self, pool: &StackPool, stack: Stack) {
        if self.limit == 0 || !pool.is_cached(stack.class) {
            pool.give_back(stack);
            return;
        }
        self.spill(pool, self.limit.div_ceil(2));
        self.stacks.push(stack);
    }

    /// Moves the `count` coldest stacks to the pool.
    #[cold]
    #[track_caller]
    fn spill(&mut self, pool: &StackPool, count: usize) {
        pool.give_back_chunk(&self.stacks[..count]);
        self.stacks.drain(..count);
    }
}
