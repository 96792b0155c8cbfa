//! What an overflow says before the process ends, and that other faults are none of its business.
//!
//! Each case runs in a child process, on threads that run on pooled stacks from their beginning.
// The sanitizers handle the signal by themselves.
#![cfg(all(unix, not(any(miri, dtact_loom, dtact_asan, dtact_tsan))))]
#![allow(
    unsafe_code,
    reason = "installs signal handlers, and runs on pooled stacks"
)]
#![allow(clippy::print_stdout, reason = "a child says what it skips")]

mod child;

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{env, mem, ptr, thread};

use child::{is_end_by_fault, this_program};
use dtact_arena::overflow::{self, AlternateStack, Occupant, OccupantKind};
use dtact_arena::{SafetyLevel, Stack, StackPool, Unguarded};

/// Which case the child runs. Unset in the parent.
const CASE: &str = "DTACT_ARENA_OVERFLOW";

/// Enough for a thread of the system's: glibc asks for 128 KiB on AArch64.
const STACK_BYTES: usize = 256 * 1024;

static COROUTINE: OccupantKind = OccupantKind::new("coroutine", "`Engine::stack_bytes`");

fn pool() -> StackPool {
    let builder = StackPool::builder().stack_bytes(STACK_BYTES).capacity(4);
    builder.build().expect("a pool")
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

/// A thread of the system's, which knows nothing of Rust's and stands on a pooled stack.
struct PooledThread(libc::pthread_t);

impl PooledThread {
    fn start(stack: &Stack, body: fn()) -> Self {
        extern "C" fn begin(body: *mut c_void) -> *mut c_void {
            // SAFETY: `start` passes such a box, once.
            let body = unsafe { Box::from_raw(body.cast::<fn()>()) };
            body();
            ptr::null_mut()
        }
        let page = rustix::param::page_size();
        let bytes = stack.usable_bytes() / page * page;
        // SAFETY: zeroes do for what is initialised next.
        let mut attributes: libc::pthread_attr_t = unsafe { mem::zeroed() };
        // SAFETY: a place for attributes.
        assert_eq!(unsafe { libc::pthread_attr_init(&raw mut attributes) }, 0);
        let bottom = stack.bottom().as_ptr().cast();
        // SAFETY: attributes; the memory is used when a thread is made with them.
        let set = unsafe { libc::pthread_attr_setstack(&raw mut attributes, bottom, bytes) };
        assert_eq!(set, 0, "the system takes the stack");
        let mut thread = mem::MaybeUninit::uninit();
        let body = Box::into_raw(Box::new(body)).cast();
        // SAFETY: the stack is out, and nobody else runs on it while the thread lives.
        let made = unsafe {
            libc::pthread_create(thread.as_mut_ptr(), &raw const attributes, begin, body)
        };
        assert_eq!(made, 0, "a thread starts");
        // SAFETY: written, since a thread was made.
        Self(unsafe { thread.assume_init() })
    }

    fn join(self) {
        // SAFETY: a thread that is joined once.
        assert_eq!(unsafe { libc::pthread_join(self.0, ptr::null_mut()) }, 0);
    }
}

/// Runs `body` on a stack of a pool.
fn run_pooled(body: fn()) {
    let pool = pool();
    let stack = pool.take(STACK_BYTES).expect("four fit");
    PooledThread::start(&stack, body).join();
    pool.give_back(stack);
}

/// Overflows, as somebody with a number and a name.
fn overflow_as(id: u64, name: Option<&'static &'static str>) {
    let _alternate = AlternateStack::new().expect("an alternate stack");
    let occupant = Occupant::new(&COROUTINE);
    occupant.set_id(id);
    occupant.set_name(name);
    // SAFETY: it outlives the digging.
    unsafe { overflow::set_occupant(Some(&occupant)) }
    black_box(dig(100_000));
    // SAFETY: nobody.
    unsafe { overflow::set_occupant(None) }
}

fn overflow_named() {
    overflow_as(42, Some(&"parser"));
}

fn fault_at_null() {
    let nowhere = black_box(ptr::without_provenance_mut::<u8>(8));
    // SAFETY: none: the access ends the process, which is what the parent waits for.
    unsafe { nowhere.write_volatile(1) }
}

/// Writes by a call that a signal handler may make.
fn say(text: &str) {
    // SAFETY: reads from a text.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

extern "C" fn plain_handler(_: c_int) {
    say("the plain handler\n");
}

extern "C" fn plain_handler_that_exits(_: c_int) {
    say("the plain handler\n");
    // SAFETY: ends the process, as a handler may.
    unsafe { libc::_exit(7) }
}

fn address(info: *const libc::siginfo_t) -> *mut c_void {
    // SAFETY: the system's own.
    let info = unsafe { &*info };
    // SAFETY: of a fault, which has an address.
    unsafe { info.si_addr() }
}

extern "C" fn info_handler(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let address = address(info);
    say(match (address.addr(), context.is_null()) {
        (_, true) => "no context\n",
        (8, false) => "the handler with three arguments, at 8\n",
        (_, false) => "the handler with three arguments\n",
    });
}

/// A page that cannot be accessed until a handler has seen that.
static TO_BE_REPAIRED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

fn write_to_the_page_to_be_repaired() {
    let page_bytes = rustix::param::page_size();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: the kernel picks the place.
    let page = unsafe { libc::mmap(ptr::null_mut(), page_bytes, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED, "a page can be had");
    TO_BE_REPAIRED.store(page, Ordering::Relaxed);
    // SAFETY: a page of this function's, which the handler makes writable.
    unsafe { page.cast::<u8>().write_volatile(1) }
}

extern "C" fn repairing_handler(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let page = TO_BE_REPAIRED.load(Ordering::Relaxed);
    if address(info) == page {
        // SAFETY: the page that was mapped for this.
        unsafe { libc::mprotect(page, 1, libc::PROT_READ | libc::PROT_WRITE) };
    }
}

/// Gives both signals an action.
fn set_action(handler: usize, flags: c_int) {
    // SAFETY: zeroes are an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the handlers of this file may run at any time.
        let set = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        assert_eq!(set, 0);
    }
}

fn plain(handler: extern "C" fn(c_int)) -> usize {
    handler as *const () as usize
}

fn with_info(handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)) -> usize {
    handler as *const () as usize
}

/// The child's work.
fn run_case(case: &str) {
    match case {
        "over ignored" | "sent over ignored" => set_action(libc::SIG_IGN, 0),
        "over default" | "null over default" | "sent over default" => set_action(libc::SIG_DFL, 0),
        "over plain" => set_action(plain(plain_handler), 0),
        "null over plain" => set_action(plain(plain_handler_that_exits), 0),
        "over info" => set_action(with_info(info_handler), libc::SA_SIGINFO),
        "null over info once" => {
            let once = libc::SA_SIGINFO | libc::SA_RESETHAND;
            set_action(with_info(info_handler), once);
        }
        "named after a repair" => set_action(with_info(repairing_handler), libc::SA_SIGINFO),
        _ => {}
    }
    if case.contains("locked") {
        // SAFETY: changes no content.
        if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
            println!(
                "SKIPPED: locking memory: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
    }
    if !case.contains("without") {
        for _ in 0..2 {
            overflow::install().expect("a handler");
        }
    }
    match case {
        "named" | "locked" | "without" | "over ignored" | "over default" | "over plain"
        | "over info" => run_pooled(overflow_named),
        "unnamed" => run_pooled(|| overflow_as(43, None)),
        "long name" => {
            static NAME: &str = concat!(
                "0123456789012345678901234567890123456789",
                "0123456789012345678901234567890123456789"
            );
            run_pooled(|| overflow_as(44, Some(&NAME)));
        }
        "unknown" => run_pooled(|| {
            let _alternate = AlternateStack::new().expect("an alternate stack");
            black_box(dig(100_000));
        }),
        "two" => {
            static BOTH: Barrier = Barrier::new(2);
            let pool = pool();
            let stacks = [(); 2].map(|()| pool.take(STACK_BYTES).expect("four fit"));
            let threads = stacks.each_ref().map(|stack| {
                PooledThread::start(stack, || {
                    BOTH.wait();
                    overflow_named();
                })
            });
            for thread in threads {
                thread.join();
            }
            for stack in stacks {
                pool.give_back(stack);
            }
        }
        "stray" => {
            let pool = pool();
            let stack = pool.take(1).expect("four fit");
            let below = stack.bottom().as_ptr().wrapping_sub(16);
            // SAFETY: none: it lies in the guard, where the access ends the process.
            unsafe { black_box(below).write_volatile(1) }
            pool.give_back(stack);
        }
        "unguarded" => {
            // SAFETY: nothing runs on the stacks.
            let level = SafetyLevel::Safety0(unsafe { Unguarded::promise() });
            let pool = StackPool::builder()
                .capacity(4)
                .safety(level)
                .build()
                .expect("a pool");
            let stack = pool.take(1).expect("four fit");
            let byte = stack.bottom().as_ptr();
            // SAFETY: the stack's own lowest byte.
            unsafe { byte.write_volatile(1) }
            pool.give_back(stack);
            fault_at_null();
        }
        "own stack" => {
            black_box(dig(1_000_000));
        }
        "named after a repair" => {
            write_to_the_page_to_be_repaired();
            say("went on\n");
            run_pooled(overflow_named);
        }
        "null" | "null over default" | "null over plain" | "null over info once" => fault_at_null(),
        "sent over default" | "sent over ignored" => {
            // SAFETY: a signal to oneself.
            unsafe { libc::raise(libc::SIGSEGV) };
            println!("went on");
        }
        other => panic!("{other} is no case"),
    }
}

#[test]
fn the_child_overflows() {
    if let Ok(case) = env::var(CASE) {
        run_case(&case);
    }
}

/// Runs a case in a child, and returns how it ended and what it said.
fn child(case: &str) -> (Output, String) {
    let output = this_program()
        .args(["--exact", "the_child_overflows", "--nocapture"])
        .env(CASE, case)
        .output()
        .expect("the child starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn assert_ended_by_fault(output: &Output, said: &str) {
    assert!(is_end_by_fault(output.status), "{}: {said}", output.status);
}

/// The number after `before` in a text.
fn number_after(said: &str, before: &str) -> usize {
    let rest = said
        .split(before)
        .nth(1)
        .unwrap_or_else(|| panic!("no {before:?} in {said}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number after {before:?} in {said}"))
}

#[test]
fn the_message_names_user_stack_fault_and_setting_and_the_process_ends_by_the_signal() {
    let (output, said) = child("named");
    assert_ended_by_fault(&output, &said);
    let lines: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("dtact:"))
        .collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert_eq!(
        lines[0],
        "dtact: coroutine 42 \"parser\" has overflowed its stack"
    );
    let bytes = number_after(&said, "stack: ");
    assert!(bytes >= STACK_BYTES, "{said}");
    let (used, below) = (
        number_after(&said, "used: "),
        said.contains(" below the bottom"),
    );
    assert!(used > bytes && below, "{said}");
    let advice = format!(
        "{} bytes or more, by `Engine::stack_bytes`",
        number_after(&said, "a stack of ")
    );
    assert!(
        lines[3].ends_with(&advice) && number_after(&said, "a stack of ") > bytes,
        "{said}"
    );
}

#[test]
fn without_the_handler_nothing_is_said() {
    let (output, said) = child("without");
    assert_ended_by_fault(&output, &said);
    assert!(!said.contains("dtact:"), "{said}");
}

#[test]
fn a_guard_by_protection_gives_the_same_message() {
    let (output, said) = child("locked");
    if String::from_utf8_lossy(&output.stdout).contains("SKIPPED") {
        println!("SKIPPED: locking memory is not allowed here");
        return;
    }
    assert_ended_by_fault(&output, &said);
    assert!(
        said.contains("dtact: coroutine 42 \"parser\" has overflowed"),
        "{said}"
    );
}

#[test]
fn names_may_be_absent_or_long_and_users_unknown() {
    let (output, said) = child("unnamed");
    assert_ended_by_fault(&output, &said);
    assert!(
        said.contains("dtact: coroutine 43 has overflowed"),
        "{said}"
    );
    let (output, said) = child("long name");
    assert_ended_by_fault(&output, &said);
    let shown = "0123456789".repeat(6) + "0123";
    assert!(
        said.contains(&format!("coroutine 44 \"{shown}\"... has")),
        "{said}"
    );
    let (output, said) = child("unknown");
    assert_ended_by_fault(&output, &said);
    assert!(said.contains("code on a pooled stack"), "{said}");
}

#[test]
fn the_handler_that_was_there_sees_the_overflow_too() {
    for (case, theirs) in [
        ("over plain", Some("the plain handler\n")),
        ("over info", Some("the handler with three arguments\n")),
        ("over ignored", None),
        ("over default", None),
    ] {
        let (output, said) = child(case);
        assert_ended_by_fault(&output, &said);
        assert_eq!(
            said.matches("has overflowed its stack").count(),
            1,
            "{case}: {said}"
        );
        let Some(theirs) = theirs else { continue };
        let (message, rest) = said
            .split_once(theirs)
            .unwrap_or_else(|| panic!("{case}: {said}"));
        assert!(
            message.contains("dtact: ") && !rest.contains(theirs),
            "{case}: {said}"
        );
    }
}

#[test]
fn a_fault_outside_of_guards_is_the_other_handlers() {
    for case in ["null", "null over default", "unguarded"] {
        let (output, said) = child(case);
        assert_ended_by_fault(&output, &said);
        assert!(!said.contains("dtact:"), "{case}: {said}");
    }
    let (output, said) = child("null over plain");
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(
        said.contains("the plain handler") && !said.contains("dtact:"),
        "{said}"
    );
    // It returns, the access is made again, and by then it has asked not to be called again.
    let (output, said) = child("null over info once");
    assert_ended_by_fault(&output, &said);
    assert_eq!(
        said.matches("with three arguments, at 8").count(),
        1,
        "{said}"
    );
}

#[test]
fn a_handler_that_repairs_faults_goes_on_doing_so() {
    let (output, said) = child("named after a repair");
    assert_ended_by_fault(&output, &said);
    let (before, after) = said.split_once("went on").expect("the fault was repaired");
    assert!(!before.contains("dtact:"), "{said}");
    assert!(after.contains("dtact: coroutine 42"), "{said}");
}

#[test]
fn an_overflow_of_a_threads_own_stack_is_still_told_by_the_standard_library() {
    let (output, said) = child("own stack");
    assert!(
        output.status.signal().is_some(),
        "{}: {said}",
        output.status
    );
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert!(!said.contains("dtact:"), "{said}");
}

#[test]
fn a_signal_that_somebody_sends_does_what_it_did_before() {
    let (output, said) = child("sent over default");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{said}");
    let (output, said) = child("sent over ignored");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_stray_pointer_is_told_from_an_overflow() {
    let (output, said) = child("stray");
    assert_ended_by_fault(&output, &said);
    assert!(
        said.contains("has touched the guard below a stack"),
        "{said}"
    );
    assert!(said.contains("16 bytes below the bottom"), "{said}");
}

#[test]
fn two_threads_that_overflow_at_once_do_not_mix_their_messages() {
    for _ in 0..10 {
        let (output, said) = child("two");
        assert_ended_by_fault(&output, &said);
        let lines: Vec<_> = said
            .lines()
            .filter(|line| line.contains("dtact:"))
            .collect();
        assert!(lines.len() == 4 || lines.len() == 8, "{said}");
        for message in lines.chunks(4) {
            assert!(message[0].contains("coroutine 42 \"parser\" has"), "{said}");
            assert!(message[3].starts_with("dtact:   to do:"), "{said}");
        }
    }
}

/// The alternate stack of this thread, if it has one: where, and of how many bytes.
fn alternate_stack() -> Option<(usize, usize)> {
    let mut stack = mem::MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: changes nothing.
    let asked = unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) };
    assert_eq!(asked, 0);
    // SAFETY: written by success.
    let stack = unsafe { stack.assume_init() };
    (stack.ss_flags & libc::SS_DISABLE == 0).then(|| (stack.ss_sp.addr(), stack.ss_size))
}

#[test]
fn a_thread_without_an_alternate_stack_gets_one_and_loses_it_again() {
    run_pooled(|| {
        assert_eq!(alternate_stack(), None, "a thread of the system's has none");
        let alternate = AlternateStack::new().expect("one can be had");
        let (_, bytes) = alternate_stack().expect("it has one now");
        assert!(bytes >= 64 * 1024);
        drop(AlternateStack::new().expect("a second one does nothing"));
        assert!(alternate_stack().is_some());
        drop(alternate);
        assert_eq!(alternate_stack(), None);
    });
}

#[test]
fn a_thread_with_an_alternate_stack_keeps_it() {
    thread::spawn(|| {
        let before = alternate_stack();
        assert!(
            before.is_some(),
            "the standard library gives its threads one"
        );
        let alternate = AlternateStack::new().expect("nothing to do");
        assert_eq!(alternate_stack(), before);
        drop(alternate);
        assert_eq!(alternate_stack(), before);
    })
    .join()
    .expect("no panic");
}
