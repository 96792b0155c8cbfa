//! Takes stacks and cells and gives them back, with caches and without, in any order.
//!
//! The bytes of an input are the sizes of the pools, then steps. What has to hold: a piece has one
//! holder, its memory is its own and can be written, a pool is exhausted only when it is, and in
//! the end all are there again.
#![no_main]

use std::time::{Duration, Instant};

use dtact_arena::{CellCache, CellIndex, CellPool, Stack, StackCache, StackPool};
use libfuzzer_sys::fuzz_target;

/// A cell with what was written into it.
struct Held {
    cell: CellIndex,
    mark: u8,
}

fn check(pool: &CellPool, held: &Held) {
    let address = pool.address(held.cell).expect("the pool's own");
    // SAFETY: a cell has 128 bytes at least, this one is held, and `write` has written them.
    let bytes = unsafe { std::slice::from_raw_parts(address.as_ptr(), 128) };
    assert!(
        bytes.iter().all(|byte| *byte == held.mark),
        "a cell is shared"
    );
}

fn write(pool: &CellPool, held: &Held) {
    let address = pool.address(held.cell).expect("the pool's own");
    // SAFETY: a cell has 128 bytes at least, and this one is held.
    unsafe { address.as_ptr().write_bytes(held.mark, 128) }
}

/// The lowest and the highest word of a stack.
fn ends(stack: &Stack) -> [*mut u64; 2] {
    let top = stack.top().as_ptr().cast::<u64>();
    [stack.bottom().as_ptr().cast(), top.wrapping_sub(1)]
}

fn cells(capacity: u32, steps: &[u8]) {
    let pool = CellPool::new(capacity).expect("a small pool");
    let mut cache = CellCache::new();
    let mut out: Vec<Held> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let is_cached = step & 1 == 0;
        let class = CellPool::CLASSES[usize::from(step >> 2 & 7) % CellPool::CLASSES.len()];
        let class = CellPool::class_for(class).expect("one of the classes");
        let mark = u8::try_from(at % 251).expect("below 251");
        if step & 2 == 0 {
            let taken = if is_cached {
                cache.take(&pool, class)
            } else {
                pool.take(class)
            };
            if let Ok(cell) = taken {
                assert!(out.iter().all(|held| held.cell != cell), "out already");
                let held = Held { cell, mark };
                write(&pool, &held);
                out.push(held);
            }
        } else if !out.is_empty() {
            let held = out.swap_remove(usize::from(step >> 2) % out.len());
            check(&pool, &held);
            if is_cached {
                cache.give_back(&pool, held.cell);
            } else {
                pool.give_back(held.cell);
            }
        }
    }
    for held in out {
        check(&pool, &held);
        pool.give_back(held.cell);
    }
    cache.flush(&pool);
    let class = CellPool::class_for(1).expect("the smallest class");
    let all = std::iter::from_fn(|| pool.take(class).ok()).count();
    assert_eq!(all, capacity as usize, "a cell is lost");
}

fn stacks(capacity: u32, steps: &[u8]) {
    let builder = StackPool::builder()
        .stack_bytes(16 * 1024)
        .capacity(capacity)
        .decay_period(Duration::from_millis(1));
    let pool = builder.build().expect("a small pool");
    let mut cache = StackCache::new(2);
    let mut out: Vec<(Stack, u64)> = Vec::new();
    let mut now = Instant::now();
    for (step, mark) in steps.iter().zip(1_u64..) {
        match step & 7 {
            0..=2 => {
                let taken = match step & 7 {
                    0 => cache.take(&pool),
                    size => pool.take(usize::from(size) * 16 * 1024),
                };
                if let Ok(stack) = taken {
                    for end in ends(&stack) {
                        // SAFETY: the two words are inside of a stack that is held.
                        unsafe { end.write(mark) }
                    }
                    out.push((stack, mark));
                } else {
                    assert_eq!(pool.metrics().live, capacity, "refused, and not full");
                }
            }
            3..=5 if !out.is_empty() => {
                let (stack, mark) = out.swap_remove(usize::from(step >> 3) % out.len());
                for end in ends(&stack) {
                    // SAFETY: as above, and written when it was taken.
                    assert_eq!(unsafe { end.read() }, mark, "a stack is shared");
                }
                if step & 7 == 3 {
                    cache.give_back(&pool, stack);
                } else {
                    pool.give_back(stack);
                }
            }
            6 => {
                now += Duration::from_millis(u64::from(step >> 3));
                pool.decay(now).expect("memory can be given back");
            }
            7 => {
                pool.trim().expect("memory can be given back");
            }
            _ => {}
        }
    }
    for (stack, _) in out {
        pool.give_back(stack);
    }
    cache.flush(&pool);
    assert_eq!(pool.metrics().live, 0);
}

fuzz_target!(|input: &[u8]| {
    let [kind, capacity, steps @ ..] = input else {
        return;
    };
    if kind & 1 == 0 {
        cells(u32::from(*capacity) + 1, steps);
    } else {
        stacks(u32::from(capacity % 8) + 1, steps);
    }
});
