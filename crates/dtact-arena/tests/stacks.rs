//! Stacks are handed out to one at a time, run out with an error, and come back.
#![cfg(not(dtact_loom))]
#![allow(unsafe_code, reason = "writes to the stacks it holds")]

use std::collections::HashSet;
use std::thread;

use dtact_arena::{ArenaError, SafetyLevel, SizeClass, Stack, StackCache, StackPool, Unguarded};

fn pool(stack_bytes: usize, capacity: u32) -> StackPool {
    let builder = StackPool::builder()
        .stack_bytes(stack_bytes)
        .capacity(capacity);
    builder.build().expect("a small pool")
}

/// Writes a word at both ends of a stack.
fn write(stack: &Stack, value: u64) {
    for address in [stack.bottom().cast(), top_word(stack)] {
        // SAFETY: aligned, inside the stack, and the caller holds the stack.
        unsafe { address.write(value) }
    }
}

/// Whether both ends still hold what was written.
fn holds(stack: &Stack, value: u64) -> bool {
    [stack.bottom().cast(), top_word(stack)]
        .into_iter()
        .all(|address| {
            // SAFETY: aligned, inside the stack, written before, and the caller holds the stack.
            value == unsafe { address.read() }
        })
}

fn top_word(stack: &Stack) -> core::ptr::NonNull<u64> {
    // SAFETY: a stack has at least 16 KiB below its top.
    unsafe { stack.top().cast::<u64>().sub(1) }
}

#[test]
fn wrong_requests_are_typed_errors() {
    let builder = StackPool::builder;
    let too_large = ArenaError::CapacityTooLarge {
        capacity: u32::MAX,
        capacity_max: StackPool::CAPACITY_MAX,
    };
    assert_eq!(
        builder().capacity(0).build().err(),
        Some(ArenaError::CapacityZero)
    );
    assert_eq!(builder().capacity(u32::MAX).build().err(), Some(too_large));
    assert_eq!(
        builder().stack_bytes(0).build().err(),
        Some(ArenaError::StackBytesZero)
    );
    let bytes_max = 8 << 20;
    let bytes = bytes_max + 1;
    let too_large = ArenaError::StackBytesTooLarge { bytes, bytes_max };
    assert_eq!(builder().stack_bytes(bytes).build().err(), Some(too_large));
    let pool = pool(1, 1);
    assert_eq!(pool.take(0).err(), Some(ArenaError::StackBytesZero));
    assert_eq!(pool.take(bytes).err(), Some(too_large));
    assert_eq!(pool.metrics().live, 0);
}

#[cfg(not(miri))]
#[test]
fn a_capacity_beyond_the_address_space_is_an_error_of_the_system() {
    let builder = StackPool::builder()
        .stack_bytes(8 << 20)
        .capacity(StackPool::CAPACITY_MAX);
    assert!(matches!(builder.build(), Err(ArenaError::Os { .. })));
}

#[test]
fn a_stack_has_at_least_what_was_asked_for() {
    let pool = pool(1, 100);
    assert_eq!(pool.default_bytes(), SizeClass::SMALLEST.bytes());
    let sizes = if cfg!(miri) {
        &[1, 16_384, 16_385][..]
    } else {
        &[1, 16_384, 16_385, 8 << 20]
    };
    for &bytes in sizes {
        for _ in 0..3 {
            let stack = pool.take(bytes).expect("100 fit");
            assert!(stack.usable_bytes() >= bytes);
            assert!(stack.usable_bytes() >= stack.class().bytes());
            assert_eq!(Some(stack.class()), SizeClass::for_bytes(bytes));
            assert_eq!(stack.top().addr().get() % 64, 0);
            write(&stack, 7);
            assert!(holds(&stack, 7));
        }
    }
}

#[test]
fn neighbours_differ_in_colour() {
    let pool = pool(1, 64);
    let stacks: Vec<_> = (0..64).map(|_| pool.take(1).expect("64 fit")).collect();
    let colours: HashSet<_> = stacks
        .iter()
        .map(|stack| stack.top().addr().get() % 4096)
        .collect();
    assert_eq!(colours.len(), 64);
}

#[test]
fn exhaustion_counts_all_sizes_together_and_ends_with_a_stack_given_back() {
    let pool = pool(16 * 1024, 3);
    let exhausted = Some(ArenaError::StacksExhausted { capacity: 3 });
    let [small, other, large] = [1, 1, 40_000].map(|bytes| pool.take(bytes).expect("three fit"));
    assert_eq!(pool.take(1).err(), exhausted);
    assert_eq!(pool.take(40_000).err(), exhausted);
    pool.give_back(small);
    let large_too = pool.take(40_000).expect("one is back, of whatever size");
    assert_eq!(pool.take(1).err(), exhausted);
    let metrics = pool.metrics();
    assert_eq!((metrics.live, metrics.live_max, metrics.touched), (3, 3, 4));
    for stack in [other, large, large_too] {
        pool.give_back(stack);
    }
    assert_eq!(pool.metrics().live, 0);
    assert_eq!(pool.metrics().live_max, 3);
}

#[test]
#[should_panic(expected = "a stack goes back to the pool it came from")]
fn a_stack_of_another_pool_is_refused() {
    let (one, two) = (pool(1, 1), pool(1, 1));
    two.give_back(one.take(1).expect("one fits"));
}

#[test]
fn a_pool_without_guards_hands_out_stacks_too() {
    // SAFETY: nothing runs on the stack.
    let level = SafetyLevel::Safety0(unsafe { Unguarded::promise() });
    let pool = StackPool::builder()
        .stack_bytes(1)
        .safety(level)
        .build()
        .expect("a pool");
    let stack = pool.take(1).expect("one fits");
    write(&stack, 1);
    pool.give_back(stack);
}

#[test]
fn a_cache_keeps_up_to_its_limit_and_sheds_the_coldest() {
    let pool = pool(1, 8);
    let mut cache = StackCache::new(2);
    let stacks = [(); 3].map(|()| cache.take(&pool).expect("eight fit"));
    let indices = [0, 1, 2].map(|place: usize| stacks[place].index());
    for stack in stacks {
        cache.give_back(&pool, stack);
    }
    assert_eq!(pool.metrics().live, 2, "one went back when the third came");
    let last = cache.take(&pool).expect("cached");
    assert_eq!(last.index(), indices[2]);
    cache.give_back(&pool, last);
    let other_class = pool.take(20_000).expect("eight fit");
    cache.give_back(&pool, other_class);
    assert_eq!(pool.metrics().live, 2, "other classes pass through");
    cache.flush(&pool);
    assert_eq!(pool.metrics().live, 0);
    let mut none = StackCache::new(0);
    let stack = none.take(&pool).expect("eight fit");
    none.give_back(&pool, stack);
    assert_eq!(pool.metrics().live, 0);
}

#[test]
fn a_large_cache_takes_and_sheds_in_steps_and_loses_nothing() {
    let capacity = 16_000;
    let pool = pool(1, capacity);
    let mut cache = StackCache::new(200);
    let count = if cfg!(miri) { 300 } else { 3000 };
    for _ in 0..3 {
        let stacks: Vec<_> = (0..count)
            .map(|_| cache.take(&pool).expect("16,000 fit"))
            .collect();
        let bottoms: HashSet<_> = stacks.iter().map(Stack::bottom).collect();
        assert_eq!(bottoms.len(), stacks.len());
        for stack in stacks {
            cache.give_back(&pool, stack);
        }
        assert!(pool.metrics().live <= 200);
    }
    cache.flush(&pool);
    assert_eq!(pool.metrics().live, 0);
}

#[test]
fn threads_that_hammer_a_pool_never_share_a_stack_and_never_find_it_empty() {
    const THREADS: u32 = 4;
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    // Each thread holds two at most, one of either class.
    let pool = pool(1, 2 * THREADS);
    thread::scope(|scope| {
        for id in 0..u64::from(THREADS) {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..rounds {
                    let value = (id << 32) | round;
                    let stacks = [1, 20_000].map(|bytes| pool.take(bytes).expect("one is free"));
                    for stack in &stacks {
                        write(stack, value);
                    }
                    assert!(stacks.iter().all(|stack| holds(stack, value)));
                    for stack in stacks {
                        pool.give_back(stack);
                    }
                }
            });
        }
    });
    let metrics = pool.metrics();
    assert_eq!(metrics.live, 0);
    assert!(metrics.live_max <= 2 * THREADS);
}
