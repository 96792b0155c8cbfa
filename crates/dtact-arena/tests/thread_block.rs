//! On Windows a stack overflow is one where the thread's block (TEB) describes the stack: top,
//! bottom, lowest byte and the bytes of guard pages, as a pool tells them.
#![cfg(all(windows, target_arch = "x86_64", not(miri), not(dtact_loom)))]
#![allow(
    unsafe_code,
    reason = "runs on pooled stacks, and changes the thread's block"
)]

mod child;

use std::env;
use std::hint::black_box;
use std::sync::Arc;

use dtact_arena::overflow::{self, Occupant, OccupantKind};
use dtact_arena::{PooledStack, StackPool};

/// How deep the child digs. Unset in the parent.
const DEPTH: &str = "DTACT_ARENA_DEPTH";

static COROUTINE: OccupantKind = OccupantKind::new("coroutine", "`Engine::stack_bytes`");

/// Calls `body` on a stack of which the thread's block tells, as a context switch does.
///
/// # Safety
///
/// - `body` does not unwind.
unsafe fn call_on(stack: &PooledStack, body: extern "system" fn()) {
    // SAFETY: the stack is held; the registers are given back by the compiler, the fields of the
    // block by the code: ExceptionList, StackBase, StackLimit, DeallocationStack and
    // GuaranteedStackBytes.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp",
            "push qword ptr gs:[0x00]",
            "push qword ptr gs:[0x08]",
            "push qword ptr gs:[0x10]",
            "push qword ptr gs:[0x1478]",
            "push qword ptr gs:[0x1748]",
            "mov r13, rsp",
            "mov qword ptr gs:[0x00], -1",
            "mov qword ptr gs:[0x08], {top}",
            "mov qword ptr gs:[0x10], {bottom}",
            "mov qword ptr gs:[0x1478], {lowest}",
            "mov dword ptr gs:[0x1748], {opened:e}",
            "mov rsp, {top}",
            "sub rsp, 32",
            "call {body}",
            "mov rsp, r13",
            "pop qword ptr gs:[0x1748]",
            "pop qword ptr gs:[0x1478]",
            "pop qword ptr gs:[0x10]",
            "pop qword ptr gs:[0x08]",
            "pop qword ptr gs:[0x00]",
            "mov rsp, r12",
            top = in(reg) stack.top().as_ptr(),
            bottom = in(reg) stack.bottom().as_ptr(),
            lowest = in(reg) stack.lowest().as_ptr(),
            opened = in(reg) stack.overflow_bytes(),
            body = in(reg) body,
            out("r12") _,
            out("r13") _,
            clobber_abi("system"),
        );
    }
}

#[inline(never)]
fn dig(depth: usize) -> usize {
    let frame = black_box([depth; 64]);
    if depth == 0 {
        frame[0]
    } else {
        dig(depth - 1) + black_box(frame)[63]
    }
}

extern "system" fn dig_as_told() {
    let depth = env::var(DEPTH).unwrap_or_default();
    black_box(dig(depth.parse().unwrap_or(0)));
}

/// How the child ends when an overflow has reached the last handler.
const REACHED_THE_LAST: u32 = 42;

/// Ends the process when every handler of this kind has seen an overflow: what comes next would
/// walk the frames, and the assembly above is none that can be walked.
fn end_after_others() {
    use windows_sys::Win32::Foundation::EXCEPTION_STACK_OVERFLOW;
    use windows_sys::Win32::System::Diagnostics::Debug::{
        AddVectoredExceptionHandler, EXCEPTION_POINTERS,
    };
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

    unsafe extern "system" fn end(pointers: *mut EXCEPTION_POINTERS) -> i32 {
        // SAFETY: the system's own.
        let record = unsafe { (*pointers).ExceptionRecord };
        // SAFETY: as above.
        let code = unsafe { (*record).ExceptionCode };
        if code == EXCEPTION_STACK_OVERFLOW {
            // SAFETY: a handle that needs no closing.
            let process = unsafe { GetCurrentProcess() };
            // SAFETY: ends this process.
            unsafe { TerminateProcess(process, REACHED_THE_LAST) };
        }
        0
    }
    // SAFETY: the handler ends the process or does nothing.
    let added = unsafe { AddVectoredExceptionHandler(0, Some(end)) };
    assert!(!added.is_null(), "a handler can be added");
}

#[test]
fn the_child_digs() {
    if env::var_os(DEPTH).is_none() {
        return;
    }
    end_after_others();
    overflow::install().expect("a handler");
    let occupant = Occupant::new(&COROUTINE);
    occupant.set_id(42);
    // SAFETY: it outlives the digging.
    unsafe { overflow::set_occupant(Some(&occupant)) }
    let pool = Arc::new(StackPool::builder().capacity(4).build().expect("a pool"));
    let stack = PooledStack::take(&pool, 64 * 1024).expect("four fit");
    assert_eq!(stack.overflow_bytes() as usize % 4096, 0);
    assert!(stack.overflow_bytes() >= 20 * 1024);
    // SAFETY: digging does not unwind.
    unsafe { call_on(&stack, dig_as_told) }
    // SAFETY: nobody.
    unsafe { overflow::set_occupant(None) }
}

#[test]
fn an_overflow_is_told_by_a_handler_on_the_guard_pages_that_the_system_has_opened() {
    let (status, said) = child::run("the_child_digs", DEPTH, "10");
    assert!(status.success(), "{status}: {said}");
    let (status, said) = child::run("the_child_digs", DEPTH, "100000");
    let code = status.code().map(i32::cast_unsigned);
    assert_eq!(code, Some(REACHED_THE_LAST), "{status}: {said}");
    let told = "dtact: coroutine 42 has overflowed its stack";
    assert!(said.contains(told), "{status}: {said}");
    assert!(said.contains(" bytes below the bottom"), "{said}");
}
