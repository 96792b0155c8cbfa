//! Random sequences of taking and giving back, against a set of what is out.
#![cfg(not(dtact_loom))]

use std::collections::HashSet;

use dtact_arena::{CellCache, CellIndex, CellPool, Stack, StackCache, StackPool};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 100 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Two workers with caches and one thread without: no cell is out twice, and what a worker is
    /// refused is really out or cached.
    #[test]
    fn cells_are_out_once_and_none_is_lost(
        capacity in 1_u32..200,
        steps in vec((0_usize..3, 0_usize..7, 0_usize..1000), 1..400),
    ) {
        let pool = CellPool::new(capacity).expect("a small pool");
        let mut caches = [CellCache::new(), CellCache::new()];
        let mut out: Vec<CellIndex> = Vec::new();
        for (worker, class, choice) in steps {
            let class = CellPool::class_for(CellPool::CLASSES[class]).expect("one of the classes");
            if choice % 5 < 3 {
                let cache = caches.get_mut(worker);
                let taken =
                    cache.map_or_else(|| pool.take(class), |cache| cache.take(&pool, class));
                let of_class = out.iter().filter(|cell| cell.class() == class).count();
                if let Ok(cell) = taken {
                    prop_assert_eq!(cell.class(), class);
                    prop_assert!(!out.contains(&cell), "{:?} is out already", cell);
                    prop_assert!(pool.address(cell).is_some());
                    out.push(cell);
                } else {
                    let cached_max = 2 * (capacity as usize / 32);
                    prop_assert!(of_class + cached_max >= capacity as usize);
                }
            } else if !out.is_empty() {
                let cell = out.swap_remove(choice % out.len());
                match caches.get_mut(worker) {
                    Some(cache) => cache.give_back(&pool, cell),
                    None => pool.give_back(cell),
                }
            }
        }
        for cache in &mut caches {
            cache.flush(&pool);
        }
        let class = CellPool::class_for(1).expect("the smallest class");
        let mut all: HashSet<_> = out.into_iter().filter(|cell| cell.class() == class).collect();
        while let Ok(cell) = pool.take(class) {
            prop_assert!(all.insert(cell), "{:?} is out already", cell);
        }
        prop_assert_eq!(all.len(), capacity as usize);
    }

    /// A stack is refused only when as many as the capacity are out or cached.
    #[test]
    fn stacks_are_out_once_and_none_is_lost(
        capacity in 1_u32..8,
        limit in 0_usize..4,
        steps in vec((0_usize..3, 0_usize..1000), 1..60),
    ) {
        let builder = StackPool::builder().stack_bytes(16 * 1024).capacity(capacity);
        let pool = builder.build().expect("a small pool");
        let mut cache = StackCache::new(limit);
        let mut out: Vec<Stack> = Vec::new();
        for (kind, choice) in steps {
            if choice % 5 < 3 {
                let taken = if kind == 0 { cache.take(&pool) } else { pool.take(kind * 16 * 1024) };
                if let Ok(stack) = taken {
                    prop_assert!(out.iter().all(|other| other.bottom() != stack.bottom()));
                    out.push(stack);
                } else {
                    prop_assert_eq!(pool.metrics().live, capacity);
                }
            } else if !out.is_empty() {
                let stack = out.swap_remove(choice % out.len());
                if kind == 0 { cache.give_back(&pool, stack) } else { pool.give_back(stack) }
            }
            let live = pool.metrics().live as usize;
            prop_assert!((out.len()..=out.len() + limit).contains(&live));
        }
        for stack in out {
            pool.give_back(stack);
        }
        cache.flush(&pool);
        prop_assert_eq!(pool.metrics().live, 0);
    }
}
