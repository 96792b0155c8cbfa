//! Dumps: where suspended fibers stand, since when they are, and all of it for programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::poll_fn,
    hint::black_box,
    io::Write as _,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use common::{bounded, emulated, stackful, until};
use dtact::{
    Builder, Dump, FiberDump, FiberStatus, JoinHandle, NoStack, Priority, Runtime, WaitExt as _,
    WorkloadKind, spawn_with, wait, wait_shielded, yield_now,
};

/// Whether stacks can be walked in this build.
const CAN_WALK: bool = !cfg!(any(windows, miri, dtact_asan, dtact_tsan, dtact_valgrind));

#[inline(never)]
fn waits_at_the_bottom(turns: &async_channel::Receiver<u32>) -> u32 {
    black_box(wait(turns.recv()).unwrap())
}

#[inline(never)]
fn waits_further_up(turns: &async_channel::Receiver<u32>) -> u32 {
    black_box(waits_at_the_bottom(turns) + 1)
}

fn one_of(dump: &Dump) -> &FiberDump {
    let [fiber] = dump.fibers() else {
        panic!("one fiber: {dump}")
    };
    fiber
}

/// Whether the frames name all of the functions, in this order.
fn name_in_order(frames: &[String], functions: &[&str]) -> bool {
    let mut frames = frames.iter();
    functions
        .iter()
        .all(|function| frames.any(|frame| frame.contains(function)))
}

fn until_parked(runtime: &Runtime, count: usize) {
    until("they are parked", || {
        let dump = runtime.dump();
        let is_parked = |fiber: &&FiberDump| fiber.status() == FiberStatus::Parked;
        dump.fibers().iter().filter(is_parked).count() == count
    });
}

#[test]
fn a_fiber_suspended_in_wait_is_dumped_with_the_calls_that_led_there() {
    bounded(|| {
        for workers in common::WORKERS {
            let runtime = stackful().workers(workers).stack("128K").build().unwrap();
            let (sender, receiver) = async_channel::bounded(1);
            let handle = runtime.spawn_with_stack("128K", move || {
                waits_further_up(&receiver) + waits_further_up(&receiver)
            });
            for turn in [1, 2] {
                until_parked(&runtime, 1);
                // One that was just about to leave its stack is looked at again.
                until("it has left its stack", || {
                    let dump = runtime.dump();
                    dump.stack(one_of(&dump)).err() != Some(NoStack::Busy)
                });
                let dump = runtime.dump();
                match dump.stack(one_of(&dump)) {
                    Ok(stack) => {
                        let functions = ["waits_at_the_bottom", "waits_further_up"];
                        let frames = stack.frames();
                        assert!(name_in_order(&frames, &functions), "{stack}");
                        assert!(!stack.to_string().contains("with_walk"), "{stack}");
                        assert!(dump.to_string().contains("waits_further_up"), "{dump}");
                    }
                    Err(reason) => assert_eq!((reason, CAN_WALK), (NoStack::Unsupported, false)),
                }
                sender.send(turn).wait().unwrap();
                if turn == 1 {
                    until("it is woken, and parked again or over", || {
                        sender.is_empty()
                    });
                }
            }
            assert_eq!(handle.wait().unwrap(), 5);
        }
    });
}

#[test]
fn fibers_without_a_stack_to_be_walked_are_dumped_with_the_reason() {
    bounded(|| {
        let builder = stackful().workers(1).stack("128K");
        let runtime = Arc::new(builder.build().unwrap());
        let at_await = runtime.spawn(std::future::pending::<()>());
        let looks = Arc::clone(&runtime);
        let own = runtime.spawn_with_stack("128K", move || {
            let dump = looks.dump();
            let reasons = dump.fibers().iter().map(|fiber| dump.stack(fiber).err());
            reasons.collect::<Vec<_>>()
        });
        let reasons = own.wait().unwrap();
        assert!(reasons.contains(&Some(NoStack::Runnable)), "{reasons:?}");
        until_parked(&runtime, 1);
        let dump = runtime.dump();
        assert_eq!(
            dump.stack(one_of(&dump)).unwrap_err(),
            NoStack::NotSuspended
        );
        at_await.abort();
    });
}

#[test]
fn a_fiber_on_the_same_worker_is_dumped_with_its_stack() {
    bounded(|| {
        let runtime = Arc::new(stackful().workers(1).stack("2M").build().unwrap());
        let (sender, receiver) = async_channel::bounded(1);
        let waits = runtime.spawn_with_stack("128K", move || waits_further_up(&receiver));
        until_parked(&runtime, 1);
        let own = Arc::clone(&runtime);
        let looks = runtime.spawn_with_stack("2M", move || own.dump().to_string());
        let text = looks.wait().unwrap();
        assert_eq!(text.contains("waits_at_the_bottom"), CAN_WALK, "{text}");
        sender.send(1).wait().unwrap();
        assert_eq!(waits.wait().unwrap(), 2);
    });
}

#[test]
fn fibers_whose_stacks_are_walked_all_the_while_lose_no_wake_and_run_once() {
    bounded(|| {
        // An emulator takes too long for as many: the walks are of the same kind.
        let turns = if emulated() { 30 } else { 1_000 };
        for workers in common::WORKERS {
            let builder = stackful().workers(workers).stack("128K");
            let runtime = Arc::new(builder.flight_recorder(1 << 16).build().unwrap());
            let is_over = Arc::new(AtomicBool::new(false));
            let walk = || {
                let (runtime, is_over) = (Arc::clone(&runtime), Arc::clone(&is_over));
                thread::spawn(move || {
                    let mut walked = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let dump = runtime.dump();
                        let fibers = dump.fibers().iter();
                        walked += fibers.filter(|fiber| dump.stack(fiber).is_ok()).count();
                    }
                    walked
                })
            };
            let walkers = [walk(), walk()];
            let pairs: Vec<_> = (0..4)
                .map(|_| {
                    let (there, comes) = async_channel::bounded::<u32>(1);
                    let (back, returns) = async_channel::bounded::<u32>(1);
                    let ping = runtime.spawn_with_stack("128K", move || {
                        (0..turns).fold(0, |sum, turn| {
                            there.send(turn).wait().unwrap();
                            sum + waits_at_the_bottom(&returns)
                        })
                    });
                    let pong = runtime.spawn_with_stack("128K", move || {
                        for _ in 0..turns {
                            back.send(waits_at_the_bottom(&comes)).wait().unwrap();
                            wait(yield_now());
                        }
                    });
                    (ping, pong)
                })
                .collect();
            // Cancelled while somebody may look at it.
            let aborted: Vec<_> = (0..turns / 10)
                .map(|_| {
                    let handle =
                        runtime.spawn_with_stack("128K", || wait(std::future::pending::<()>()));
                    thread::yield_now();
                    handle.abort();
                    handle
                })
                .collect();
            for handle in aborted {
                assert!(handle.wait().unwrap_err().is_cancelled());
            }
            for (ping, pong) in pairs {
                assert_eq!(ping.wait().unwrap(), turns * (turns - 1) / 2);
                pong.wait().unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            let walked: usize = walkers
                .into_iter()
                .map(|walker| walker.join().unwrap())
                .sum();
            assert_eq!(walked != 0, CAN_WALK);
            runtime.shutdown(common::LIMIT).unwrap();
            let report = dtact::trace::check(&runtime.trace().unwrap());
            assert!(report.violations.is_empty(), "{report}");
        }
    });
}

#[inline(never)]
fn waits_whatever_happens(go: &async_channel::Receiver<()>) {
    wait_shielded(go.recv()).unwrap();
    black_box(());
}

#[test]
fn a_shutdown_that_runs_out_of_time_says_which_fibers_are_alive_and_where() {
    bounded(|| {
        let runtime = stackful().workers(1).stack("128K").build().unwrap();
        let (go, stop) = async_channel::bounded(1);
        runtime.block_on(async {
            let shielded = spawn_with().name("shielded");
            drop(shielded.spawn_fn(move || waits_whatever_happens(&stop)));
        });
        until_parked(&runtime, 1);
        let error = runtime.shutdown(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.alive_count, 1);
        assert_eq!(one_of(&error.alive).name(), Some("shielded"));
        assert!(error.to_string().contains("\"shielded\""), "{error}");
        // It was told that it is cancelled, and may be about to park again.
        until("it waits on", || {
            let error = runtime.shutdown(Duration::ZERO).unwrap_err();
            let fiber = one_of(&error.alive);
            match error.alive.stack(fiber) {
                Ok(stack) => stack.to_string().contains("waits_whatever_happens"),
                Err(reason) => reason == NoStack::Unsupported && !CAN_WALK,
            }
        });
        go.send(()).wait().unwrap();
        runtime.shutdown(common::LIMIT).unwrap();
    });
}

#[test]
fn fibers_that_wait_for_each_other_are_named_as_a_circle() {
    // With stacks on which to be suspended, and without: then the threads are blocked.
    for builder in [stackful(), Builder::new()] {
        bounded(move || {
            let runtime = builder.workers(2).stack("64K").build().unwrap();
            let spawn = |name: &'static str| {
                let (sender, receiver) = async_channel::bounded::<JoinHandle<()>>(1);
                let handle = runtime.block_on(poll_fn(|_| {
                    let waits = receiver.clone();
                    let waits = move || drop(wait(waits.recv()).unwrap().wait());
                    Poll::Ready(spawn_with().name(name).spawn_fn(waits))
                }));
                (handle, sender)
            };
            let [first, second, third] = ["first", "second", "third"].map(spawn);
            // One that leads nowhere: its last is not told what to wait for.
            let [fourth, fifth] = ["fourth", "fifth"].map(spawn);
            fourth.1.send_blocking(fifth.0).unwrap();
            let circle = [
                (&first.1, second.0),
                (&second.1, third.0),
                (&third.1, first.0),
            ];
            for (place, (sender, next)) in circle.into_iter().enumerate() {
                assert!(runtime.dump().circles().is_empty(), "{place} of 3");
                sender.send_blocking(next).unwrap();
            }
            until("all wait", || !runtime.dump().circles().is_empty());
            until("the fourth waits", || {
                let dump = runtime.dump();
                dump.fibers()
                    .iter()
                    .filter_map(|fiber| dump.waits_for(fiber))
                    .count()
                    == 4
            });
            let dump = runtime.dump();
            let [circle] = &dump.circles()[..] else {
                panic!("one circle: {dump}")
            };
            let mut names: Vec<_> = circle.iter().map(|fiber| fiber.name().unwrap()).collect();
            let begin = names.iter().position(|name| *name == "first").unwrap();
            names.rotate_left(begin);
            assert_eq!(names, ["first", "second", "third"], "{dump}");
            let text = dump.to_string();
            assert!(text.contains("waits for the end of"), "{text}");
            assert!(text.contains("deadlock: each waits"), "{text}");
            assert!(
                dump.to_json().contains("\"waits_for\":{\"cell_bytes\":"),
                "{text}"
            );
            drop((fourth.0, fifth.1));
        });
    }
}

#[test]
fn a_fiber_has_an_age_where_spawn_times_are_noted() {
    bounded(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        let handle = runtime.spawn(std::future::pending::<()>());
        assert_eq!(one_of(&runtime.dump()).age(), None);
        drop(handle);
        for has_recorder in [false, true] {
            let mut builder = Builder::new().workers(1).fibers(1).spawn_times(true);
            if has_recorder {
                builder = builder.flight_recorder(16);
            }
            let runtime = builder.build().unwrap();
            let pause = Duration::from_millis(30);
            // The same cell again: each has an age of its own.
            for _ in 0..2 {
                let started = std::time::Instant::now();
                let handle = runtime.spawn(std::future::pending::<()>());
                thread::sleep(pause);
                let age = one_of(&runtime.dump()).age().unwrap();
                assert!(age >= pause && age <= started.elapsed(), "{age:?}");
                handle.abort();
                assert!(handle.wait().unwrap_err().is_cancelled());
            }
        }
    });
}

/// What Python makes of a JSON text: each fiber's members of these names, one line each.
fn read_by_python(json: &str) -> Option<String> {
    let program = "import json,sys\n\
        for fiber in json.loads(sys.stdin.buffer.read().decode())['fibers']:\n\
        \x20   at = fiber['spawned_at']\n\
        \x20   stack = fiber['stack']\n\
        \x20   print(ascii(fiber['name']), fiber['state'], fiber['priority'], fiber['kind'],\n\
        \x20         fiber['worker'], fiber['age_ns'] >= 0, at['file'].endswith('dump.rs'),\n\
        \x20         at['line'] > 0 and at['column'] > 0, fiber['no_stack'] if stack is None else\n\
        \x20         any('waits_whatever' in frame for frame in stack))\n";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(json.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    assert!(output.status.success(), "{json}");
    Some(String::from_utf8(output.stdout).unwrap().replace('\r', ""))
}

#[test]
fn a_dump_as_json_says_the_same_however_odd_the_names_are() {
    const NAMES: [&str; 4] = [
        "\"quoted\" \\ and {[,:]} 'more'",
        "line\nend\ttab\r\u{0}\u{1}\u{1f}\u{7f}\u{9b}",
        "\u{fffd}\u{2028}\u{2029}\u{feff}\u{10ffff}é😀",
        "",
    ];
    bounded(|| {
        let runtime = stackful().workers(1).spawn_times(true).stack("128K");
        let runtime = runtime.build().unwrap();
        assert_eq!(runtime.dump().to_json(), "{\"fibers\":[\n]}\n");
        let (go, stop) = async_channel::bounded::<()>(1);
        runtime.block_on(async {
            for name in NAMES {
                let asks = spawn_with().name(name).priority(Priority::High);
                drop(
                    asks.kind(WorkloadKind::IO)
                        .spawn(std::future::pending::<()>()),
                );
            }
            let suspended = spawn_with().name("suspended");
            drop(suspended.spawn_fn(move || waits_whatever_happens(&stop)));
        });
        until_parked(&runtime, NAMES.len() + 1);
        until("it has left its stack", || {
            let dump = runtime.dump();
            let mut fibers = dump.fibers().iter();
            !fibers.any(|fiber| dump.stack(fiber).err() == Some(NoStack::Busy))
        });
        let json = runtime.dump().to_json();
        assert!(
            !json
                .chars()
                .any(|letter| letter.is_control() && letter != '\n')
        );
        let Some(read) = read_by_python(&json) else {
            println!("SKIPPED: no python3 here");
            go.send(()).wait().unwrap();
            return;
        };
        let mut lines: Vec<_> = read.lines().collect();
        lines.sort_unstable();
        let rest = "parked high io None True True True it is not suspended in `wait`";
        let mut expected = vec![
            format!("'\"quoted\" \\\\ and {{[,:]}} \\'more\\'' {rest}"),
            format!("'line\\nend\\ttab\\r\\x00\\x01\\x1f\\x7f\\x9b' {rest}"),
            format!("'\\ufffd\\u2028\\u2029\\ufeff\\U0010ffff\\xe9\\U0001f600' {rest}"),
            format!("'' {rest}"),
            format!(
                "'suspended' parked normal compute 0 True True True {}",
                if CAN_WALK {
                    "True"
                } else {
                    "stacks of suspended fibers cannot be walked in this build"
                }
            ),
        ];
        expected.sort_unstable();
        assert_eq!(lines, expected, "{json}");
        go.send(()).wait().unwrap();
    });
}
