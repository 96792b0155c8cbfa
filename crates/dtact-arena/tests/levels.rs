//! What an overflow meets at each safety level: by one byte, by one page, by one huge frame; each
//! in a child process, beside a control that must succeed.
//!
//! Not on Windows, which has to be told of a stack before code runs there.
// The sanitizers handle the signal by themselves.
#![cfg(all(unix, not(any(miri, dtact_loom, dtact_asan, dtact_tsan))))]
#![allow(unsafe_code, reason = "writes to stacks and around them")]

mod child;

use std::env;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process;
use std::ptr;

use child::is_end_by_fault;
use dtact_arena::{SafetyLevel, Stack, StackPool, Unguarded};

/// The environment variable that names the level and the case to the child.
const CASE: &str = "DTACT_ARENA_CASE";

/// How a child ends that has found a dead canary.
const CANARY_IS_DEAD: i32 = 42;

/// How a child ends in which a test has failed.
const PANIC: i32 = 101;

/// The bytes of the huge frame, which RISC-V makes without a touch of the pages between.
const FRAME_BYTES: usize = 40_000;

fn pool(level: &str) -> StackPool {
    let level = match level {
        // SAFETY: a lie, in a process that looks what comes of it and ends.
        "0" => SafetyLevel::Safety0(unsafe { Unguarded::promise() }),
        "1" => SafetyLevel::Safety1,
        "2" => SafetyLevel::Safety2,
        _ => panic!("the parent passes a level"),
    };
    let builder = StackPool::builder().stack_bytes(16 * 1024).capacity(8);
    builder.safety(level).build().expect("a small pool")
}

fn write(address: *mut u8) {
    // SAFETY: inside a stack of the process, or a place at which it is to be seen what happens.
    unsafe { address.write_volatile(0) }
}

/// Writes a byte into every 64, from the top down to `bytes_below` below the bottom.
fn write_down(stack: &Stack, bytes_below: usize) {
    let bytes = stack.usable_bytes() + bytes_below;
    for depth in (1..=bytes).step_by(64).chain([bytes]) {
        write(stack.top().as_ptr().wrapping_sub(depth));
    }
}

/// A frame of 40,000 bytes of zeroes.
#[expect(clippy::large_stack_arrays, reason = "that it is large is the point")]
extern "C" fn zeroed_frame() {
    let mut frame = [0_u8; FRAME_BYTES];
    black_box(&mut frame);
}

/// A frame of 40,000 bytes, of which the code writes the lowest alone. Where the compiler does not
/// touch the pages between, a smaller guard is stepped over.
#[expect(clippy::large_stack_arrays, reason = "that it is large is the point")]
extern "C" fn sparse_frame() {
    let mut frame = [const { MaybeUninit::<u8>::uninit() }; FRAME_BYTES];
    write(frame.as_mut_ptr().cast());
    black_box(&mut frame);
}

extern "C" fn small_frame() {
    let mut frame = [0_u8; 256];
    black_box(&mut frame);
}

/// A second value of the same stack, such as wrong unsafe code could make.
fn double(stack: &Stack) -> Stack {
    // SAFETY: a lie, in a process that looks what comes of it and ends.
    unsafe { ptr::read(stack) }
}

/// The child: does what its case says, and looks at the canary.
#[test]
fn the_child_overflows() {
    let Ok(case) = env::var(CASE) else { return };
    let (level, case) = case.split_once(' ').expect("a level and a case");
    let pool = pool(level);
    // The neighbours below and above are in use: it is a guard that must be hit, not a hole.
    let [below, stack, above] = [(); 3].map(|()| pool.take(1).expect("eight fit"));
    for neighbour in [&below, &above] {
        write_down(neighbour, 0);
    }
    let page_bytes = rustix::param::page_size();
    match case {
        "nothing" => write_down(&stack, 0),
        "a byte" => write_down(&stack, 1),
        "a line" => write_down(&stack, 65),
        "a page" => write_down(&stack, page_bytes),
        "a byte above" => write(stack.top().as_ptr()),
        "a small frame" => {
            // SAFETY: the stack is held, and has room.
            unsafe { child::call_on(&stack, small_frame) }
        }
        "a huge frame of zeroes" => {
            // SAFETY: the stack is held; it has no room, and that is the question.
            unsafe { child::call_on(&stack, zeroed_frame) }
        }
        "a huge frame" => {
            // SAFETY: as above.
            unsafe { child::call_on(&stack, sparse_frame) }
        }
        "a hole" => write(stack.bottom().as_ptr().wrapping_sub(2 * page_bytes)),
        "an idle stack" => {
            let address = stack.bottom().as_ptr();
            pool.give_back(stack);
            write(address);
            return;
        }
        "twice" => {
            let other = double(&stack);
            pool.give_back(stack);
            pool.give_back(other);
            return;
        }
        "twice, with another in between" => {
            let other = double(&stack);
            pool.give_back(stack);
            let again = pool.take(1).expect("eight fit");
            assert_eq!(again.bottom(), other.bottom());
            pool.give_back(other);
            return;
        }
        "a foreign stack" => {
            let foreign = self::pool(level).take(1).expect("eight fit");
            pool.give_back(foreign);
            return;
        }
        _ => panic!("the parent passes a case"),
    }
    if !pool.is_canary_intact(&stack) {
        process::exit(CANARY_IS_DEAD);
    }
    for stack in [below, stack, above] {
        pool.give_back(stack);
    }
}

/// How a child ends.
#[derive(PartialEq, Eq, Debug)]
enum End {
    Well,
    Guard,
    DeadCanary,
    Panic(&'static str),
}
use End::{DeadCanary, Guard, Panic, Well};

fn check(level: &str, cases: &[(&str, End)]) {
    for (case, expected) in cases {
        let name = format!("{level} {case}");
        let (status, text) = child::run("the_child_overflows", CASE, &name);
        let is_right = match expected {
            Well => status.success() && text.contains("1 passed"),
            Guard => is_end_by_fault(status),
            DeadCanary => status.code() == Some(CANARY_IS_DEAD),
            Panic(message) => status.code() == Some(PANIC) && text.contains(message),
        };
        assert!(is_right, "{name}: not {expected:?} but {status}:\n{text}");
    }
}

#[test]
fn level_0_finds_an_overflow_at_the_next_look_unless_it_leaves_a_hole() {
    check(
        "0",
        &[
            ("nothing", Well),
            ("a small frame", Well),
            ("a byte", DeadCanary),
            ("a page", DeadCanary),
            ("a huge frame of zeroes", DeadCanary),
            // What the level cannot find.
            ("a hole", Well),
            ("an idle stack", Well),
        ],
    );
}

#[test]
fn level_1_ends_the_process_at_the_first_byte_below() {
    check(
        "1",
        &[
            ("nothing", Well),
            ("a small frame", Well),
            ("a byte", Guard),
            ("a page", Guard),
            ("a huge frame of zeroes", Guard),
            ("a huge frame", Guard),
            ("an idle stack", Well),
        ],
    );
}

#[test]
fn level_2_ends_the_process_at_either_end_and_at_a_touch_of_an_idle_stack() {
    check(
        "2",
        &[
            ("nothing", Well),
            ("a small frame", Well),
            ("a byte", DeadCanary),
            ("a line", Guard),
            ("a page", Guard),
            ("a huge frame of zeroes", Guard),
            ("a huge frame", Guard),
            ("a byte above", Guard),
            ("an idle stack", Guard),
        ],
    );
}

#[test]
fn a_stack_comes_back_once_and_to_its_own_pool_at_every_level() {
    for level in ["0", "1", "2"] {
        let twice = "has been given back already";
        let foreign = "a stack goes back to the pool it came from";
        check(
            level,
            &[
                ("twice", Panic(twice)),
                ("twice, with another in between", Panic(twice)),
                ("a foreign stack", Panic(foreign)),
            ],
        );
    }
}

#[test]
fn a_stack_that_was_given_back_at_level_2_is_wiped() {
    let pool = pool("2");
    let stack = pool.take(1).expect("eight fit");
    let word = stack.bottom().cast::<u64>();
    // SAFETY: aligned, inside the stack, and the test holds it.
    unsafe { word.write(7) }
    pool.give_back(stack);
    let stack = pool.take(1).expect("eight fit");
    assert_eq!(stack.bottom().cast(), word);
    // SAFETY: as above.
    assert_eq!(unsafe { word.read() }, 0);
    pool.give_back(stack);
    assert_eq!(pool.metrics().exposed, 0);
    assert_eq!(
        pool.metrics().committed_bytes,
        0,
        "an idle stack has no memory"
    );
}
