//! Coroutines beside those of corosensei, and the bare switch below them.
#![allow(
    unsafe_code,
    reason = "calls the bare switch, and promises what it asks"
)]

use std::hint::black_box;
use std::ptr::without_provenance_mut;

use dtact_switch::{
    Context, ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat,
    SameThreadNoFloat, Stack, Stackful, Transfer, Yielder,
};

use crate::{Contender, Run, Workload};

const STACK_BYTES: usize = 64 * 1024;

// SAFETY: the bodies here use no thread-local, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

pub(crate) fn round_trips() -> Workload {
    Workload {
        name: "round-trip",
        step: "resume and suspend, a `u64` each way",
        contenders: vec![
            Contender {
                name: "corosensei",
                prepare: corosensei_round_trip,
            },
            Contender {
                name: "coroutine",
                prepare: round_trip::<SameThreadNoFloat>,
            },
            Contender {
                name: "coroutine, float",
                prepare: round_trip::<SameThreadFloat>,
            },
            Contender {
                name: "inline switch",
                prepare: inline_round_trip::<SameThreadNoFloat>,
            },
            Contender {
                name: "inline switch, float",
                prepare: inline_round_trip::<SameThreadFloat>,
            },
        ],
    }
}

pub(crate) fn lives() -> Workload {
    Workload {
        name: "life",
        step: "make a coroutine on a recycled stack, run it to its end, take the stack back",
        contenders: vec![
            Contender {
                name: "corosensei, life",
                prepare: corosensei_life,
            },
            Contender {
                name: "coroutine, life",
                prepare: life::<SameThreadNoFloat>,
            },
            Contender {
                name: "corosensei, life, in memory",
                prepare: corosensei_life_in_memory,
            },
            Contender {
                name: "coroutine, life, in memory",
                prepare: life_in_memory,
            },
            Contender {
                name: "coroutine, float, life",
                prepare: life::<SameThreadFloat>,
            },
        ],
    }
}

pub(crate) fn stack() -> GuardedStack {
    GuardedStack::new(STACK_BYTES).expect("room for a stack")
}

fn round_trip<W: ContextSwitcher>() -> Run {
    let body = |yielder: &Yielder<u64, u64, W>, first| {
        let mut number = first;
        loop {
            number = yielder.suspend(number);
        }
    };
    let mut coroutine = Coroutine::<u64, u64, (), _, W>::with_switcher(STACKFUL, stack(), body);
    Box::new(move |steps| {
        for number in 0..steps {
            let answer = coroutine.resume(black_box(number));
            assert_eq!(answer, CoroutineResult::Yield(number));
        }
    })
}

fn corosensei_round_trip() -> Run {
    let body = |yielder: &corosensei::Yielder<u64, u64>, first| {
        let mut number = first;
        loop {
            number = yielder.suspend(number);
        }
    };
    let mut coroutine = corosensei::Coroutine::<u64, u64, (), _>::with_stack(peer_stack(), body);
    Box::new(move |steps| {
        for number in 0..steps {
            let answer = coroutine.resume(black_box(number));
            assert_eq!(answer, corosensei::CoroutineResult::Yield(number));
        }
    })
}

fn life<W: ContextSwitcher>() -> Run {
    let mut recycled = Some(stack());
    Box::new(move |steps| {
        for number in 0..steps {
            let stack = recycled.take().expect("put back after each life");
            let body = move |_: &Yielder<u64, (), W>, input| input + number;
            let mut coroutine = Coroutine::with_switcher(STACKFUL, stack, body);
            let answer = coroutine.resume(black_box(1));
            assert_eq!(answer, CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    })
}

fn corosensei_life() -> Run {
    let mut recycled = Some(peer_stack());
    Box::new(move |steps| {
        for number in 0..steps {
            let stack = recycled.take().expect("put back after each life");
            let body = move |_: &corosensei::Yielder<u64, ()>, input| input + number;
            let mut coroutine = corosensei::Coroutine::with_stack(stack, body);
            let answer = coroutine.resume(black_box(1));
            assert_eq!(answer, corosensei::CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    })
}

/// As [`life`], with a handle whose address others might know, as that in a collection.
fn life_in_memory() -> Run {
    let mut recycled = Some(stack());
    Box::new(move |steps| {
        for number in 0..steps {
            let stack = recycled.take().expect("put back after each life");
            let body = move |_: &Yielder<u64, ()>, input| input + number;
            let mut coroutine = Coroutine::with_stack(STACKFUL, stack, body);
            let answer = black_box(&mut coroutine).resume(black_box(1));
            assert_eq!(answer, CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    })
}

fn corosensei_life_in_memory() -> Run {
    let mut recycled = Some(peer_stack());
    Box::new(move |steps| {
        for number in 0..steps {
            let stack = recycled.take().expect("put back after each life");
            let body = move |_: &corosensei::Yielder<u64, ()>, input| input + number;
            let mut coroutine = corosensei::Coroutine::with_stack(stack, body);
            let answer = black_box(&mut coroutine).resume(black_box(1));
            assert_eq!(answer, corosensei::CoroutineResult::Return(number + 1));
            recycled = Some(coroutine.into_stack());
        }
    })
}

fn peer_stack() -> corosensei::stack::DefaultStack {
    corosensei::stack::DefaultStack::new(STACK_BYTES).expect("room for a stack")
}

/// Sends every message back.
///
/// # Safety
///
/// Entered by a switch of the same kind; each later one resumes it where it stands.
unsafe extern "C" fn echo<W: ContextSwitcher>(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { W::switch(transfer.from, transfer.message) };
    }
}

fn inline_round_trip<W: ContextSwitcher>() -> Run {
    let stack = stack();
    // SAFETY: a whole stack with a guard, which the closure below keeps as long as the context.
    let mut fiber = Some(unsafe { Context::new(stack.bounds(), echo::<W>) });
    Box::new(move |steps| {
        let _keep = &stack;
        let mut context = fiber.take().expect("put back after each run");
        for number in 0..steps {
            let number = usize::try_from(number).expect("a small number");
            let message = without_provenance_mut(black_box(number));
            // SAFETY: the fiber is fresh or waits in the context it left.
            let transfer = unsafe { W::switch(context, message) };
            assert_eq!(transfer.message, message);
            context = transfer.from;
        }
        fiber = Some(context);
    })
}
