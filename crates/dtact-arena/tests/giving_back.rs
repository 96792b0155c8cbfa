//! Memory of idle stacks goes back to the system as demand falls, and nobody is refused meanwhile.
//!
//! Elsewhere the system keeps what it was given back until memory is short.
#![cfg(all(target_os = "linux", not(miri), not(dtact_loom)))]
#![allow(unsafe_code, reason = "touches stacks it holds")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dtact_arena::{Stack, StackPool};

const BYTES: usize = 64 * 1024;
const PERIOD: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_secs(1);

fn pool(capacity: u32) -> StackPool {
    let builder = StackPool::builder().stack_bytes(BYTES).capacity(capacity);
    builder.decay_period(PERIOD).build().expect("a pool")
}

/// Writes to the page that is `depth` bytes below the top.
fn touch(stack: &Stack, depth: usize) {
    // SAFETY: the callers' depths are inside the stack.
    let byte = unsafe { stack.top().sub(depth) };
    // SAFETY: as above, and the test holds the stack.
    unsafe { byte.write(1) }
}

/// Writes to the highest page of each.
fn touch_all(stacks: &[Stack]) {
    for stack in stacks {
        touch(stack, 64);
    }
}

/// Calls `decay` at one time until nothing more is due then.
fn decay_at(pool: &StackPool, now: Instant) -> Option<Duration> {
    loop {
        match pool.decay(now).expect("the memory is not locked") {
            Some(Duration::ZERO) => {}
            wait => return wait,
        }
    }
}

fn resident(pool: &StackPool) -> usize {
    pool.resident_bytes().expect("the system says")
}

/// A stack is guarded by a mapping of its own where there is no guard advice: then few will do.
fn burst_size() -> u32 {
    let pool = pool(1);
    // An emulator has no guard advice, and a mapping for each guard.
    let has_advice = pool.take(BYTES).is_ok() && std::env::var_os("DTACT_EMULATED").is_none();
    if has_advice { 100_000 } else { 1_000 }
}

#[test]
fn two_periods_after_a_burst_a_tenth_of_its_memory_is_left_at_most() {
    let count = burst_size();
    let pool = pool(count);
    let start = Instant::now();
    assert_eq!(decay_at(&pool, start), None, "nothing to give back");
    let stacks: Vec<_> = (0..count)
        .map(|_| pool.take(BYTES).expect("they fit"))
        .collect();
    touch_all(&stacks);
    let burst = resident(&pool);
    assert!(burst >= count as usize * rustix::param::page_size());
    assert_eq!(decay_at(&pool, start + STEP), None, "nothing is idle");
    for stack in stacks {
        pool.give_back(stack);
    }
    assert_eq!(decay_at(&pool, start + STEP), Some(STEP));
    assert_eq!(resident(&pool), burst, "the demand was a moment ago");
    let mut now = start + STEP;
    let mut steps = 0;
    while let Some(wait) = decay_at(&pool, now) {
        if now >= start + STEP + PERIOD {
            assert!(resident(&pool) <= burst / 2, "after one period");
        }
        if now >= start + STEP + 2 * PERIOD {
            assert!(resident(&pool) <= burst / 10, "after two periods");
        }
        now += wait;
        steps += 1;
        assert!(steps < 40, "it ends");
    }
    assert_eq!(resident(&pool), 0);
    assert_eq!(pool.metrics().committed_bytes, 0);
    let again: Vec<_> = (0..count)
        .map(|_| pool.take(BYTES).expect("they fit"))
        .collect();
    assert_eq!(pool.metrics().live, count);
    drop(again);
}

#[test]
fn what_is_out_keeps_its_memory_and_what_demand_asks_for_too() {
    let pool = pool(100);
    let start = Instant::now();
    let kept: Vec<_> = (0..10)
        .map(|_| pool.take(BYTES).expect("100 fit"))
        .collect();
    touch_all(&kept);
    for step in 0..40 {
        // Ten come and go in every quarter of a period.
        let stacks: Vec<_> = (0..10)
            .map(|_| pool.take(BYTES).expect("100 fit"))
            .collect();
        touch_all(&stacks);
        for stack in stacks {
            pool.give_back(stack);
        }
        decay_at(&pool, start + STEP * step);
    }
    assert_eq!(resident(&pool), 20 * rustix::param::page_size());
    assert_eq!(pool.trim(), Ok(10));
    assert_eq!(resident(&pool), 10 * rustix::param::page_size());
    for stack in kept {
        // SAFETY: inside the stack, which the test holds.
        let byte = unsafe { stack.top().sub(64) };
        // SAFETY: as above; written before.
        assert_eq!(unsafe { byte.read() }, 1);
        pool.give_back(stack);
    }
}

#[test]
fn high_water_is_the_deepest_page_until_the_memory_goes_back() {
    let pool = pool(4);
    let page_bytes = rustix::param::page_size();
    let stack = pool.take(BYTES).expect("four fit");
    let high_water = |stack: &Stack| stack.high_water_bytes().expect("the system says");
    assert_eq!(high_water(&stack), 0);
    touch(&stack, 1);
    assert!((1..=page_bytes).contains(&high_water(&stack)));
    touch(&stack, 5 * page_bytes + 1);
    touch(&stack, 2 * page_bytes + 1);
    let deepest = high_water(&stack);
    assert!(
        deepest > 5 * page_bytes && deepest <= 6 * page_bytes,
        "{deepest}"
    );
    touch(&stack, stack.usable_bytes());
    assert_eq!(high_water(&stack), stack.usable_bytes());
    pool.give_back(stack);
    let stack = pool.take(BYTES).expect("four fit");
    assert_eq!(high_water(&stack), stack.usable_bytes(), "its last user's");
    pool.give_back(stack);
    assert_eq!(pool.trim(), Ok(1));
    let stack = pool.take(BYTES).expect("four fit");
    assert_eq!(high_water(&stack), 0);
    pool.give_back(stack);
}

#[test]
fn nobody_is_refused_while_memory_goes_back() {
    // As many as the threads hold together: a stack that is missing would be missed.
    let pool = pool(8);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let stacks =
                            [(); 2].map(|()| pool.take(BYTES).expect("two of eight are mine"));
                        touch_all(&stacks);
                        for stack in stacks {
                            pool.give_back(stack);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                pool.trim().expect("the memory is not locked");
            }
        });
        let results: Vec<_> = users
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(pool.metrics().live, 0);
    assert!(
        pool.metrics().touched <= 9,
        "a slot more is for giving back"
    );
}
