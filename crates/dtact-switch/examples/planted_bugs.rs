//! Bugs that a tool must find, each in code that runs in a coroutine; and what it must be silent
//! on.
//!
//! `cargo xtask asan`, `tsan` and `valgrind` run it: a tool that is not told of stacks and switches
//! misses them, or reports what is none. Without a tool it does what bugs do.
//!
//! | argument           | what it does                                             | who finds it |
//! |--------------------|----------------------------------------------------------|--------------|
//! | `right`            | all that the others do, without the bug                  | nobody       |
//! | `use-after-return` | reads a local of a function of the body that returned    | ASan         |
//! | `use-after-free`   | reads a heap block that the body has freed               | ASan         |
//! | `overflow`         | recurses without end in the body                         | ASan         |
//! | `race`             | two bodies on two threads change one variable            | TSan         |
//! | `below-a-block`    | reads the byte below a heap block of the body            | Valgrind     |
#![allow(
    unsafe_code,
    reason = "bugs that safe code cannot have, and the contract of suspended stacks"
)]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dtact_switch::{Coroutine, GuardedStack, StackError, Stackful, Yielder};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

/// Which bug to have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    UseAfterReturn,
    UseAfterFree,
    Overflow,
    Race,
    BelowABlock,
}

fn main() -> Result<ExitCode, StackError> {
    let bug = match std::env::args().nth(1).as_deref() {
        Some("right") => Bug::None,
        Some("use-after-return") => Bug::UseAfterReturn,
        Some("use-after-free") => Bug::UseAfterFree,
        Some("overflow") => Bug::Overflow,
        Some("race") => Bug::Race,
        Some("below-a-block") => Bug::BelowABlock,
        _ => {
            println!("say which bug: see the first lines of the source");
            return Ok(ExitCode::from(2));
        }
    };
    for round in 0..3 {
        println!("{round}: {}", locals(bug)? + heap(bug)? + deep(bug)?);
    }
    println!("{}", two_threads(bug));
    Ok(ExitCode::SUCCESS)
}

fn stack() -> Result<GuardedStack, StackError> {
    GuardedStack::new(256 * 1024)
}

/// The address of a local, which is valid until this returns.
#[inline(never)]
fn address_of_a_local(seed: u8) -> *const u8 {
    let local = [seed; 32];
    black_box(&raw const local).cast()
}

/// A body that keeps the address of a local over a suspension.
fn locals(bug: Bug) -> Result<u64, StackError> {
    let body = move |yielder: &Yielder<(), ()>, ()| {
        let own = [1_u8; 32];
        let address = if bug == Bug::UseAfterReturn {
            address_of_a_local(1)
        } else {
            (&raw const own).cast()
        };
        yielder.suspend(());
        // SAFETY: of the array above; or else it is the bug.
        u64::from(unsafe { *black_box(address) })
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack()?, body);
    let _suspended = coroutine.resume(());
    Ok(coroutine.resume(()).into_return().unwrap_or(0))
}

/// A body that keeps the address of a block over a suspension.
fn heap(bug: Bug) -> Result<u64, StackError> {
    let body = move |yielder: &Yielder<(), ()>, ()| {
        let block = vec![2_u8; 64];
        let mut address = block.as_ptr();
        let kept = (bug != Bug::UseAfterFree).then_some(block);
        yielder.suspend(());
        if bug == Bug::BelowABlock {
            address = address.wrapping_sub(1);
        }
        // SAFETY: of the block that is kept; or else it is the bug.
        let value = u64::from(unsafe { *black_box(address) });
        drop(kept);
        value
    };
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack()?, body);
    let _suspended = coroutine.resume(());
    Ok(coroutine.resume(()).into_return().unwrap_or(0))
}

/// Calls itself `depth` times.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let local = black_box([1_u8; 256]);
    if depth == 0 {
        return 0;
    }
    recurse(depth - 1) + u64::from(black_box(&local)[0])
}

/// A body that recurses, panics, and is unwound, each on the same stack.
fn deep(bug: Bug) -> Result<u64, StackError> {
    let depth = if bug == Bug::Overflow { u64::MAX } else { 50 };
    let body = move |_: &Yielder<(), ()>, ()| recurse(black_box(depth));
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack()?, body);
    let value = coroutine.resume(()).into_return().unwrap_or(0);
    let body = |yielder: &Yielder<(), ()>, ()| {
        let _value = Box::new(recurse(10));
        yielder.suspend(());
    };
    let mut unwound = Coroutine::with_stack(STACKFUL, coroutine.into_stack(), body);
    let _suspended = unwound.resume(());
    drop(unwound);
    Ok(value)
}

/// A number that two threads change.
struct Shared {
    number: UnsafeCell<u64>,
    is_handed_over: AtomicBool,
}

// SAFETY: the second thread waits for the flag before it touches the number; or else it is the bug.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    number: UnsafeCell::new(0),
    is_handed_over: AtomicBool::new(false),
};

/// Two bodies on two threads, the second after the first. Both are there before either begins and
/// until both have ended: the tool may give the name of one that is gone to the next.
fn two_threads(bug: Bug) -> u64 {
    // Two: the lock of one would be an order between who has ended and who has yet to wake up.
    let (begin, end) = (&Barrier::new(2), &Barrier::new(2));
    let change = |is_second: bool| {
        let body = move |yielder: &Yielder<(), ()>, ()| {
            yielder.suspend(());
            for _ in 0..100 {
                // SAFETY: this thread's turn; or else it is the bug.
                unsafe { *SHARED.number.get() += 1 };
                yielder.suspend(());
            }
        };
        let stack = stack().expect("room for a stack");
        let mut coroutine = Coroutine::with_stack(STACKFUL, stack, body);
        let _suspended = coroutine.resume(());
        begin.wait();
        let order = if bug == Bug::Race {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        while is_second && !SHARED.is_handed_over.load(order) {
            thread::yield_now();
        }
        let suspensions = coroutine.by_ref().count();
        // Pairs with the acquire above.
        SHARED.is_handed_over.store(true, Ordering::Release);
        end.wait();
        suspensions
    };
    let suspensions = thread::scope(|scope| {
        let first = scope.spawn(move || change(false));
        let second = scope.spawn(move || change(true));
        first.join().unwrap_or(0) + second.join().unwrap_or(0)
    });
    suspensions as u64
}
