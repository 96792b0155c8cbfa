//! Branch target identification on AArch64: with the code guarded, every indirect branch of a
//! switch lands on a pad, and one that lands elsewhere ends the process.
//!
//! A linker flag alone guards nothing under every emulator, so the test guards the pages itself.
//! On a processor without it there is nothing to see.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    target_os = "linux",
    target_arch = "aarch64"
))]
#![allow(
    unsafe_code,
    reason = "the test guards its own code, and calls the switch"
)]
#![allow(clippy::print_stdout, reason = "a test that could not run says so")]

mod support;

use std::arch::{asm, naked_asm};
use std::ffi::{c_int, c_ulong, c_void};
use std::fs;
use std::os::unix::process::ExitStatusExt;

use dtact_switch::{Context, ContextSwitcher, SameThreadFloat, SameThreadNoFloat, Transfer};
use support::child::{self, SURVIVED};
use support::{Form, HeapStack, inline_form, word};

const PROT_READ: c_int = 1;
const PROT_EXEC: c_int = 4;
/// `asm/mman.h` of AArch64.
const PROT_BTI: c_int = 0x10;
const AT_HWCAP2: c_ulong = 26;
/// `asm/hwcap.h` of AArch64.
const HWCAP2_BTI: c_ulong = 1 << 17;
const SIGILL: i32 = 4;

unsafe extern "C" {
    fn mprotect(start: *mut c_void, bytes: usize, protection: c_int) -> c_int;
    fn getauxval(kind: c_ulong) -> c_ulong;
}

/// The code of this program: the mapping that it is in.
fn code() -> (*mut c_void, usize) {
    let here = (code as *const ()).addr();
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let range = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let (end, _) = rest.split_once(' ')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?, number(end)?))
    };
    let mut ranges = maps.lines().filter_map(range);
    let (start, end) = ranges
        .find(|&(start, end)| (start..end).contains(&here))
        .expect("this code is mapped");
    (std::ptr::with_exposed_provenance_mut(start), end - start)
}

/// Answers each message with the next number, forever: its own code has pads, as compiled code has
/// where the compiler is asked for them.
///
/// # Safety
///
/// Entered by a switch, with a form as the first message.
#[unsafe(naked)]
unsafe extern "C" fn successor(_first: Transfer) -> ! {
    naked_asm!(
        "hint #34", // bti c
        // x0: who was left; x1: where the form is.
        "ldr x20, [x1]",
        "mov x1, #0",
        "2:",
        "blr x20",
        "add x1, x1, #1",
        "b 2b",
    )
}

/// Calls an address that no indirect branch may land on.
///
/// # Safety
///
/// There is code there that returns.
unsafe fn call(address: *const ()) {
    // SAFETY: the caller knows the code; what a call changes is named.
    unsafe { asm!("blr {address}", address = in(reg) address, clobber_abi("C")) };
}

/// The inline form behind a pad: compiled code that is called through a pointer has none.
///
/// # Safety
///
/// Those of the switch.
#[unsafe(naked)]
unsafe extern "C" fn padded<S: ContextSwitcher>(to: Context, message: *mut ()) -> Transfer {
    naked_asm!("hint #34", "b {form}", form = sym inline_form::<S>)
}

/// Both forms of both kinds.
fn forms_by_kind() -> [[Form; 2]; 2] {
    [
        [padded::<SameThreadFloat>, SameThreadFloat::SWITCH_NAKED],
        [padded::<SameThreadNoFloat>, SameThreadNoFloat::SWITCH_NAKED],
    ]
}

/// A function whose second instruction is not a pad.
#[unsafe(naked)]
extern "C" fn has_no_pad_inside() {
    naked_asm!("hint #34", "nop", "ret")
}

/// Switches to and fro, and answers with the sum of what came back. Nothing but the switch branches
/// indirectly in here: the compiler's own code has no pads.
fn round_trips(forms: &[Form], stacks: &[HeapStack]) -> usize {
    let mut sum = 0;
    for (index, &resumer) in forms.iter().enumerate() {
        let mut fiber = forms[(index + 1) % forms.len()];
        // SAFETY: a fresh context on a stack that outlives the switches here.
        let mut transfer =
            unsafe { resumer(stacks[index].enter_at(successor), (&raw mut fiber).cast()) };
        for number in [10, 20, 30] {
            // SAFETY: the fiber waits in the context it left.
            transfer = unsafe { resumer(transfer.from, word(number)) };
            sum += transfer.message.addr();
        }
    }
    sum
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_with_guarded_code() {
    let Some(mode) = child::mode() else {
        return;
    };
    let no_pad = (has_no_pad_inside as *const ()).wrapping_byte_add(4);
    let kinds = forms_by_kind();
    let stacks: Vec<HeapStack> = (0..2).map(|_| HeapStack::new()).collect();
    let (start, bytes) = code();
    let guard = mode != "not guarded";
    if guard {
        // SAFETY: the code stays readable and executable.
        let result = unsafe { mprotect(start, bytes, PROT_READ | PROT_EXEC | PROT_BTI) };
        if result != 0 {
            std::process::abort();
        }
    }
    let mut sums = [0; 2];
    if mode == "switch" {
        for (sum, forms) in sums.iter_mut().zip(&kinds) {
            *sum = round_trips(forms, &stacks);
        }
    } else {
        // SAFETY: `nop` and `ret`; guarded, the end of the process.
        unsafe { call(no_pad) };
    }
    if guard {
        // SAFETY: as above.
        unsafe { mprotect(start, bytes, PROT_READ | PROT_EXEC) };
    }
    // Each of two forms is answered 11, 21 and 31.
    assert!(mode != "switch" || sums == [2 * 63; 2], "{sums:?}");
    std::process::exit(SURVIVED);
}

#[test]
fn every_indirect_branch_of_a_switch_lands_on_a_pad() {
    // SAFETY: asks what the processor has.
    if unsafe { getauxval(AT_HWCAP2) } & HWCAP2_BTI == 0 {
        println!("SKIPPED: this processor does not check where branches land");
        return;
    }
    let run = |mode| child::run("child_with_guarded_code", mode);
    let not_guarded = run("not guarded");
    assert_eq!(not_guarded.status.code(), Some(SURVIVED), "{not_guarded:?}");
    let control = run("no pad");
    assert_eq!(control.status.signal(), Some(SIGILL), "{control:?}");
    let switch = run("switch");
    assert_eq!(switch.status.code(), Some(SURVIVED), "{switch:?}");
}
