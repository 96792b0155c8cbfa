//! What Windows notes about the stack of a thread travels with the stack.
#![cfg(all(not(miri), target_os = "windows", feature = "std"))]
#![allow(
    unsafe_code,
    reason = "the tests call the switch, and read and write the thread's block"
)]

mod support;

use core::arch::asm;
use std::panic;
use std::ptr::null_mut;

use dtact_switch::{
    Context, ContextSwitcher, CrossThreadNoFloat, GuardedStack, SameThreadNoFloat, Stack, Transfer,
};
use support::{child, for_each_pairing};
use windows_sys::Win32::Foundation::EXCEPTION_STACK_OVERFLOW;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
};
use windows_sys::Win32::System::Threading::{
    ExitProcess, GetCurrentThreadStackLimits, SetThreadStackGuarantee,
};

/// The fields that travel, and where they are.
const FIELDS: [usize; 7] = [0x0, 0x8, 0x10, 0x20, 0x2C8, 0x1478, GUARANTEED_BYTES];
/// The only one of 32 bits.
const GUARANTEED_BYTES: usize = 0x1748;

/// One word of the thread's block.
fn field(offset: usize) -> usize {
    let value: usize;
    // SAFETY: reads a field of the block, which every thread has.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, gs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        asm!("ldr {}, [x18, {}]", out(reg) value, in(reg) offset, options(nostack, readonly));
    }
    if offset == GUARANTEED_BYTES {
        value & 0xFFFF_FFFF
    } else {
        value
    }
}

/// All fields that travel.
fn fields() -> [usize; 7] {
    FIELDS.map(field)
}

/// Sets one that nobody looks at here: `FiberData`.
fn set_fiber_data(value: usize) {
    // SAFETY: a field that is for users, of a thread that is no fiber of the system.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov gs:[0x20], {}", in(reg) value, options(nostack));
        #[cfg(target_arch = "aarch64")]
        asm!("str {}, [x18, #0x20]", in(reg) value, options(nostack));
    }
}

fn stack() -> GuardedStack {
    GuardedStack::new(64 * 1024).expect("room for a stack")
}

/// Answers with the fields as it finds them, each time, and leaves its own mark in one of them.
unsafe extern "C" fn reporter(first: Transfer) -> ! {
    let form = *unsafe_form(&first);
    let mut transfer = first;
    for mark in 1.. {
        let mut found = fields();
        set_fiber_data(mark);
        // SAFETY: the resumer waits in the context it left, with a form of the same kind.
        transfer = unsafe { form(transfer.from, (&raw mut found).cast()) };
    }
    unreachable!("the marks do not end")
}

/// The form that the first message names.
fn unsafe_form(first: &Transfer) -> &support::Form {
    // SAFETY: the resumer passes a form that outlives the fiber.
    unsafe { &*first.message.cast() }
}

#[test]
fn the_thread_s_notes_are_those_of_the_stack_that_runs() {
    for_each_pairing(|resumer, mut fiber| {
        let stack = stack();
        let bounds = stack.bounds();
        let home = fields();
        // SAFETY: a whole stack that outlives the switches here.
        let mut context = unsafe { Context::new(bounds, reporter) };
        for round in 0..3 {
            // SAFETY: the context is fresh or the one that the fiber left, with a form of its kind.
            let transfer = unsafe { resumer(context, (&raw mut fiber).cast()) };
            // SAFETY: the message lies on the fiber's stack, which waits.
            let found = unsafe { transfer.message.cast::<[usize; 7]>().read() };
            let [handlers, base, limit, data, activation, lowest, guaranteed] = found;
            assert_eq!(handlers, usize::MAX);
            assert_eq!(base, bounds.top().addr().get());
            assert_eq!(limit, bounds.bottom().addr().get());
            assert_eq!(data, round, "null at first, then what was left there");
            assert!((limit..base).contains(&activation));
            assert_eq!(lowest, bounds.lowest().addr().get());
            assert_eq!(guaranteed, bounds.overflow_bytes() as usize);
            assert_eq!(fields(), home, "and the resumer's are back");
            context = transfer.from;
        }
    });
}

/// Asks the system where it takes the stack to be, and changes the guarantee.
unsafe extern "C" fn asker(first: Transfer) -> ! {
    let (mut low, mut high) = (0, 0);
    // SAFETY: fills both.
    unsafe { GetCurrentThreadStackLimits(&raw mut low, &raw mut high) };
    let mut limits = (low, high);
    // SAFETY: the resumer waits in the context it left.
    let second = unsafe { SameThreadNoFloat::switch(first.from, (&raw mut limits).cast()) };
    let mut bytes = 0x4000;
    // SAFETY: reads and writes the number.
    let set = unsafe { SetThreadStackGuarantee(&raw mut bytes) };
    assert_ne!(set, 0);
    // SAFETY: as above.
    let third = unsafe { SameThreadNoFloat::switch(second.from, null_mut()) };
    let mut guarantee = field(GUARANTEED_BYTES);
    // SAFETY: as above.
    let _never = unsafe { SameThreadNoFloat::switch(third.from, (&raw mut guarantee).cast()) };
    unreachable!("nobody resumes a fourth time");
}

#[test]
fn the_system_takes_the_stack_to_be_where_it_is_and_may_change_its_notes() {
    let stack = stack();
    let bounds = stack.bounds();
    // SAFETY: a whole stack that outlives the switches here.
    let context = unsafe { Context::new(bounds, asker) };
    // SAFETY: a fresh context.
    let transfer = unsafe { SameThreadNoFloat::switch(context, null_mut()) };
    // SAFETY: the message lies on the fiber's stack, which waits.
    let (low, high) = unsafe { transfer.message.cast::<(usize, usize)>().read() };
    let (lowest, top) = (bounds.lowest().addr().get(), bounds.top().addr().get());
    assert_eq!((low, high), (lowest, top));
    let home = fields();
    // SAFETY: the fiber waits in the context it left.
    let transfer = unsafe { SameThreadNoFloat::switch(transfer.from, null_mut()) };
    assert_eq!(fields(), home, "the guarantee is the fiber's");
    // SAFETY: as above.
    let transfer = unsafe { SameThreadNoFloat::switch(transfer.from, null_mut()) };
    // SAFETY: as above.
    let guarantee = unsafe { transfer.message.cast::<usize>().read() };
    assert!(
        guarantee >= 0x4000,
        "kept over the suspension: {guarantee:#x}"
    );
}

/// Catches a panic on whatever thread it is.
unsafe extern "C" fn catcher(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        let caught = panic::catch_unwind(|| panic::resume_unwind(Box::new(7_usize)));
        let payload = caught.expect_err("it panics");
        let number = payload.downcast_ref::<usize>().copied().unwrap_or(0);
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { CrossThreadNoFloat::switch(transfer.from, support::word(number)) };
    }
}

#[test]
fn a_context_that_changes_threads_takes_its_notes_along() {
    let stack = stack();
    // SAFETY: a whole stack that outlives the switches here.
    let mut fiber = unsafe { Context::new(stack.bounds(), catcher) }
        .into_raw()
        .expose_provenance();
    for _ in 0..4 {
        let thread = std::thread::spawn(move || {
            let home = fields();
            // SAFETY: from `into_raw`, of a thread that has ended.
            let context =
                unsafe { support::from_raw(std::ptr::with_exposed_provenance_mut(fiber.get())) };
            // SAFETY: the fiber is fresh or waits in the context it left, with nothing of a thread.
            let transfer = unsafe { CrossThreadNoFloat::switch(context, null_mut()) };
            assert_eq!(transfer.message, support::word(7));
            assert_eq!(fields(), home);
            transfer.from.into_raw().expose_provenance()
        });
        fiber = thread.join().expect("the fiber catches its panics");
    }
}

/// The exit code of a child whose handler saw the overflow.
const SAW_OVERFLOW: u32 = 42;

/// Ends the process where an overflow is reported.
unsafe extern "system" fn on_overflow(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes an exception.
    let record = unsafe { (*exception).ExceptionRecord };
    // SAFETY: as above.
    if unsafe { (*record).ExceptionCode } == EXCEPTION_STACK_OVERFLOW {
        // SAFETY: ends the process.
        unsafe { ExitProcess(SAW_OVERFLOW) };
    }
    EXCEPTION_CONTINUE_SEARCH
}

#[expect(unconditional_recursion, reason = "it is to overflow")]
#[inline(never)]
fn overflow(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + std::hint::black_box(&frame)[0]
}

unsafe extern "C" fn overflower(_: Transfer) -> ! {
    let depth = overflow(0);
    unreachable!("it came back from {depth}")
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_overflows() {
    if child::mode().is_none() {
        return;
    }
    // SAFETY: the handler ends the process or does nothing.
    let added = unsafe { AddVectoredExceptionHandler(1, Some(on_overflow)) };
    assert!(!added.is_null());
    let stack = stack();
    // SAFETY: a whole stack that outlives the process.
    let context = unsafe { Context::new(stack.bounds(), overflower) };
    // SAFETY: a fresh context.
    let _never = unsafe { SameThreadNoFloat::switch(context, null_mut()) };
    unreachable!("nobody switches back");
}

#[test]
fn an_overflow_reaches_a_handler_of_exceptions() {
    let child = child::run("child_that_overflows", "overflow");
    assert_eq!(
        child.status.code(),
        Some(SAW_OVERFLOW.cast_signed()),
        "{child:?}"
    );
}
