//! Backtraces go on from a running coroutine into whoever resumed it, and from a suspended one to
//! its root; so do those of a debugger. Not where coroutines go by the general switch.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    feature = "std",
    unix
))]
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and walks a context"
)]

#[path = "support/child.rs"]
mod child;

use std::backtrace::Backtrace;
use std::hint::black_box;
use std::process::Command;
use std::ptr::null_mut;

use dtact_switch::{
    Context, ContextSwitcher, Coroutine, CoroutineResult, GuardedStack, SameThreadFloat,
    SameThreadNoFloat, Stack, Stackful, Transfer, Yielder, on_stack,
};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

/// The file of the first function of a coroutine: its name is told in more than one way.
const ROOT: &str = "coroutine/root.rs";
/// The first function of a thread.
const START: &str = "thread_start";

fn stack() -> GuardedStack {
    GuardedStack::new(512 * 1024).expect("room for a stack")
}

/// Whether `trace` names all of `functions`, in this order.
fn names_in_order(trace: &str, functions: &[&str]) -> bool {
    let mut rest = trace;
    functions.iter().all(|function| {
        let found = rest.find(function);
        rest = &rest[found.map_or(0, |at| at + function.len())..];
        found.is_some()
    })
}

#[track_caller]
fn assert_names(trace: &str, functions: &[&str]) {
    assert!(names_in_order(trace, functions), "{functions:?} in {trace}");
}

#[inline(never)]
fn traced_here() -> String {
    black_box(Backtrace::force_capture().to_string())
}

#[inline(never)]
fn resumed_by_one<W: ContextSwitcher>(
    coroutine: &mut Coroutine<(), String, String, GuardedStack, W>,
) -> String {
    black_box(coroutine.resume(()).into_yield().expect("it suspends"))
}

#[inline(never)]
fn resumed_by_another<W: ContextSwitcher>(
    coroutine: &mut Coroutine<(), String, String, GuardedStack, W>,
) -> String {
    black_box(coroutine.resume(()).into_return().expect("it returns"))
}

fn a_trace_follows_the_resumer<W: ContextSwitcher>() {
    let body = |yielder: &Yielder<(), String, W>, ()| {
        yielder.suspend(traced_here());
        traced_here()
    };
    let mut coroutine = Coroutine::with_switcher(STACKFUL, stack(), body);
    let trace = resumed_by_one(&mut coroutine);
    let test = "a_trace_follows_the_resumer";
    assert_names(
        &trace,
        &["traced_here", ROOT, "resumed_by_one", test, START],
    );
    let trace = resumed_by_another(&mut coroutine);
    assert_names(
        &trace,
        &["traced_here", ROOT, "resumed_by_another", test, START],
    );
    assert!(!trace.contains("resumed_by_one"), "{trace}");
}

#[test]
fn a_backtrace_goes_on_into_whoever_resumed_the_coroutine_last() {
    a_trace_follows_the_resumer::<SameThreadNoFloat>();
    a_trace_follows_the_resumer::<SameThreadFloat>();
}

#[inline(never)]
fn resumes_the_inner(stack: GuardedStack, work: fn() -> String) -> String {
    let mut inner = Coroutine::with_stack(STACKFUL, stack, move |_: &Yielder<(), ()>, ()| work());
    black_box(inner.resume(()).into_return().expect("it returns"))
}

#[inline(never)]
fn resumes_the_outer(outer: GuardedStack, inner: GuardedStack, work: fn() -> String) -> String {
    let body = move |_: &Yielder<(), ()>, ()| resumes_the_inner(inner, work);
    let mut outer = Coroutine::with_stack(STACKFUL, outer, body);
    black_box(outer.resume(()).into_return().expect("it returns"))
}

#[test]
fn a_backtrace_goes_through_nested_coroutines_whichever_stack_lies_higher() {
    let functions = [
        "traced_here",
        "resumes_the_inner",
        "resumes_the_outer",
        START,
    ];
    let mut stacks = [stack(), stack()];
    stacks.sort_by_key(Stack::top);
    let [lower, higher] = stacks;
    assert_names(&resumes_the_outer(lower, higher, traced_here), &functions);
    let mut stacks = [stack(), stack()];
    stacks.sort_by_key(Stack::top);
    let [lower, higher] = stacks;
    assert_names(&resumes_the_outer(higher, lower, traced_here), &functions);
}

#[inline(never)]
fn waits_here(yielder: &Yielder<(), ()>) {
    yielder.suspend(());
    black_box(());
}

#[inline(never)]
fn resumes_what_waits(coroutine: &mut Coroutine<(), (), ()>) {
    assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
    black_box(());
}

#[test]
fn a_suspended_coroutine_has_a_backtrace_to_its_root() {
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), |yielder, ()| {
        waits_here(yielder);
        waits_here(yielder);
    });
    let fresh = coroutine.backtrace().to_string();
    assert!(!fresh.contains("waits_here"), "{fresh}");
    for _ in 0..2 {
        resumes_what_waits(&mut coroutine);
        let trace = coroutine.backtrace().to_string();
        assert_names(&trace, &["waits_here", ROOT]);
        for other in ["resumes_what_waits", START] {
            assert!(!trace.contains(other), "{other} in {trace}");
        }
    }
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(()));
    assert!(!coroutine.backtrace().to_string().contains("waits_here"));
}

#[inline(never)]
unsafe extern "C" fn parked_here<S: ContextSwitcher>(first: Transfer) -> ! {
    // SAFETY: the resumer waits in the context it left.
    let _never = unsafe { (S::SWITCH_NAKED)(first.from, null_mut()) };
    unreachable!("nobody resumes it")
}

#[inline(never)]
unsafe extern "C" fn parked_inline<S: ContextSwitcher>(first: Transfer) -> ! {
    // SAFETY: the resumer waits in the context it left.
    let _never = unsafe { S::switch(first.from, null_mut()) };
    unreachable!("nobody resumes it")
}

#[test]
fn a_walk_goes_on_into_a_suspended_context_of_any_form() {
    let entries: [(dtact_switch::Entry, &str); 4] = [
        (parked_here::<SameThreadNoFloat>, "parked_here"),
        (parked_here::<SameThreadFloat>, "parked_here"),
        (parked_inline::<SameThreadNoFloat>, "parked_inline"),
        (parked_inline::<SameThreadFloat>, "parked_inline"),
    ];
    for (index, (entry, name)) in entries.into_iter().enumerate() {
        let stack = stack();
        // SAFETY: a whole stack with a guard, which outlives the context.
        let fresh = unsafe { Context::new(stack.bounds(), entry) };
        // SAFETY: nobody runs it meanwhile.
        let trace = unsafe { fresh.with_walk(traced_here) };
        assert!(
            trace.contains("traced_here") && !trace.contains(name),
            "{trace}"
        );
        let switch = [
            SameThreadNoFloat::SWITCH_NAKED,
            SameThreadFloat::SWITCH_NAKED,
        ][index % 2];
        // SAFETY: a fresh context on a stack that outlives the switch.
        let parked = unsafe { switch(fresh, null_mut()) }.from;
        // SAFETY: parked, and resumed by nobody.
        let trace = unsafe { parked.with_walk(traced_here) };
        assert_names(&trace, &["traced_here", "with_walk", name]);
        assert!(!trace.contains(START), "{trace}");
    }
}

#[test]
fn a_backtrace_on_another_stack_goes_on_into_the_caller() {
    #[inline(never)]
    fn goes_elsewhere() -> String {
        black_box(on_stack(stack(), traced_here))
    }
    let test = "a_backtrace_on_another_stack_goes_on_into_the_caller";
    assert_names(
        &goes_elsewhere(),
        &["traced_here", "goes_elsewhere", test, START],
    );
    let body = |yielder: &Yielder<(), ()>, ()| yielder.on_parent_stack(traced_here);
    let mut coroutine = Coroutine::with_stack(STACKFUL, stack(), body);
    let trace = coroutine.resume(()).into_return().expect("it returns");
    let functions = ["traced_here", "on_parent_stack", ROOT, test, START];
    assert_names(&trace, &functions);
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_with_a_panic_in_a_walk() {
    let Some(mode) = child::mode() else {
        return;
    };
    let coroutine = stack();
    // SAFETY: a whole stack with a guard, which outlives the context.
    let fresh = unsafe { Context::new(coroutine.bounds(), parked_here::<SameThreadNoFloat>) };
    // SAFETY: nobody runs it meanwhile.
    unsafe { fresh.with_walk(|| assert_ne!(mode, "panic")) };
    std::process::exit(child::SURVIVED);
}

#[test]
fn a_panic_in_a_walk_aborts_and_never_reaches_the_suspended_frames() {
    let control = child::run("child_with_a_panic_in_a_walk", "control");
    assert_eq!(control.status.code(), Some(child::SURVIVED), "{control:?}");
    let child = child::run("child_with_a_panic_in_a_walk", "panic");
    assert!(child::was_ended(&child), "not by an exit: {child:?}");
}

/// Where the debugger of the next test stops.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn dtact_switch_test_stops_here() {
    black_box(());
}

#[inline(never)]
fn stopped() -> String {
    dtact_switch_test_stops_here();
    String::new()
}

/// The child of the next test: does nothing unless started by it.
#[test]
fn child_for_a_debugger() {
    if child::mode().is_none() {
        return;
    }
    for is_lower_first in [true, false] {
        let mut stacks = [stack(), stack()];
        stacks.sort_by_key(Stack::top);
        let [lower, higher] = stacks;
        let (outer, inner) = if is_lower_first {
            (lower, higher)
        } else {
            (higher, lower)
        };
        resumes_the_outer(outer, inner, stopped);
    }
}

#[test]
fn a_debugger_walks_through_nested_coroutines_to_the_start_of_the_thread() {
    if std::env::var_os("DTACT_RUNNER").is_some() {
        println!("SKIPPED: the debugger would look at the emulator");
        return;
    }
    let found = Command::new("gdb").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no gdb here (apt-get install gdb)");
        return;
    }
    let program = std::env::current_exe().expect("a test knows its own path");
    let output = Command::new("gdb")
        .args(["-batch", "-nx", "-iex", "set debuginfod enabled off"])
        .args(["-ex", "set breakpoint pending on"])
        .args(["-ex", "break dtact_switch_test_stops_here"])
        .args([
            "-ex", "run", "-ex", "bt", "-ex", "continue", "-ex", "bt", "-ex", "kill",
        ])
        .arg("--args")
        .arg(program)
        .args(["--exact", "child_for_a_debugger", "--nocapture"])
        .env("DTACT_SWITCH_CHILD", "debugged")
        .output()
        .expect("gdb starts");
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("ptrace: Operation not permitted") {
        println!("SKIPPED: this process may not trace its children");
        return;
    }
    let walk = [
        "dtact_switch_test_stops_here",
        "resumes_the_inner",
        "resumes_the_outer",
    ];
    let twice: Vec<_> = walk
        .into_iter()
        .chain(["clone", "Breakpoint 1"])
        .chain(walk)
        .collect();
    assert_names(&said, &twice);
    assert!(!said.contains("corrupt stack"), "{said}");
}
