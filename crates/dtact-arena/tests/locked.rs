//! A stack in locked memory, where the kernel refuses guard advice, is guarded by protection.
// The sanitizers ignore the request to lock.
#![cfg(not(any(miri, dtact_loom, dtact_asan, dtact_tsan)))]
#![allow(unsafe_code, reason = "locks memory of a pool")]

use std::fs;

use dtact_arena::StackPool;

#[test]
fn a_locked_stack_has_a_guard_too() {
    let pool = StackPool::builder()
        .stack_bytes(64 * 1024)
        .capacity(2)
        .build()
        .expect("a pool");
    let first = pool.take(1).expect("two fit");
    assert_eq!(first.index(), 0);
    // The top of stack 0 is where the guard of stack 1 will be: the first colour lowers nothing.
    let guard = first.top().as_ptr().cast();
    // SAFETY: locking one page of a mapped region changes none of its content.
    if let Err(errno) = unsafe { rustix::mm::mlock(guard, rustix::param::page_size()) } {
        println!("SKIPPED: locking a page: {errno}");
        return;
    }
    let second = pool
        .take(1)
        .expect("advice is refused here, protection is not");
    let (start, end) = (guard.addr(), second.bottom().addr().get());
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let range = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?, number(end)?, rest.starts_with("---p")))
    };
    let guarded: usize = maps
        .lines()
        .filter_map(range)
        .filter(|&(from, to, is_guard)| is_guard && start <= from && to <= end)
        .map(|(from, to, _)| to - from)
        .sum();
    assert_eq!(
        guarded,
        end - start,
        "all of the guard is inaccessible:\n{maps}"
    );
    pool.give_back(first);
    pool.give_back(second);
}
