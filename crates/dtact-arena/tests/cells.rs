//! Cells are handed out to one at a time, keep their content while free, and run out with an error.
#![cfg(not(dtact_loom))]
#![allow(unsafe_code, reason = "writes to the cells it holds")]

use core::ptr::NonNull;
use std::thread;

use dtact_arena::{ArenaError, CellCache, CellClass, CellIndex, CellPool};

fn class() -> CellClass {
    CellPool::class_for(256).expect("there is a class of 256 bytes")
}

fn word(pool: &CellPool, cell: CellIndex) -> NonNull<u64> {
    pool.address(cell).expect("the pool has the cell").cast()
}

fn write(pool: &CellPool, cell: CellIndex, value: u64) {
    // SAFETY: aligned, mapped, and the caller holds the cell.
    unsafe { word(pool, cell).write(value) }
}

fn read(pool: &CellPool, cell: CellIndex) -> u64 {
    // SAFETY: aligned, mapped, zero or written, and the caller holds the cell.
    unsafe { word(pool, cell).read() }
}

#[test]
fn wrong_capacities_are_typed_errors() {
    let capacity_max = CellPool::CAPACITY_MAX;
    let capacity = capacity_max + 1;
    assert_eq!(CellPool::new(0).err(), Some(ArenaError::CapacityZero));
    let too_large = ArenaError::CapacityTooLarge {
        capacity,
        capacity_max,
    };
    assert_eq!(CellPool::new(capacity).err(), Some(too_large));
}

#[test]
fn a_fresh_cell_is_zero_and_a_used_one_keeps_its_content() {
    let pool = CellPool::new(4).expect("a small pool");
    let cell = pool.take(class()).expect("four are there");
    assert_eq!(read(&pool, cell), 0);
    write(&pool, cell, 77);
    pool.give_back(cell);
    assert_eq!(pool.take(class()), Ok(cell));
    assert_eq!(read(&pool, cell), 77);
    assert_eq!(pool.touched(class()), 1);
}

#[test]
fn the_last_cell_is_as_large_as_its_class() {
    let pool = CellPool::new(3).expect("a small pool");
    for class in CellClass::all() {
        let last = (0..3)
            .map(|_| pool.take(class).expect("three are there"))
            .last();
        let address = pool
            .address(last.expect("three were taken"))
            .expect("the pool's own");
        // SAFETY: a cell has the bytes of its class.
        let last_byte = unsafe { address.add(class.bytes() - 1) };
        // SAFETY: inside a cell that this thread holds.
        unsafe { last_byte.write(1) }
    }
}

#[test]
fn exhaustion_is_an_error_and_ends_with_a_cell_given_back() {
    let pool = CellPool::new(4).expect("a small pool");
    let mut caches = [CellCache::new(), CellCache::new()];
    let exhausted = Err(ArenaError::CellsExhausted {
        cell_bytes: 256,
        capacity: 4,
    });
    let cells = [0, 1, 0, 1].map(|worker: usize| {
        caches[worker]
            .take(&pool, class())
            .expect("a small pool is not held back in caches")
    });
    assert_eq!(pool.take(class()), exhausted);
    assert_eq!(caches[0].take(&pool, class()), exhausted);
    caches[1].give_back(&pool, cells[2]);
    assert_eq!(caches[0].take(&pool, class()), Ok(cells[2]));
    let other = CellPool::class_for(1).expect("the smallest class");
    assert!(pool.take(other).is_ok(), "classes run out one by one");
}

#[test]
#[should_panic(expected = "a cell goes back to the pool it came from")]
fn a_cell_beyond_the_pool_is_refused() {
    let pool = CellPool::new(4).expect("a small pool");
    pool.give_back(CellIndex::from_raw(4).expect("a slot of class 0"));
}

#[test]
fn threads_that_hammer_a_pool_through_caches_never_share_a_cell() {
    const THREADS: u64 = 4;
    let rounds: u64 = if cfg!(miri) { 10 } else { 5000 };
    // 4 × (8 held + 8 cached at most) of 256: nobody may find the pool empty.
    let pool = CellPool::new(256).expect("a small pool");
    thread::scope(|scope| {
        for id in 0..THREADS {
            let pool = &pool;
            scope.spawn(move || {
                let mut cache = CellCache::new();
                for round in 0..rounds {
                    let value = (id << 32) | round;
                    let cells = [(); 8].map(|()| cache.take(pool, class()).expect("some are free"));
                    for &cell in &cells {
                        write(pool, cell, value);
                    }
                    assert!(cells.iter().all(|&cell| read(pool, cell) == value));
                    for (place, cell) in cells.into_iter().enumerate() {
                        if place % 3 == 0 {
                            pool.give_back(cell);
                        } else {
                            cache.give_back(pool, cell);
                        }
                    }
                }
                cache.flush(pool);
            });
        }
    });
    let touched = pool.touched(class());
    let mut cells: Vec<_> = (0..256)
        .map(|_| pool.take(class()).expect("all are back").raw())
        .collect();
    cells.sort_unstable();
    cells.dedup();
    assert_eq!(cells.len(), 256);
    assert!(touched <= 256);
}
