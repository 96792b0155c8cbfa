//! The arithmetic of cells.

use super::*;

#[test]
fn cells_of_all_classes_are_aligned_and_disjoint() {
    let pool = CellPool::new(5).expect("a small pool");
    let mut spans = Vec::new();
    for class in CellClass::all() {
        for slot in 0..5 {
            let cell = CellIndex::new(class, slot);
            let address = pool.address(cell).expect("below the capacity").addr().get();
            assert_eq!(address % 64, 0);
            spans.push((address, address + class.bytes()));
        }
        assert_eq!(pool.address(CellIndex::new(class, 5)), None);
    }
    spans.sort_unstable();
    assert!(
        spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{spans:x?}"
    );
}

#[test]
fn small_pools_hold_nothing_back_in_caches_and_large_ones_a_chunk_of_32() {
    let shape = |capacity| {
        let pool = CellPool::new(capacity).expect("address space");
        (pool.chunk, pool.cache_limit)
    };
    assert_eq!(shape(1), (1, 0));
    assert_eq!(shape(31), (1, 0));
    assert_eq!(shape(32), (1, 1));
    assert_eq!(shape(129), (2, 4));
    if cfg!(not(miri)) {
        assert_eq!(shape(2048), (32, 64));
        assert_eq!(shape(CellPool::CAPACITY_MAX), (32, 64));
    }
}
