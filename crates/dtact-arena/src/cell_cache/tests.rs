//! What a cache holds back, and in which order it hands out.

use super::*;

fn class() -> CellClass {
    CellPool::class_for(128).expect("the smallest class")
}

#[test]
fn a_cache_never_holds_more_than_its_share() {
    let pool = CellPool::new(256).expect("a small pool");
    let mut cache = CellCache::new();
    let mut cells: Vec<_> = (0..256)
        .map(|_| cache.take(&pool, class()).expect("256 are there"))
        .collect();
    assert!(cache.take(&pool, class()).is_err());
    while let Some(cell) = cells.pop() {
        cache.give_back(&pool, cell);
        assert!(cache.magazines[0].len <= pool.cache_limit);
    }
    assert_eq!(cache.magazines[0].len, pool.cache_limit);
    cache.flush(&pool);
    assert_eq!(cache.magazines[0].len, 0);
    let mut other = CellCache::new();
    let mut taken: Vec<_> = (0..256)
        .map(|_| other.take(&pool, class()).map(CellIndex::raw))
        .collect();
    taken.sort_by_key(|cell| cell.expect("all are back"));
    taken.dedup();
    assert_eq!(taken.len(), 256, "each is there once");
}

#[test]
fn a_full_cache_sheds_its_coldest_cells() {
    let pool = CellPool::new(64).expect("a small pool");
    assert_eq!((pool.chunk, pool.cache_limit), (1, 2));
    let [a, b, c] = [(); 3].map(|()| pool.take(class()).expect("three cells"));
    let mut cache = CellCache::new();
    for cell in [a, b, c] {
        cache.give_back(&pool, cell);
    }
    assert_eq!(pool.take(class()), Ok(a));
    assert_eq!(cache.take(&pool, class()), Ok(c));
    assert_eq!(cache.take(&pool, class()), Ok(b));
}

#[test]
fn a_flushed_cache_can_change_pools() {
    let (one, two) = (
        CellPool::new(64).expect("small"),
        CellPool::new(64).expect("small"),
    );
    let mut cache = CellCache::new();
    let cell = cache.take(&one, class()).expect("a cell");
    cache.give_back(&one, cell);
    cache.flush(&one);
    let cell = cache.take(&two, class()).expect("a cell");
    cache.give_back(&two, cell);
    cache.flush(&two);
}

#[test]
#[should_panic(expected = "a cache is used with one pool")]
fn a_cache_with_cells_of_another_pool_refuses() {
    let (one, two) = (
        CellPool::new(64).expect("small"),
        CellPool::new(64).expect("small"),
    );
    let mut cache = CellCache::new();
    let cell = cache.take(&one, class()).expect("a cell");
    cache.give_back(&one, cell);
    let _ = cache.take(&two, class());
}

#[test]
#[should_panic(expected = "a cell goes back to the pool it came from")]
fn a_cell_beyond_the_pool_is_refused() {
    let pool = CellPool::new(64).expect("small");
    let beyond = CellIndex::from_raw(64).expect("a slot of class 0");
    CellCache::new().give_back(&pool, beyond);
}
