//! A stack in locked memory, where the kernel refuses guard advice, is guarded by protection.
// The sanitizers ignore the request to lock.
#![cfg(all(
    target_os = "linux",
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan))
))]
#![allow(unsafe_code, reason = "locks memory of a pool")]

mod child;

use std::{env, fs};

use child::is_end_by_fault;
use dtact_arena::{ArenaError, CellPool, StackPool};
use rustix::mm::{MlockAllFlags, mlockall};

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

/// What the child below does; unset in the parent.
const CASE: &str = "DTACT_ARENA_LOCKED";

/// How a child ends in which nothing can be locked.
const CANNOT_LOCK: i32 = 43;

#[test]
fn the_child_locks_its_future_memory() {
    let Ok(case) = env::var(CASE) else { return };
    // As little as a thread of this test needs fits any limit.
    if mlockall(MlockAllFlags::FUTURE).is_err() {
        std::process::exit(CANNOT_LOCK);
    }
    let builder = StackPool::builder().stack_bytes(16 * 1024).capacity(4);
    let pool = match builder.build() {
        Ok(pool) => pool,
        Err(ArenaError::Os { .. }) => std::process::exit(CANNOT_LOCK),
        Err(error) => panic!("{error}"),
    };
    let stacks = [(); 4].map(|()| pool.take(1).expect("four fit"));
    let byte = match case.as_str() {
        "inside" => stacks[1].bottom().as_ptr(),
        _ => stacks[1].bottom().as_ptr().wrapping_sub(1),
    };
    // SAFETY: inside a stack that the test holds, or in its guard, which is the question.
    unsafe { byte.write_volatile(1) }
    for stack in stacks {
        pool.give_back(stack);
    }
    // Locked memory stays, and the error says so; the stacks are as good as before.
    let error = pool
        .trim()
        .expect_err("the kernel refuses for locked memory");
    assert!(
        error
            .to_string()
            .contains("giving the memory of idle stacks back"),
        "{error}"
    );
    assert!(pool.take(1).is_ok());
    let cells = CellPool::new(4).expect("small enough to be locked");
    let class = CellPool::class_for(1).expect("the smallest class");
    assert!(cells.take(class).is_ok());
}

#[test]
fn a_process_that_locks_its_future_memory_has_guards_too() {
    if env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: an emulator does not lock the memory of its program");
        return;
    }
    let run = |case| child::run("the_child_locks_its_future_memory", CASE, case);
    let (inside, text) = run("inside");
    if inside.code() == Some(CANNOT_LOCK) {
        println!("SKIPPED: nothing more can be locked here, raise `ulimit -l`");
        return;
    }
    assert!(inside.success(), "{text}");
    let (below, text) = run("below");
    assert!(is_end_by_fault(below), "{below}: {text}");
}
