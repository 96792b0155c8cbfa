//! A signal prints the dumps of the runtimes that asked for it, and is as before afterwards.
//!
//! The signals go to child processes: this program again, with one test.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use dtact::{BuildError, Builder, DumpSignalError};

fn refused(signal: i32) -> DumpSignalError {
    match Builder::new().workers(1).dump_signal(signal).build() {
        Err(BuildError::DumpSignal(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signal_that_cannot_print_dumps_is_refused() {
    if cfg!(all(unix, not(miri))) {
        // SIGKILL and SIGSEGV, and what no signal is.
        for number in [9, 11, 0, 1000, -3] {
            match refused(number) {
                DumpSignalError::Unusable { signal } => assert_eq!(signal, number),
                other => panic!("{number}: {other}"),
            }
        }
    } else {
        assert!(matches!(refused(3), DumpSignalError::Unsupported));
    }
}

#[cfg(all(unix, not(miri)))]
mod on_unix {
    #![allow(clippy::print_stdout, reason = "a child talks to its parent")]

    use std::{
        env,
        io::{BufRead as _, BufReader, Read as _, Write as _, stdin},
        os::unix::process::ExitStatusExt as _,
        process::{Child, ChildStdin, ChildStdout, Command, Stdio},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        thread,
    };

    use dtact::{DumpSignalError, Runtime, spawn_with, wait};

    use super::refused;
    use crate::common::{LIMIT, stackful, this_program, until};

    const ROLE: &str = "DTACT_TEST_DUMP_SIGNAL";
    // Not SIGQUIT: what a shell starts in the background ignores that, and is as before then.
    const SIGALRM: i32 = 14;
    const SIGTERM: i32 = 15;

    fn runtime(signal: i32) -> Runtime {
        let builder = stackful().workers(1).stack("128K");
        builder.dump_signal(signal).build().unwrap()
    }

    /// Tells the parent where this is, and waits until it says to go on.
    fn tell(what: &str) {
        println!("{what}");
        stdin().lock().read_line(&mut String::new()).unwrap();
    }

    /// The child of the next test: does nothing unless started by it.
    #[test]
    fn child_with_two_runtimes() {
        if env::var_os(ROLE).is_none() {
            return;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let has_begun = Arc::new(AtomicBool::new(false));
        let (stuck, waits) = (runtime(SIGALRM), runtime(SIGALRM));
        // Another signal is another's.
        let other = runtime(SIGTERM);
        // Its only worker does nothing else until it is told to.
        let (end, begun) = (Arc::clone(&is_over), Arc::clone(&has_begun));
        stuck.block_on(async {
            let busy = spawn_with().name("runs for ever").spawn(async move {
                begun.store(true, Ordering::Relaxed);
                while !end.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            });
            drop(busy);
        });
        waits.block_on(async {
            let suspended = spawn_with().name("waits for ever");
            drop(suspended.spawn_fn(|| wait(std::future::pending::<()>())));
        });
        other.block_on(async {
            let parked = spawn_with().name("is not asked for");
            drop(parked.spawn(std::future::pending::<()>()));
        });
        until("it runs", || has_begun.load(Ordering::Relaxed));
        until("it is suspended", || {
            waits.dump().to_string().contains("suspended in wait()")
        });
        tell("both are there");
        is_over.store(true, Ordering::Relaxed);
        drop(stuck);
        tell("one is there");
        drop(waits);
        // The one with another signal is.
        tell("none is there");
        unreachable!("the signal ends it");
    }

    struct Started {
        child: Child,
        answers: BufReader<ChildStdout>,
        input: ChildStdin,
        /// What came on the standard error output, piece by piece.
        said: mpsc::Receiver<String>,
    }

    impl Started {
        fn new() -> Self {
            let mut child = this_program()
                .args(["--exact", "on_unix::child_with_two_runtimes", "--nocapture"])
                .env(ROLE, "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let answers = BufReader::new(child.stdout.take().unwrap());
            let input = child.stdin.take().unwrap();
            let mut stderr = child.stderr.take().unwrap();
            let (sender, said) = mpsc::channel();
            thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut piece) {
                    let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                    if sender.send(text).is_err() {
                        return;
                    }
                }
            });
            Self {
                child,
                answers,
                input,
                said,
            }
        }

        fn until_it_says(&mut self, what: &str) {
            let mut line = String::new();
            while !line.contains(what) {
                line.clear();
                assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "{what}");
            }
        }

        fn go_on(&mut self) {
            self.input.write_all(b"go on\n").unwrap();
        }

        fn ask(&self) {
            let pid = self.child.id().to_string();
            let sent = Command::new("kill").args(["-ALRM", &pid]).status();
            assert!(sent.unwrap().success());
        }

        /// What it says until all of these were in it.
        fn says(&self, all: &[&str]) -> String {
            let mut text = String::new();
            while !all.iter().all(|what| text.contains(what)) {
                match self.said.recv_timeout(LIMIT) {
                    Ok(more) => text.push_str(&more),
                    Err(error) => panic!("{error}: {text}"),
                }
            }
            text
        }
    }

    #[test]
    fn a_signal_prints_each_runtime_also_a_stuck_one_and_is_as_before_at_the_end() {
        let mut child = Started::new();
        child.until_it_says("both are there");
        for _ in 0..2 {
            child.ask();
            let text = child.says(&["\"runs for ever\": runnable", "\"waits for ever\": parked"]);
            assert!(!text.contains("is not asked for"), "{text}");
        }
        child.go_on();
        child.until_it_says("one is there");
        child.ask();
        let text = child.says(&["\"waits for ever\": parked"]);
        assert!(!text.contains("runs for ever"), "{text}");
        child.go_on();
        child.until_it_says("none is there");
        child.ask();
        let status = child.child.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGALRM), "{status}");
    }

    #[test]
    fn a_signal_that_is_handled_already_is_refused() {
        // SIGURG, on Linux.
        let urgent = 23;
        let stuck = dtact::Builder::new()
            .workers(1)
            .watchdog(std::time::Duration::from_secs(1), |_| {})
            .watchdog_stacks(urgent)
            .build();
        // Where that handler is not to be had there is nothing to be in the way of.
        if stuck.is_ok() {
            let error = refused(urgent);
            assert!(
                matches!(error, DumpSignalError::Taken { signal } if signal == urgent),
                "{error}"
            );
        }
    }
}
