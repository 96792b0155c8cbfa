//! A stack overflow ends the process by a signal, at the guard, before anything is overwritten, and
//! says which fiber it was.
//!
//! Each case runs in a child process; a control child does the same, less deep, and succeeds.
//!
//! The sanitizers have handlers of their own, which end the process in another way.
#![cfg(not(any(dtact_asan, dtact_tsan)))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a child says what it skips")]

mod common;

use std::{env, os::unix::process::ExitStatusExt as _, process::Output, sync::Barrier};

use common::{stackful, this_program};
use dtact::{WaitExt as _, spawn_with, task, wait, yield_now};

const DEPTH: &str = "DTACT_TEST_DEPTH";
const WHERE: &str = "DTACT_TEST_WHERE";
/// Set where the kernel shall have no guard advice, as in locked memory.
const LOCKED: &str = "DTACT_TEST_LOCKED";
/// Set where nothing shall be said.
const SILENT: &str = "DTACT_TEST_SILENT";
const SIGSEGV: i32 = 11;
const SIGBUS: i32 = 7;

#[inline(never)]
fn dig(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 64]);
    if depth == 0 {
        frame[0]
    } else {
        dig(depth - 1) + std::hint::black_box(frame)[63]
    }
}

/// The child's work: a neighbour whose memory the overflow would reach, then the digging.
fn child(depth: usize, place: &str) {
    if env::var_os(LOCKED).is_some() {
        let flags = rustix::mm::MlockAllFlags::FUTURE | rustix::mm::MlockAllFlags::ONFAULT;
        if let Err(errno) = rustix::mm::mlockall(flags) {
            println!("SKIPPED: locking memory: {errno}");
            return;
        }
    }
    // Two workers: what is dug on one is on a thread that the test did not start.
    let builder = stackful().workers(2).fibers(64).stack("64K").stacks(16);
    let builder = builder.overflow_messages(env::var_os(SILENT).is_none());
    let runtime = builder.build().unwrap();
    let (open, gate) = async_channel::bounded::<()>(1);
    let neighbours: Vec<_> = (0..4)
        .map(|_| {
            let gate = gate.clone();
            runtime.spawn_with_stack("64K", move || {
                let witness = std::hint::black_box([0xa5_u8; 8192]);
                assert!(gate.recv().wait().is_err());
                witness.iter().all(|&byte| byte == 0xa5)
            })
        })
        .collect();
    let digger = match place {
        "closure" => runtime.spawn_with_stack("64K", move || dig(depth)),
        "closure after wait" => runtime.spawn_with_stack("64K", move || {
            wait(yield_now());
            dig(depth)
        }),
        "named closure" => {
            let digger = async move {
                let digger = spawn_with().name("digger").spawn_fn(move || dig(depth));
                digger.await.unwrap()
            };
            runtime.spawn(digger)
        }
        "named task" => {
            #[task]
            async fn mole(depth: usize) -> usize {
                dig(depth)
            }
            runtime.spawn(mole(depth))
        }
        "large closure" => runtime.spawn_with_stack("1M", move || dig(depth)),
        "future" => runtime.spawn(async move {
            yield_now().await;
            dig(depth)
        }),
        "two workers at once" => {
            static BOTH: Barrier = Barrier::new(2);
            let dig_with_the_other = move || {
                // Blocks the thread: each is on a worker of its own.
                BOTH.wait();
                dig(depth)
            };
            let other = runtime.spawn_with_stack("64K", dig_with_the_other);
            runtime
                .spawn_with_stack("64K", dig_with_the_other)
                .wait()
                .unwrap();
            other
        }
        other => panic!("{other} is no place"),
    };
    digger.wait().unwrap();
    drop(open);
    for neighbour in neighbours {
        assert!(
            neighbour.wait().unwrap(),
            "a neighbour's stack was overwritten"
        );
    }
}

fn run_child(depth: usize, place: &str, vars: &[&str]) -> Output {
    this_program()
        .args([
            "--exact",
            "an_overflow_meets_the_guard_and_less_does_not",
            "--nocapture",
        ])
        .env(DEPTH, depth.to_string())
        .env(WHERE, place)
        .envs(vars.iter().map(|name| (name, "1")))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_ended_by_signal(place: &str, output: &Output) {
    assert!(
        matches!(output.status.signal(), Some(SIGSEGV | SIGBUS)),
        "{place}: it ends by a signal: {}: {}",
        output.status,
        said(output)
    );
}

/// The number after `before`.
fn number_after(said: &str, before: &str) -> usize {
    let (_, rest) = said
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before:?}: {said}"));
    let end = rest
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().unwrap()
}

/// The message is there, whole, and its numbers are those of a stack of at least `bytes_min`.
fn assert_tells(place: &str, said: &str, bytes_min: usize) {
    let lines: Vec<_> = said.lines().filter(|it| it.contains("dtact:")).collect();
    assert_eq!(lines.len() % 4, 0, "{place}: {said}");
    assert!(lines.len() >= 4, "{place}: {said}");
    // The cell and its generation, as in a dump.
    assert!(lines[0].starts_with("dtact: fiber 128/"), "{place}: {said}");
    assert!(
        lines[0].ends_with(" of runtime 0 has overflowed its stack"),
        "{place}: {said}"
    );
    assert!(
        number_after(lines[0], " generation ") >= 1,
        "{place}: {said}"
    );
    let (bytes, used) = (
        number_after(lines[1], "stack: "),
        number_after(lines[1], "used: "),
    );
    assert!(
        (bytes_min..2 * bytes_min).contains(&bytes),
        "{place}: {said}"
    );
    assert!(used > bytes, "{place}: {said}");
    assert!(
        lines[2].ends_with(" bytes below the bottom"),
        "{place}: {said}"
    );
    let advice = format!(
        "a stack of {} bytes or more, by `spawn_with_stack`",
        2 * bytes_min
    );
    assert!(lines[3].contains(&advice), "{place}: {said}");
}

const PLACES: [(&str, usize); 5] = [
    ("closure", 64 * 1024),
    ("closure after wait", 64 * 1024),
    ("large closure", 1024 * 1024),
    ("future", 64 * 1024),
    ("two workers at once", 64 * 1024),
];

#[test]
fn an_overflow_meets_the_guard_and_less_does_not() {
    if let (Ok(depth), Ok(place)) = (env::var(DEPTH), env::var(WHERE)) {
        child(depth.parse().unwrap(), &place);
        return;
    }
    for (place, name) in [("named closure", "digger"), ("named task", "mole")] {
        assert!(run_child(10, place, &[]).status.success(), "{place}");
        let overflow = run_child(100_000, place, &[]);
        assert_ended_by_signal(place, &overflow);
        let whose = format!(" of runtime 0 \"{name}\" has overflowed its stack");
        assert!(said(&overflow).contains(&whose), "{}", said(&overflow));
    }
    for (place, bytes_min) in PLACES {
        let control = run_child(10, place, &[]);
        assert!(
            control.status.success(),
            "{place}: less deep it succeeds: {}: {}",
            control.status,
            said(&control)
        );
        let overflow = run_child(100_000, place, &[]);
        assert_ended_by_signal(place, &overflow);
        assert_tells(place, &said(&overflow), bytes_min);
    }
}

#[test]
fn a_guard_by_protection_tells_the_same() {
    for (place, bytes_min) in PLACES {
        let overflow = run_child(100_000, place, &[LOCKED]);
        if String::from_utf8_lossy(&overflow.stdout).contains("SKIPPED") {
            println!("SKIPPED: locking memory is not allowed here");
            return;
        }
        assert_ended_by_signal(place, &overflow);
        assert_tells(place, &said(&overflow), bytes_min);
    }
}

#[test]
fn a_runtime_can_be_told_to_leave_the_signals_alone() {
    let overflow = run_child(100_000, "closure", &[SILENT]);
    assert_ended_by_signal("closure", &overflow);
    assert!(!said(&overflow).contains("dtact:"), "{}", said(&overflow));
}
