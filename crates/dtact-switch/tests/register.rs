//! Every callee-saved register comes back as it was left, on both sides, in every pairing of forms.
#![cfg(not(miri))]
#![allow(unsafe_code, reason = "the tests load registers and call the switch")]

mod support;

use dtact_switch::Transfer;
use support::registers::{Saved, switch_with};
use support::{Form, HeapStack, Numbers, for_each_pairing, word};

const ROUNDS: usize = 200;

struct Start {
    form: Form,
    seed: u64,
}

/// Keeps random registers over each suspension; answers with how often they all came back.
unsafe extern "C" fn keeper(first: Transfer) -> ! {
    // SAFETY: the first message is a `Start`, alive until the first answer.
    let Start { form, seed } = unsafe { first.message.cast::<Start>().read() };
    let mut numbers = Numbers(seed);
    let mut transfer = first;
    let mut kept = 0;
    loop {
        let before = Saved::random(&mut numbers);
        let mut registers = before;
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        transfer = unsafe { switch_with(form, transfer.from, word(kept), &mut registers) };
        kept += usize::from(registers == before);
    }
}

#[test]
fn callee_saved_registers_are_kept_on_both_sides_in_every_pairing() {
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    for_each_pairing(|resumer, fiber| {
        let stack = HeapStack::new();
        let mut start = Start {
            form: fiber,
            seed: numbers.next(),
        };
        let mut context = stack.enter_at(keeper);
        let mut message = (&raw mut start).cast();
        for round in 0..ROUNDS {
            let before = Saved::random(&mut numbers);
            let mut registers = before;
            // SAFETY: the context is fresh or the one the fiber left, with a form of the same kind.
            let transfer = unsafe { switch_with(resumer, context, message, &mut registers) };
            assert_eq!(registers, before, "the resumer's registers, round {round}");
            assert_eq!(
                transfer.message,
                word(round),
                "rounds in which the fiber's were kept"
            );
            context = transfer.from;
            message = word(0);
        }
    });
}
