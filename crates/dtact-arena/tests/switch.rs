//! Coroutines of dtact-switch on stacks of a pool: they run, go back, and outlive what they must.
#![cfg(all(not(miri), not(dtact_loom)))]
#![allow(unsafe_code, reason = "acknowledges the contract of suspended stacks")]

use std::hint::black_box;
use std::mem;
use std::sync::Arc;

use dtact_arena::{ArenaError, PooledStack, StackPool};
use dtact_switch::{Coroutine, CoroutineResult, Stackful, Yielder};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

const STACK_BYTES: usize = 64 * 1024;

type OnPool = Coroutine<u32, u32, u32, PooledStack>;

fn pool(capacity: u32) -> Arc<StackPool> {
    let builder = StackPool::builder()
        .stack_bytes(STACK_BYTES)
        .capacity(capacity);
    Arc::new(builder.build().expect("a pool"))
}

/// Yields what it is given, from the depth of calls, until that is 0.
fn echo(yielder: &Yielder<u32, u32>, first: u32, depth: u32) -> u32 {
    let frame = black_box([first; 32]);
    if depth > 0 {
        return echo(yielder, black_box(frame)[31], depth - 1);
    }
    let mut value = first;
    while value != 0 {
        value = yielder.suspend(value);
    }
    first
}

fn start(pool: &Arc<StackPool>) -> Result<OnPool, ArenaError> {
    let stack = PooledStack::take(pool, STACK_BYTES)?;
    Ok(Coroutine::with_stack(STACKFUL, stack, |yielder, first| {
        echo(yielder, first, 20)
    }))
}

#[test]
fn coroutines_run_on_pooled_stacks_and_give_them_back() {
    let pool = pool(10);
    for round in 1..100 {
        let mut coroutines: Vec<_> = (0..10).map(|_| start(&pool).expect("ten fit")).collect();
        assert!(matches!(
            start(&pool),
            Err(ArenaError::StacksExhausted { capacity: 10 })
        ));
        for value in 1..5 {
            for coroutine in &mut coroutines {
                let given = value * round;
                assert_eq!(coroutine.resume(given), CoroutineResult::Yield(given));
            }
        }
        for coroutine in &mut coroutines[..5] {
            assert_eq!(coroutine.resume(0), CoroutineResult::Return(round));
        }
        // Half of them have ended, and half are unwound.
        drop(coroutines);
        assert_eq!(pool.metrics().live, 0);
    }
    assert_eq!(pool.metrics().touched, 10, "always the same ten");
}

#[test]
fn a_coroutine_keeps_its_pool_alive() {
    let pool = pool(1);
    let weak = Arc::downgrade(&pool);
    let mut coroutine = start(&pool).expect("one fits");
    assert_eq!(coroutine.resume(7), CoroutineResult::Yield(7));
    drop(pool);
    assert_eq!(coroutine.resume(8), CoroutineResult::Yield(8));
    drop(coroutine);
    assert!(weak.upgrade().is_none(), "the last one lets it go");
}

#[test]
fn a_coroutine_that_is_forgotten_keeps_its_stack_for_ever() {
    let pool = pool(2);
    let weak = Arc::downgrade(&pool);
    let mut forgotten = start(&pool).expect("two fit");
    assert_eq!(forgotten.resume(7), CoroutineResult::Yield(7));
    #[expect(clippy::mem_forget, reason = "what the test is about")]
    mem::forget(forgotten);
    let other = start(&pool).expect("one is left");
    assert!(start(&pool).is_err(), "the forgotten one is not given out");
    drop(other);
    drop(pool);
    assert!(weak.upgrade().is_some(), "and stays mapped");
}

#[test]
fn a_stack_that_a_coroutine_hands_back_is_good_for_another() {
    let pool = pool(1);
    let mut stack = PooledStack::take(&pool, STACK_BYTES).expect("one fits");
    for value in 1..10 {
        let body = |yielder: &Yielder<u32, u32>, first| echo(yielder, first, 3);
        let mut coroutine = Coroutine::with_stack(STACKFUL, stack, body);
        assert_eq!(coroutine.resume(value), CoroutineResult::Yield(value));
        assert_eq!(coroutine.resume(0), CoroutineResult::Return(value));
        stack = coroutine.into_stack();
    }
    drop(stack);
    assert_eq!(pool.metrics().live, 0);
}
