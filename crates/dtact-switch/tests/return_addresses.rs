//! Signed return addresses on AArch64: code that signs its own with the stack pointer keeps working
//! across switches, for each stack comes back at the same address; and the switch itself, which
//! signs where a context goes on, takes it back on every thread. What it refuses is in
//! `resume_addresses.rs`.
//!
//! On a processor without the instructions they do nothing, and neither does what is checked.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    target_os = "linux",
    target_arch = "aarch64"
))]
#![allow(unsafe_code, reason = "the tests call the switch")]
#![allow(clippy::print_stdout, reason = "a test that could not run says so")]

mod support;

use std::arch::naked_asm;
use std::ffi::c_ulong;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;

use dtact_switch::{Context, Transfer};
use support::child::{self, SURVIVED};
use support::{Form, HeapStack, for_each_pairing, forms_by_kind, word};

const AT_HWCAP: c_ulong = 16;
/// `asm/hwcap.h` of AArch64.
const HWCAP_PACA: c_ulong = 1 << 30;

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
}

/// Calls a form as code compiled with `-Z branch-protection=pac-ret` does: signs its return address
/// with its stack pointer, stores it on the stack, and authenticates it at the end.
///
/// # Safety
///
/// Those of the switch behind `form`.
#[unsafe(naked)]
unsafe extern "C" fn signed(to: Context, message: *mut (), form: Form) -> Transfer {
    naked_asm!(
        "hint #25", // paciasp
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "blr x2",
        "ldp x29, x30, [sp], #16",
        "hint #29", // autiasp
        "ret",
    )
}

/// As `signed`, and changes the signed address before it authenticates it.
#[unsafe(naked)]
extern "C" fn forged() {
    naked_asm!(
        "hint #25",
        "eor x30, x30, #4",
        "hint #29",
        "eor x30, x30, #4",
        "ret",
    )
}

/// Answers each number with its successor, out of calls that sign.
///
/// # Safety
///
/// The first message is a form of the kind that the resumer uses.
unsafe extern "C" fn successor(first: Transfer) -> ! {
    // SAFETY: the first message points to a form, until the first answer.
    let form = unsafe { first.message.cast::<Form>().read() };
    let mut transfer = first;
    let mut answer = 0;
    loop {
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        transfer = unsafe { signed(transfer.from, word(answer), form) };
        answer = transfer.message.addr() + 1;
    }
}

#[test]
fn calls_that_sign_their_return_addresses_switch_in_every_pairing() {
    for_each_pairing(|resumer, mut fiber| {
        let stack = HeapStack::new();
        let context = stack.enter_at(successor);
        // SAFETY: a fresh context on a stack that outlives the switches here.
        let mut transfer = unsafe { signed(context, (&raw mut fiber).cast(), resumer) };
        for number in [1, 41, 1_000] {
            // SAFETY: the fiber waits in the context it left.
            transfer = unsafe { signed(transfer.from, word(number), resumer) };
            assert_eq!(transfer.message, word(number + 1));
        }
    });
}

#[test]
fn a_signed_return_address_is_good_on_another_thread() {
    let [(_, mut forms), _] = forms_by_kind();
    let stack = HeapStack::new();
    let form = forms[0];
    // SAFETY: a fresh context on a stack that outlives the switches here.
    let transfer = unsafe { signed(stack.enter_at(successor), forms.as_mut_ptr().cast(), form) };
    let fiber = AtomicPtr::new(transfer.from.into_raw().as_ptr());
    let answer = thread::scope(|scope| {
        let other = scope.spawn(|| {
            // SAFETY: from `into_raw`, and taken once; the fiber is bound to no thread.
            let fiber = unsafe { support::from_raw(fiber.load(Ordering::Relaxed)) };
            // SAFETY: the fiber waits in the context it left, by a cross-thread switcher.
            let transfer = unsafe { signed(fiber, word(6), form) };
            transfer.message.addr()
        });
        other.join().expect("it ends")
    });
    assert_eq!(answer, 7);
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_returns_by_a_forged_address() {
    if child::mode().is_some() {
        forged();
        std::process::exit(SURVIVED);
    }
}

#[test]
fn a_forged_return_address_is_rejected_so_that_the_others_here_were_checked() {
    // SAFETY: asks what the processor has.
    if unsafe { getauxval(AT_HWCAP) } & HWCAP_PACA == 0 {
        println!("SKIPPED: this processor does not sign return addresses");
        return;
    }
    let child = child::run("child_that_returns_by_a_forged_address", "forge");
    assert_eq!(child.status.code(), None, "ended by a signal: {child:?}");
}
