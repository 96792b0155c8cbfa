//! What a coroutine costs: to resume it and be suspended to, and to make one and finish it on a
//! recycled stack, next to the bare switch below it and to the crate corosensei.
//!
//! Run with `cargo run -p dtact-switch --release --example coroutine_round_trip`. The contenders
//! take turns, run by run; it prints the lowest and the median of their runs. It does not show cold
//! stacks, large values, or callers with many live values: both sides are hot and have nothing to
//! spill.
#![allow(unsafe_code, reason = "the example calls the bare switch")]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use dtact_switch::{
    Context, ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat,
    SameThreadNoFloat, Stack, StackError, Stackful, Transfer, Yielder,
};

const STEPS: u32 = 1_000_000;
const RUNS: usize = 31;
const STACK_BYTES: usize = 64 * 1024;

/// A contender: does the number of steps that it is told.
type Contender = (&'static str, Box<dyn FnMut(u32)>);

/// Answers each number with itself, until it is unwound.
fn echo<W: ContextSwitcher>(yielder: &Yielder<u64, u64, W>, first: u64) {
    let mut number = first;
    loop {
        number = yielder.suspend(number);
    }
}

fn round_trips<W: ContextSwitcher>(
    name: &'static str,
    stackful: Stackful,
) -> Result<Contender, StackError> {
    let stack = GuardedStack::new(STACK_BYTES)?;
    let mut coroutine = Coroutine::with_switcher(stackful, stack, echo::<W>);
    let run = move |steps| {
        for number in 0..u64::from(steps) {
            let answer = coroutine.resume(black_box(number));
            assert_eq!(answer, CoroutineResult::Yield(number));
        }
    };
    Ok((name, Box::new(run)))
}

fn corosensei_round_trips() -> Contender {
    let mut coroutine = corosensei::Coroutine::new(|yielder, first: u64| {
        let mut number = first;
        loop {
            number = yielder.suspend(number);
        }
    });
    let run = move |steps| {
        for number in 0..u64::from(steps) {
            let answer: corosensei::CoroutineResult<u64, ()> = coroutine.resume(black_box(number));
            assert_eq!(answer, corosensei::CoroutineResult::Yield(number));
        }
    };
    ("corosensei", Box::new(run))
}

/// Sends every message back.
///
/// # Safety
///
/// - Entered by a switch, on a fresh stack; each later switch resumes it where it stands.
unsafe extern "C" fn echo_switch(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { SameThreadNoFloat::switch(transfer.from, transfer.message) };
    }
}

fn switch_round_trips() -> Result<Contender, StackError> {
    let stack = GuardedStack::new(STACK_BYTES)?;
    // SAFETY: a whole stack with a guard, which the closure below keeps as long as the context.
    let mut fiber = Some(unsafe { Context::new(stack.bounds(), echo_switch) });
    let run = move |steps| {
        let _keep = &stack;
        let mut context = fiber.take().expect("put back after each run");
        for number in 0..u64::from(steps) {
            let message = ptr::without_provenance_mut(
                usize::try_from(black_box(number)).expect("a small number"),
            );
            // SAFETY: the fiber is fresh or waits in the context it left.
            let transfer = unsafe { SameThreadNoFloat::switch(context, message) };
            assert_eq!(transfer.message, message);
            context = transfer.from;
        }
        fiber = Some(context);
    };
    Ok(("bare switch, inline", Box::new(run)))
}

/// Makes a coroutine on a recycled stack, runs it to its end, and takes the stack back.
fn lives(stackful: Stackful) -> Result<Contender, StackError> {
    let mut recycled = Some(GuardedStack::new(STACK_BYTES)?);
    let run = move |steps| {
        for number in 0..u64::from(steps) {
            let stack = recycled.take().expect("put back after each life");
            let mut coroutine =
                Coroutine::with_stack(stackful, stack, move |_: &Yielder<u64, ()>, input| {
                    input + number
                });
            let answer = coroutine.resume(black_box(1));
            assert_eq!(answer, CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    };
    Ok(("coroutine", Box::new(run)))
}

fn corosensei_lives() -> Contender {
    let stack = corosensei::stack::DefaultStack::new(STACK_BYTES).expect("room for a stack");
    let mut recycled = Some(stack);
    let run = move |steps| {
        for number in 0..u64::from(steps) {
            let stack = recycled.take().expect("put back after each life");
            let mut coroutine = corosensei::Coroutine::with_stack(
                stack,
                move |_: &corosensei::Yielder<u64, ()>, input| input + number,
            );
            let answer = coroutine.resume(black_box(1));
            assert_eq!(answer, corosensei::CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    };
    ("corosensei", Box::new(run))
}

/// Lets the contenders take turns, and prints the nanoseconds of a step.
fn compare(title: &str, mut contenders: Vec<Contender>) {
    let mut nanoseconds = vec![Vec::new(); contenders.len()];
    for _ in 0..RUNS {
        for ((_, run), times) in contenders.iter_mut().zip(&mut nanoseconds) {
            let started = Instant::now();
            run(STEPS);
            times.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(STEPS));
        }
    }
    println!("{title}, nanoseconds");
    for ((name, _), times) in contenders.iter().zip(&mut nanoseconds) {
        times.sort_by(f64::total_cmp);
        println!(
            "  {name:24} {:6.2} lowest {:6.2} median",
            times[0],
            times[RUNS / 2]
        );
    }
}

fn main() -> Result<(), StackError> {
    // SAFETY: the bodies above use no thread-local, and no coroutine is kept in one.
    let stackful = unsafe { Stackful::acknowledge() };
    compare(
        "resume and suspend, a number each way",
        vec![
            switch_round_trips()?,
            round_trips::<SameThreadNoFloat>("coroutine", stackful)?,
            corosensei_round_trips(),
            round_trips::<SameThreadFloat>("coroutine, float", stackful)?,
        ],
    );
    compare(
        "make, run and finish on a recycled stack",
        vec![lives(stackful)?, corosensei_lives()],
    );
    Ok(())
}
