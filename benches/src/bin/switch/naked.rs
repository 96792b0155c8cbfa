//! The naked forms beside two ways in which others write theirs: one that ends in `ret`, and one
//! that jumps and saves all that the ABI says, as Boost.Context does.
//!
//! Two call sites switch to each other, as a scheduler and a fiber do.
#![allow(unsafe_code, reason = "calls switches in assembly")]

use std::arch::naked_asm;
use std::hint::black_box;
use std::ptr::{null_mut, without_provenance_mut};

use dtact_switch::{Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, Stack, Transfer};

use crate::coroutines::stack;
use crate::{Contender, Run, Workload};

pub(crate) fn ping_pong() -> Workload {
    let ours = [
        Contender {
            name: "naked switch",
            prepare: naked::<SameThreadNoFloat>,
        },
        Contender {
            name: "naked switch, float",
            prepare: naked::<SameThreadFloat>,
        },
    ];
    Workload {
        name: "ping-pong",
        step: "two switches, by a call through a pointer, between two call sites",
        contenders: baselines().into_iter().chain(ours).collect(),
    }
}

/// Sends every message back.
///
/// # Safety
///
/// Entered by a switch of the same kind; each later one resumes it where it stands.
unsafe extern "C" fn echo<W: ContextSwitcher>(first: Transfer) -> ! {
    let switch = black_box(W::SWITCH_NAKED);
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { switch(transfer.from, transfer.message) };
    }
}

fn naked<W: ContextSwitcher>() -> Run {
    let stack = stack();
    // SAFETY: a whole stack with a guard, which the closure below keeps as long as the context.
    let mut fiber = Some(unsafe { Context::new(stack.bounds(), echo::<W>) });
    let switch = black_box(W::SWITCH_NAKED);
    Box::new(move |steps| {
        let _keep = &stack;
        let mut context = fiber.take().expect("put back after each run");
        for number in 0..steps {
            let number = usize::try_from(number).expect("a small number");
            // SAFETY: the fiber is fresh or waits in the context it left.
            let transfer = unsafe { switch(context, without_provenance_mut(black_box(number))) };
            assert_eq!(transfer.message.addr(), number);
            context = transfer.from;
        }
        fiber = Some(context);
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn baselines() -> Vec<Contender> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
fn baselines() -> Vec<Contender> {
    vec![
        Contender {
            name: "ret",
            prepare: || baseline(through_ret, 7),
        },
        Contender {
            name: "jmp, all state",
            prepare: || baseline(through_jmp, 8),
        },
    ]
}

/// A switch: leaves its stack pointer in `*left`, goes on with `to`, and hands `message` over.
type Switch = unsafe extern "C" fn(left: *mut *mut (), to: *mut (), message: *mut ()) -> *mut ();

/// Six registers, and back by `ret`.
///
/// # Safety
///
/// `to` was left by it, or is laid out like that.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn through_ret(_: *mut *mut (), _: *mut (), _: *mut ()) -> *mut () {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "mov rax, rdx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Six registers and both floating-point control words in one area, and back by a jump.
///
/// # Safety
///
/// `to` was left by it, or is laid out like that.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn through_jmp(_: *mut *mut (), _: *mut (), _: *mut ()) -> *mut () {
    naked_asm!(
        "lea rsp, [rsp - 0x38]",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rsp + 0x08], r12",
        "mov [rsp + 0x10], r13",
        "mov [rsp + 0x18], r14",
        "mov [rsp + 0x20], r15",
        "mov [rsp + 0x28], rbx",
        "mov [rsp + 0x30], rbp",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "mov rax, rdx",
        "mov r8, [rsp + 0x38]",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "mov r12, [rsp + 0x08]",
        "mov r13, [rsp + 0x10]",
        "mov r14, [rsp + 0x18]",
        "mov r15, [rsp + 0x20]",
        "mov rbx, [rsp + 0x28]",
        "mov rbp, [rsp + 0x30]",
        "lea rsp, [rsp + 0x40]",
        "jmp r8",
    )
}

/// The two stack pointers of a baseline, and its switch.
struct Baseline {
    switch: Switch,
    resumer: *mut (),
    fiber: *mut (),
}

/// Where [`start_baseline`] finds its argument.
///
/// # Safety
///
/// Entered by a baseline's switch, with the address of a [`Baseline`].
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn start_baseline() -> ! {
    naked_asm!("mov rdi, rax", "call {echo}", "ud2", echo = sym echo_baseline)
}

/// Sends every message back.
///
/// # Safety
///
/// `baseline` lives as long as it is resumed.
unsafe extern "C" fn echo_baseline(baseline: *mut Baseline) -> ! {
    let mut message = null_mut();
    loop {
        // SAFETY: alive (the caller).
        let Baseline {
            switch, resumer, ..
        } = unsafe { baseline.read() };
        // SAFETY: as above.
        let left = unsafe { &raw mut (*baseline).fiber };
        // SAFETY: the resumer waits where it left.
        message = unsafe { switch(left, resumer, message) };
    }
}

#[cfg(target_arch = "x86_64")]
fn baseline(switch: Switch, words: usize) -> Run {
    let stack = stack();
    let mut baseline = Box::new(Baseline {
        switch: black_box(switch),
        resumer: null_mut(),
        fiber: null_mut(),
    });
    // The last word is the return address; what is below it are registers and control words.
    // SAFETY: inside of the stack, which has room for more.
    let frame = unsafe { stack.top().cast::<usize>().sub(words) };
    // SAFETY: as above. The control words, where there are any, come first.
    unsafe { frame.write(0x037F_0000_1F80) };
    // SAFETY: as above.
    let last = unsafe { frame.add(words - 1) }.cast::<*const ()>();
    // SAFETY: as above.
    unsafe { last.write(start_baseline as *const ()) };
    baseline.fiber = frame.as_ptr().cast();
    let this = &raw mut *baseline;
    let fiber = baseline.fiber;
    // SAFETY: alive, for it is in a box.
    let left = unsafe { &raw mut (*this).resumer };
    // SAFETY: the fiber's first frame.
    let first = unsafe { switch(left, fiber, this.cast()) };
    assert!(first.is_null());
    Box::new(move |steps| {
        let _keep = &stack;
        let this = &raw mut *baseline;
        for number in 0..steps {
            let number = usize::try_from(number).expect("a small number");
            let message = without_provenance_mut(black_box(number));
            // SAFETY: alive, for the closure owns it.
            let Baseline { switch, fiber, .. } = unsafe { this.read() };
            // SAFETY: as above.
            let left = unsafe { &raw mut (*this).resumer };
            // SAFETY: the fiber waits where it left.
            let answer = unsafe { switch(left, fiber, message) };
            assert_eq!(answer, message);
        }
    })
}
