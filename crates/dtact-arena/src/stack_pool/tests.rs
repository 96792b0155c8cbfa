//! What a pool does where its guards cost mappings: forced here, whatever the kernel has.

use crate::guard::GuardBudget;
use crate::{ArenaError, StackPool};

fn pool(capacity: u32, budget: &'static GuardBudget) -> StackPool {
    let builder = StackPool::builder()
        .stack_bytes(16 * 1024)
        .capacity(capacity);
    builder.protection(budget).build().expect("a small pool")
}

/// [arena.I5]
#[test]
fn guards_by_protection_stay_within_their_share_and_the_error_says_what_to_do() {
    static BUDGET: GuardBudget = GuardBudget::with_max_map_count(20);
    let pool = pool(100, &BUDGET);
    let stacks: Vec<_> = (0..9)
        .map(|_| pool.take(1).expect("45 % of 20 are 9"))
        .collect();
    let error = pool.take(1).expect_err("the budget is spent");
    let expected = ArenaError::GuardsExhausted {
        guard_count: 9,
        max_map_count: 20,
        // 45 % of 223 are 100.35.
        max_map_count_needed: 223,
    };
    assert_eq!(error, expected);
    assert!(
        error.to_string().contains("sysctl -w vm.max_map_count=223"),
        "{error}"
    );
    let metrics = pool.metrics();
    assert_eq!(
        (metrics.live, metrics.touched),
        (9, 10),
        "a failed take takes nothing"
    );
    for stack in stacks {
        pool.give_back(stack);
    }
    // The slot without a guard is first on the free list; it must still not come out.
    let last = pool.take(1).expect("a guarded stack is back");
    let again: Result<Vec<_>, _> = (0..9).map(|_| pool.take(1)).collect();
    assert_eq!(again.expect_err("the tenth has no guard"), expected);
    pool.give_back(last);
}

#[test]
fn a_recycled_stack_needs_no_second_guard() {
    static BUDGET: GuardBudget = GuardBudget::with_max_map_count(3);
    let pool = pool(2, &BUDGET);
    for _ in 0..10 {
        let stack = pool.take(1).expect("one guard fits");
        pool.give_back(stack);
    }
    assert_eq!(BUDGET.used(), 1);
}

#[test]
fn a_dropped_pool_returns_its_share() {
    static BUDGET: GuardBudget = GuardBudget::with_max_map_count(100);
    for _ in 0..3 {
        let pool = pool(40, &BUDGET);
        let stacks: Vec<_> = (0..40).map(|_| pool.take(1).expect("45 fit")).collect();
        assert_eq!(BUDGET.used(), 40);
        drop(stacks);
        drop(pool);
        assert_eq!(BUDGET.used(), 0);
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_guard_by_protection_is_an_inaccessible_mapping() {
    static BUDGET: GuardBudget = GuardBudget::with_max_map_count(100);
    let pool = pool(1, &BUDGET);
    let stack = pool.take(1).expect("one stack");
    let bottom = stack.bottom().addr().get();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let guard = maps
        .lines()
        .find(|line| line.contains(&format!("-{bottom:x} ")));
    let guard = guard.expect("a mapping ends at the bottom of the stack");
    assert!(guard.contains(" ---p "), "{guard}");
    pool.give_back(stack);
}
