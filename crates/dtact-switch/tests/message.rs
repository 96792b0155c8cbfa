//! Messages go both ways, whichever form each side uses, and contexts do not mix.
#![allow(unsafe_code, reason = "the tests call the switch")]

mod support;

use std::ptr::NonNull;

use dtact_switch::{Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, Transfer};
use support::{Form, HeapStack, TOLD, for_each_pairing, word};

/// What the resumer tells the fiber at the start.
struct Start {
    form: Form,
}

/// Answers each number with its successor, forever.
unsafe extern "C" fn successor(first: Transfer) -> ! {
    // SAFETY: the first message is a `Start` that lives until the first answer.
    let form = unsafe { first.message.cast::<Start>().read() }.form;
    let mut transfer = first;
    let mut answer = 0;
    loop {
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        transfer = unsafe { form(transfer.from, word(answer)) };
        answer = transfer.message.addr() + 1;
    }
}

#[test]
fn every_pairing_of_forms_carries_messages_both_ways() {
    for_each_pairing(|resumer, fiber| {
        let stack = HeapStack::new();
        let mut start = Start { form: fiber };
        let context = stack.enter_at(successor);
        // SAFETY: a fresh context on a stack that outlives this closure's switches.
        let mut transfer = unsafe { resumer(context, (&raw mut start).cast()) };
        assert_eq!(transfer.message, word(0));
        for number in [1, 0, 7, usize::MAX - 1, 1 << 63] {
            // SAFETY: the fiber waits in the context it left.
            transfer = unsafe { resumer(transfer.from, word(number)) };
            assert_eq!(transfer.message, word(number + 1));
        }
    });
}

#[test]
fn the_resumer_may_change_its_form_at_each_switch() {
    for (kind, forms) in support::forms_by_kind() {
        let stack = HeapStack::new();
        let mut start = Start { form: forms[0] };
        // SAFETY: a fresh context on a stack that outlives the switches here.
        let mut transfer = unsafe { forms[1](stack.enter_at(successor), (&raw mut start).cast()) };
        for number in 0..if cfg!(miri) { 20 } else { 1000 } {
            // SAFETY: the fiber waits in the context it left, of the same kind as all of `forms`.
            transfer = unsafe { forms[number % forms.len()](transfer.from, word(number)) };
            assert_eq!(transfer.message.addr(), number + 1, "{kind}");
        }
    }
}

#[test]
fn a_context_survives_the_way_through_its_raw_pointer() {
    let stack = HeapStack::new();
    let raw = stack.enter_at(successor).into_raw();
    assert!(TOLD || stack.contains(raw.addr().get()));
    let mut start = Start {
        form: SameThreadFloat::SWITCH_NAKED,
    };
    // SAFETY: the pointer came from `into_raw`, once.
    let context = unsafe { Context::from_raw(raw) };
    // SAFETY: a fresh context on a stack that outlives the switch.
    let transfer = unsafe { SameThreadFloat::switch(context, (&raw mut start).cast()) };
    assert_eq!(transfer.message, word(0));
    assert!(TOLD || stack.contains(transfer.from.into_raw().addr().get()));
}

/// Adds up its messages; keeps its own number in the high half of each answer.
unsafe extern "C" fn accumulator(first: Transfer) -> ! {
    let own = first.message.addr() << 32;
    let mut transfer = first;
    let mut sum = 0;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { SameThreadNoFloat::switch(transfer.from, word(own | sum)) };
        sum += transfer.message.addr();
    }
}

#[test]
fn sixty_four_contexts_interleave_without_mixing() {
    let stacks: Vec<HeapStack> = (0..64).map(|_| HeapStack::new()).collect();
    let mut contexts: Vec<Option<Context>> = Vec::new();
    for (index, stack) in stacks.iter().enumerate() {
        // SAFETY: a fresh context on a stack that outlives the switches here.
        let transfer =
            unsafe { SameThreadNoFloat::switch(stack.enter_at(accumulator), word(index)) };
        assert_eq!(transfer.message.addr(), index << 32);
        contexts.push(Some(transfer.from));
    }
    let mut numbers = support::Numbers(0x9E37_79B9_7F4A_7C15);
    let mut sums = [0_usize; 64];
    for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
        let number = numbers.next();
        let index = usize::try_from(number % 64).unwrap();
        let add = usize::try_from(number >> 56).unwrap();
        let context = contexts[index].take().expect("each is put back below");
        // SAFETY: the accumulator waits in the context it left.
        let transfer = unsafe { SameThreadNoFloat::switch(context, word(add)) };
        sums[index] += add;
        assert_eq!(transfer.message.addr(), index << 32 | sums[index]);
        contexts[index] = Some(transfer.from);
    }
}

/// Passes the message on to a context further down the line, and its answer back.
unsafe extern "C" fn relay(first: Transfer) -> ! {
    let next = NonNull::new(first.message).expect("the first message is a context");
    // SAFETY: the first message is the raw pointer of the next context, owned by this one.
    let mut next = unsafe { Context::from_raw(next) };
    let mut transfer = first;
    let mut answer = word(0);
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { SameThreadNoFloat::switch(transfer.from, answer) };
        // SAFETY: `next` is fresh or waits in the context it left.
        let reply = unsafe { SameThreadNoFloat::switch(next, transfer.message) };
        next = reply.from;
        answer = word(reply.message.addr() + 1);
    }
}

#[test]
fn a_fiber_may_resume_a_fiber() {
    const RELAYS: usize = 8;
    let stacks: Vec<HeapStack> = (0..=RELAYS).map(|_| HeapStack::new()).collect();
    let mut start = Start {
        form: SameThreadNoFloat::SWITCH_NAKED,
    };
    // SAFETY: a fresh context on a stack that outlives the switches here.
    let transfer = unsafe {
        SameThreadNoFloat::switch(stacks[RELAYS].enter_at(successor), (&raw mut start).cast())
    };
    let mut head = transfer.from;
    for stack in &stacks[..RELAYS] {
        let next = head.into_raw().as_ptr();
        // SAFETY: as above; the relay takes over the context behind `next`.
        head = unsafe { SameThreadNoFloat::switch(stack.enter_at(relay), next) }.from;
    }
    for number in [0, 41, 1_000_000] {
        // SAFETY: the last relay waits in the context it left.
        let transfer = unsafe { SameThreadNoFloat::switch(head, word(number)) };
        assert_eq!(transfer.message.addr(), number + 1 + RELAYS);
        head = transfer.from;
    }
}
