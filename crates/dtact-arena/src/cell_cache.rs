//! A worker's own free cells: one magazine for each class, most recently used first.
//!
//! ```text
//!            give_back ──►┐ ┌──► take
//!   magazine  [ cold … hot ]
//!               │        ▲
//!     full: the coldest  │ empty: a chunk
//!               ▼        │
//!   depot of the class, shared
//! ```

use crate::cell::{CellClass, CellIndex};
use crate::cell_pool::{CHUNK_MAX, CellPool};
use crate::error::ArenaError;

/// The most cells of one class in a cache.
const MAGAZINE_MAX: usize = 2 * CHUNK_MAX as usize;

/// As many as three class bits can tell apart, so that none needs a check.
const MAGAZINE_COUNT: usize = 8;

/// A worker's cache of cells over a [`CellPool`]: taking and giving back are a few plain
/// instructions while the magazine of the class is neither empty nor full.
///
/// Cells move between cache and pool in chunks of up to 32. In small pools less is held back: a
/// chunk is at most a 64th of the class (at least one), a cache keeps at most a 32nd, and in pools
/// of fewer than 32 cells caches keep none. Cells in a cache count as taken: others cannot have
/// them. Dropping a cache that is not empty loses its cells to the pool for good: call
/// [`flush`](Self::flush) first.
///
/// ```
/// use dtact_arena::{CellCache, CellPool};
///
/// let pool = CellPool::new(1000)?;
/// let class = CellPool::class_for(128).unwrap();
/// let mut cache = CellCache::new();
/// let cell = cache.take(&pool, class)?;
/// cache.give_back(&pool, cell);
/// assert_eq!(cache.take(&pool, class)?, cell, "the last one in is the first one out");
/// cache.give_back(&pool, cell);
/// cache.flush(&pool);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping a cache loses the cells in it"]
pub struct CellCache {
    /// The pool whose cells are inside; 0 before the first use, when all magazines are empty.
    pool_id: u64,
    magazines: [Magazine; MAGAZINE_COUNT],
}

/// Cells of one class; `cells[..len]` are there, the last is the hottest.
#[derive(Copy, Clone, Debug)]
struct Magazine {
    /// At most [`MAGAZINE_MAX`].
    len: u32,
    cells: [CellIndex; MAGAZINE_MAX],
}

impl Magazine {
    const EMPTY: Self = Self {
        len: 0,
        cells: [NO_CELL; MAGAZINE_MAX],
    };
}

/// What fills the places of a magazine that hold no cell.
const NO_CELL: CellIndex = CellIndex::from_raw(0).expect("class 0 exists");

impl CellCache {
    /// An empty cache. It belongs to the first pool it is used with, until it is empty again.
    pub const fn new() -> Self {
        Self {
            pool_id: 0,
            magazines: [Magazine::EMPTY; MAGAZINE_COUNT],
        }
    }

    /// Takes a cell.
    ///
    /// # Errors
    ///
    /// [`ArenaError::CellsExhausted`], when the magazine is empty and so is the depot.
    ///
    /// # Panics
    ///
    /// When the cache holds cells of another pool.
    #[inline]
    #[track_caller]
    pub fn take(&mut self, pool: &CellPool, class: CellClass) -> Result<CellIndex, ArenaError> {
        let magazine = &mut self.magazines[class.index() % MAGAZINE_COUNT];
        match magazine.len.checked_sub(1) {
            Some(last) if self.pool_id == pool.id => {
                magazine.len = last;
                Ok(magazine.cells[last as usize % MAGAZINE_MAX])
            }
            _ => self.refill(pool, class),
        }
    }

    /// Gives a cell back, by the one who took it, once.
    ///
    /// # Panics
    ///
    /// When the pool has no such cell, or the cache holds cells of another pool.
    #[inline]
    #[track_caller]
    pub fn give_back(&mut self, pool: &CellPool, index: CellIndex) {
        let magazine = &mut self.magazines[index.class().index() % MAGAZINE_COUNT];
        let len = magazine.len;
        if len < pool.cache_limit && index.slot() < pool.capacity && self.pool_id == pool.id {
            magazine.cells[len as usize % MAGAZINE_MAX] = index;
            magazine.len = len + 1;
        } else {
            self.give_back_slowly(pool, index);
        }
    }

    /// Gives all cached cells back to the pool.
    ///
    /// # Panics
    ///
    /// When the cache holds cells of another pool.
    #[track_caller]
    pub fn flush(&mut self, pool: &CellPool) {
        self.bind(pool);
        for class in CellClass::all() {
            let magazine = &mut self.magazines[class.index()];
            while magazine.len > 0 {
                magazine.spill(pool, class, CHUNK_MAX as usize);
            }
        }
        self.pool_id = 0;
    }

    /// Makes the cache this pool's, if it holds nothing of another.
    #[track_caller]
    fn bind(&mut self, pool: &CellPool) {
        if self.pool_id != pool.id {
            let is_empty = self.magazines.iter().all(|magazine| magazine.len == 0);
            assert!(
                is_empty,
                "a cache is used with one pool, flush it between two"
            );
            self.pool_id = pool.id;
        }
    }

    /// Takes a cell for the caller, and the rest of a chunk for later.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill(&mut self, pool: &CellPool, class: CellClass) -> Result<CellIndex, ArenaError> {
        self.bind(pool);
        let magazine = &mut self.magazines[class.index()];
        // The chunk includes the cell for the caller, so that it fits the cache of any pool.
        let mut slots = [0; CHUNK_MAX as usize];
        let (count, _) = pool
            .depot(class)
            .take_chunk(&mut slots[..pool.chunk as usize]);
        let Some((&first, rest)) = slots[..count].split_first() else {
            return Err(pool.exhausted(class));
        };
        // The hottest comes first from the depot, and goes last into the magazine.
        for &slot in rest.iter().rev() {
            magazine.cells[magazine.len as usize] = CellIndex::new(class, slot);
            magazine.len += 1;
        }
        Ok(CellIndex::new(class, first))
    }

    /// Makes room first, or passes the cell on where the pool is too small for caches.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn give_back_slowly(&mut self, pool: &CellPool, index: CellIndex) {
        pool.check(index);
        self.bind(pool);
        if pool.cache_limit == 0 {
            pool.give_back(index);
            return;
        }
        let magazine = &mut self.magazines[index.class().index()];
        if magazine.len >= pool.cache_limit {
            magazine.spill(pool, index.class(), pool.chunk as usize);
        }
        magazine.cells[magazine.len as usize] = index;
        magazine.len += 1;
    }
}

impl Default for CellCache {
    fn default() -> Self {
        Self::new()
    }
}

impl Magazine {
    /// Gives up to `count_max` of the coldest cells back to the depot.
    fn spill(&mut self, pool: &CellPool, class: CellClass, count_max: usize) {
        let len = self.len as usize;
        let count = len.min(count_max);
        let mut slots = [0; CHUNK_MAX as usize];
        // The first of the chunk will be taken first: the hottest of the cold ones.
        for (slot, cell) in slots.iter_mut().zip(self.cells[..count].iter().rev()) {
            *slot = cell.slot();
        }
        pool.depot(class).give_back(&slots[..count]);
        self.cells.copy_within(count..len, 0);
        self.len = u32::try_from(len - count).expect("at most 64");
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests;
