//! Coroutines of another crate on stacks of a pool, through the trait that it has for stacks.
#![cfg(all(unix, not(miri), not(dtact_loom)))]
#![allow(unsafe_code, reason = "vouches for a stack")]

use std::mem;
use std::sync::Arc;

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult};
use dtact_arena::{PooledStack, StackPool};

struct OnPool(PooledStack);

// SAFETY: the pool of this file has guards, and a stack at least 16 KiB; it stays out of the pool,
// and mapped, as long as the value lives.
unsafe impl Stack for OnPool {
    fn base(&self) -> StackPointer {
        self.0.top().addr()
    }

    fn limit(&self) -> StackPointer {
        self.0.lowest().addr()
    }
}

fn pool(capacity: u32) -> Arc<StackPool> {
    Arc::new(
        StackPool::builder()
            .capacity(capacity)
            .build()
            .expect("a pool"),
    )
}

/// Yields what it is given until that is 0.
fn echo(pool: &Arc<StackPool>) -> Coroutine<u32, u32, u32, OnPool> {
    let stack = PooledStack::take(pool, 64 * 1024).expect("it fits");
    Coroutine::with_stack(OnPool(stack), |yielder, first| {
        let mut value = first;
        while value != 0 {
            value = yielder.suspend(value);
        }
        first
    })
}

#[test]
fn its_coroutines_run_unwind_and_give_the_stacks_back() {
    let pool = pool(10);
    for round in 1..100 {
        let mut coroutines: Vec<_> = (0..10).map(|_| echo(&pool)).collect();
        for coroutine in &mut coroutines {
            assert!(matches!(coroutine.resume(round), CoroutineResult::Yield(it) if it == round));
        }
        for coroutine in &mut coroutines[..5] {
            assert!(matches!(coroutine.resume(0), CoroutineResult::Return(it) if it == round));
        }
        drop(coroutines);
        assert_eq!(pool.metrics().live, 0);
    }
    assert_eq!(pool.metrics().touched, 10);
}

#[test]
fn a_forgotten_one_keeps_stack_and_pool() {
    let pool = pool(1);
    let weak = Arc::downgrade(&pool);
    let mut coroutine = echo(&pool);
    assert!(matches!(coroutine.resume(1), CoroutineResult::Yield(1)));
    #[expect(clippy::mem_forget, reason = "what the test is about")]
    mem::forget(coroutine);
    assert!(pool.take(1).is_err(), "its stack is not given out");
    drop(pool);
    assert!(weak.upgrade().is_some(), "and stays mapped");
}

#[test]
fn the_limit_is_below_the_bottom_by_whole_pages() {
    let pool = pool(1);
    let stack = PooledStack::take(&pool, 1).expect("one fits");
    let guard_bytes = stack.bottom().addr().get() - stack.lowest().addr().get();
    assert!(guard_bytes > 0);
    assert_eq!(guard_bytes % rustix::param::page_size(), 0);
}
