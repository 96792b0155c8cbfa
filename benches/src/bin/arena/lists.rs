//! Taking a slot and giving it back: from a cache, from the pool, from a bare list with a tag.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dtact_arena::{CellCache, CellPool, StackCache, StackPool};

use crate::{compare, time, time_on_two};

const COUNT: u32 = 1_000_000;
const SLOTS: u32 = 1024;

/// A lock-free list of slots with a tag of 32 bits and nothing around it: the least that threads
/// without caches can do. R. K. Treiber, IBM RJ 5118, 1986.
struct TaggedList {
    head: AtomicU64,
    links: Vec<AtomicU32>,
}

impl TaggedList {
    fn new() -> Self {
        let list = Self {
            head: AtomicU64::new(0),
            links: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
        };
        (0..SLOTS).for_each(|slot| list.push(slot));
        list
    }

    fn push(&self, slot: u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            self.links[slot as usize].store(low(head), Ordering::Relaxed);
            let next = ((head >> 32).wrapping_add(1) << 32) | u64::from(slot + 1);
            match self
                .head
                .compare_exchange_weak(head, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }

    fn pop(&self) -> Option<u32> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let slot = low(head).checked_sub(1)?;
            let link = self.links[slot as usize].load(Ordering::Relaxed);
            let next = (head & !u64::from(u32::MAX)) | u64::from(link);
            match self
                .head
                .compare_exchange_weak(head, next, Ordering::Relaxed, Ordering::Acquire)
            {
                Ok(_) => return Some(slot),
                Err(current) => head = current,
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn low(head: u64) -> u32 {
    head as u32
}

fn pool() -> StackPool {
    let builder = StackPool::builder().stack_bytes(64 * 1024).capacity(SLOTS);
    builder.build().expect("76 MiB of address space")
}

fn use_cache(pool: &StackPool) {
    let mut cache = StackCache::new(8);
    for _ in 0..COUNT {
        let stack = cache.take(pool).expect("some are free");
        black_box(stack.top());
        cache.give_back(pool, stack);
    }
    cache.flush(pool);
}

fn use_pool(pool: &StackPool) {
    for _ in 0..COUNT {
        let stack = pool.take(64 * 1024).expect("some are free");
        black_box(stack.top());
        pool.give_back(stack);
    }
}

fn use_cells(pool: &CellPool) {
    let class = CellPool::class_for(128).expect("the smallest class");
    let mut cache = CellCache::new();
    for _ in 0..COUNT {
        let cell = cache.take(pool, class).expect("some are free");
        cache.give_back(pool, black_box(cell));
    }
    cache.flush(pool);
}

fn use_list(list: &TaggedList) {
    for _ in 0..COUNT {
        let slot = list.pop().expect("some are free");
        list.push(black_box(slot));
    }
}

fn use_mutex(slots: &Mutex<Vec<u32>>) {
    for _ in 0..COUNT {
        let slot = slots.lock().expect("nobody panics").pop();
        let slot = black_box(slot.expect("some are free"));
        slots.lock().expect("nobody panics").push(slot);
    }
}

pub(crate) fn run(rounds: usize) {
    let pool = pool();
    let cells = CellPool::new(SLOTS).expect("address space for 7 × 1024 cells");
    let list = TaggedList::new();
    let mutex = Mutex::new((0..SLOTS).collect::<Vec<_>>());
    compare(
        "Take and give back, one thread",
        rounds,
        vec![
            (
                "stack, by a cache",
                Box::new(|| time(COUNT, || use_cache(&pool))),
            ),
            (
                "cell, by a cache",
                Box::new(|| time(COUNT, || use_cells(&cells))),
            ),
            (
                "stack, by the pool",
                Box::new(|| time(COUNT, || use_pool(&pool))),
            ),
            (
                "a bare tagged list",
                Box::new(|| time(COUNT, || use_list(&list))),
            ),
            (
                "`Mutex<Vec<u32>>`",
                Box::new(|| time(COUNT, || use_mutex(&mutex))),
            ),
        ],
    );
    compare(
        "Take and give back, two threads at once",
        rounds,
        vec![
            (
                "stack, by a cache",
                Box::new(|| time_on_two(COUNT, || use_cache(&pool))),
            ),
            (
                "cell, by a cache",
                Box::new(|| time_on_two(COUNT, || use_cells(&cells))),
            ),
            (
                "stack, by the pool",
                Box::new(|| time_on_two(COUNT, || use_pool(&pool))),
            ),
            (
                "a bare tagged list",
                Box::new(|| time_on_two(COUNT, || use_list(&list))),
            ),
            (
                "`Mutex<Vec<u32>>`",
                Box::new(|| time_on_two(COUNT, || use_mutex(&mutex))),
            ),
        ],
    );
}
