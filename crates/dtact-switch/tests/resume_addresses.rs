//! The address at which a suspended context goes on, on AArch64: it is signed, for the place where
//! it lies, so that neither a plain address nor one that was signed for another context is taken.
//!
//! A signature has few bits, and one in 128 is right by chance: each child changes several contexts
//! and dies of the first whose signature is wrong. Without the instructions nothing is signed, and
//! the tests say so.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    feature = "std",
    target_os = "linux",
    target_arch = "aarch64"
))]
#![allow(
    unsafe_code,
    reason = "the tests call the switch, and write to suspended stacks"
)]
#![allow(clippy::print_stdout, reason = "a test that could not run says so")]

mod support;

use std::arch::asm;
use std::ffi::c_ulong;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::ptr::NonNull;

use dtact_switch::{
    ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat, SameThreadNoFloat,
    Stack, Stackful, Transfer, Yielder,
};
use support::child::{self, SURVIVED};
use support::{Form, HeapStack, forms_by_kind, from_raw, word};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

const AT_HWCAP: c_ulong = 16;
/// `asm/hwcap.h` of AArch64.
const HWCAP_PACA: c_ulong = 1 << 30;
const SIGILL: i32 = 4;
const SIGSEGV: i32 = 11;

/// Contexts that one child changes.
const CONTEXTS: usize = 8;
/// Words from a context to the address at which it goes on.
const RESUME: usize = 3;
/// Words from a context that the naked form left to the return address of that form.
const RETURN_OF_NAKED: usize = 21;

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
}

/// Where a word lies that says where to go on.
type Place = *mut *const ();

/// A word without its signature.
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "it computes with an address, and follows none"
)]
fn stripped(word: *const ()) -> *const () {
    let address;
    // SAFETY: reads and writes a register alone.
    unsafe {
        asm!(
            "hint #7", // xpaclri
            inlateout("x30") word => address,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    address
}

/// Reads a word of a suspended stack.
fn read(place: Place) -> *const () {
    // SAFETY: each caller names an aligned word of a stack that is mapped and does not run.
    unsafe { place.read_volatile() }
}

/// Changes the words that say where contexts go on, in the way that `how` names. All are signed for
/// one address.
fn forge(how: &str, places: &[Place]) {
    let words: Vec<_> = places.iter().map(|&place| read(place)).collect();
    let mut addresses = words.iter().map(|&word| stripped(word));
    let first = addresses.next();
    assert!(
        addresses.all(|address| Some(address) == first),
        "one address"
    );
    for (index, &place) in places.iter().enumerate() {
        let word = match how {
            "control" => words[index],
            "plain" => stripped(words[index]),
            "moved" => words[(index + 1) % words.len()],
            _ => unreachable!("{how}"),
        };
        // SAFETY: as in `read`. What is written is wrong, or else the same as before.
        unsafe { place.write_volatile(word) };
    }
}

/// Answers each number with its successor.
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
        transfer = unsafe { form(transfer.from, word(answer)) };
        answer = transfer.message.addr() + 1;
    }
}

/// Contexts that wait in `form`, or are fresh, with the word changed that lies `offset` words from
/// each.
fn resumes_contexts(how: &str, mut form: Form, is_fresh: bool, offset: usize) {
    let message = (&raw mut form).cast();
    let stacks: Vec<_> = (0..CONTEXTS).map(|_| HeapStack::new()).collect();
    let suspended = |stack: &HeapStack| {
        let fresh = stack.enter_at(successor);
        if is_fresh {
            return fresh.into_raw();
        }
        // SAFETY: a fresh context on a stack that outlives the switches here.
        unsafe { form(fresh, message) }.from.into_raw()
    };
    let contexts: Vec<_> = stacks.iter().map(suspended).collect();
    let place = |context: &NonNull<()>| context.as_ptr().cast::<*const ()>().wrapping_add(offset);
    forge(how, &contexts.iter().map(place).collect::<Vec<_>>());
    for context in contexts {
        // SAFETY: from `into_raw`, and taken once.
        let context = unsafe { from_raw(context.as_ptr()) };
        let message = if is_fresh { message } else { word(6) };
        // SAFETY: the fiber waits in a context of the same kind. If it is no longer what it was,
        // this is the end of the process.
        let transfer = unsafe { form(context, message) };
        assert_eq!(transfer.message.addr(), if is_fresh { 0 } else { 7 });
    }
}

/// Coroutines that are suspended, or fresh, with all words changed that are signed.
fn resumes_coroutines<W: ContextSwitcher>(how: &str, is_fresh: bool) {
    const WORDS: usize = 8 * 1024;
    let body = |yielder: &Yielder<usize, usize, W>, mut number| {
        loop {
            number = yielder.suspend(number + 1);
        }
    };
    let mut tops = Vec::new();
    let mut coroutines = Vec::new();
    for _ in 0..CONTEXTS {
        let stack = GuardedStack::new(WORDS * size_of::<usize>()).expect("room for a stack");
        tops.push(stack.top().cast::<*const ()>().as_ptr());
        coroutines.push(Coroutine::<_, _, (), _, W>::with_switcher(
            STACKFUL, stack, body,
        ));
    }
    if !is_fresh {
        for coroutine in &mut coroutines {
            assert_eq!(coroutine.resume(1), CoroutineResult::Yield(2));
        }
    }
    let mut found = 0;
    for index in 1..=WORDS {
        let places: Vec<_> = tops.iter().map(|top| top.wrapping_sub(index)).collect();
        let address = stripped(read(places[0]));
        let is_of_one_address = |&place: &Place| stripped(read(place)) == address;
        let is_signed = |&place: &Place| read(place) != address;
        if places.iter().all(is_of_one_address) && places.iter().any(is_signed) {
            found += 1;
            forge(how, &places);
        }
    }
    assert!(found > 0, "the stacks have signed words");
    for coroutine in &mut coroutines {
        assert_eq!(coroutine.resume(6), CoroutineResult::Yield(7));
    }
}

/// Resumes at several depths a coroutine that changes where its resumer goes on. Returns how many
/// signed words it found.
#[inline(never)]
fn resumes_at_depth<W: ContextSwitcher>(
    depth: usize,
    coroutine: &mut Coroutine<Place, usize, (), GuardedStack, W>,
) -> usize {
    let mut here: *const () = std::ptr::null();
    let found = coroutine.resume(&raw mut here).into_yield();
    let deeper = if depth > 0 {
        resumes_at_depth(depth - 1, coroutine)
    } else {
        0
    };
    black_box(&here);
    found.expect("it never returns") + deeper
}

fn returns_to_resumers<W: ContextSwitcher>(how: &str) {
    let stack = GuardedStack::new(64 * 1024).expect("room for a stack");
    let how = how.to_owned();
    let body = move |yielder: &Yielder<Place, usize, W>, mut resumer: Place| {
        let code = (forge as *const ()).addr();
        loop {
            let mut found = 0;
            // The resumer's stack below what it has in its frame.
            for index in 1..=512 {
                let place = resumer.wrapping_sub(index);
                let address = stripped(read(place));
                let is_code = address.addr().abs_diff(code) < 16 * 1024 * 1024;
                if is_code && address != read(place) {
                    found += 1;
                    forge(&how, &[place]);
                }
            }
            resumer = yielder.suspend(found);
        }
    };
    let mut coroutine = Coroutine::with_switcher(STACKFUL, stack, body);
    let found = resumes_at_depth::<W>(CONTEXTS - 1, &mut coroutine);
    assert!(found > 0, "the resumers' stack has signed words");
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_that_resumes_forged_contexts() {
    let Some(mode) = child::mode() else {
        return;
    };
    let [(_, float), (_, no_float)] = forms_by_kind();
    let (how, what) = mode.split_once(' ').expect("two words");
    match what {
        "inline_float" => resumes_contexts(how, float[0], false, RESUME),
        "naked_float" => resumes_contexts(how, float[1], false, RESUME),
        "inline" => resumes_contexts(how, no_float[0], false, RESUME),
        "naked" => resumes_contexts(how, no_float[1], false, RESUME),
        "return_float" => resumes_contexts(how, float[1], false, RETURN_OF_NAKED),
        "return" => resumes_contexts(how, no_float[1], false, RETURN_OF_NAKED),
        "fresh" => resumes_contexts(how, no_float[0], true, RESUME),
        "coroutine_float" => resumes_coroutines::<SameThreadFloat>(how, false),
        "coroutine" => resumes_coroutines::<SameThreadNoFloat>(how, false),
        "coroutine_fresh" => resumes_coroutines::<SameThreadNoFloat>(how, true),
        "resumer_float" => returns_to_resumers::<SameThreadFloat>(how),
        "resumer" => returns_to_resumers::<SameThreadNoFloat>(how),
        _ => unreachable!("{what}"),
    }
    std::process::exit(SURVIVED);
}

/// Has children resume contexts of these kinds, once as they are and once changed as `how` says.
fn only_unchanged_contexts_go_on(how: &str, kinds: &[&str]) {
    // SAFETY: asks what the processor has.
    if unsafe { getauxval(AT_HWCAP) } & HWCAP_PACA == 0 {
        println!("SKIPPED: this processor does not sign addresses");
        return;
    }
    let run = |how: &str, kind| {
        child::run(
            "child_that_resumes_forged_contexts",
            &format!("{how} {kind}"),
        )
    };
    for kind in kinds {
        let control = run("control", kind);
        assert_eq!(control.status.code(), Some(SURVIVED), "{kind}: {control:?}");
        let forged = run(how, kind).status.signal();
        // A fault at the address, or at once. No panic, nor the abort that one may lead to.
        assert!(
            matches!(forged, Some(SIGSEGV | SIGILL)),
            "{kind}: {forged:?}"
        );
    }
}

#[test]
fn a_context_never_goes_on_at_a_plain_address() {
    let kinds = [
        "inline_float",
        "naked_float",
        "inline",
        "naked",
        "return_float",
        "return",
        "fresh",
        "coroutine_float",
        "coroutine",
        "coroutine_fresh",
        "resumer_float",
        "resumer",
    ];
    only_unchanged_contexts_go_on("plain", &kinds);
}

#[test]
fn a_context_never_goes_on_at_an_address_that_was_signed_for_another() {
    let kinds = [
        "inline_float",
        "naked_float",
        "inline",
        "naked",
        "return_float",
        "return",
        "fresh",
        "coroutine_float",
        "coroutine",
        "coroutine_fresh",
    ];
    only_unchanged_contexts_go_on("moved", &kinds);
}
