//! What the tests share: runtimes, bounded waits, and things that count.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::print_stderr, reason = "a hung test says what it was doing")]

use std::{
    env,
    future::pending,
    panic,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use dtact::{Builder, JoinHandle, Runtime, WaitExt as _, wait};

/// The numbers of workers that everything has to work with, whatever the machine has.
pub(crate) const WORKERS: [usize; 3] = [1, 2, 8];

/// How long anything may take before it counts as hung.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A builder with stackful suspension.
pub(crate) fn stackful() -> Builder {
    // SAFETY: no test waits within a thread-local's initialiser or a scoped thread-local.
    unsafe { Builder::new().enable_stackful() }
}

/// Small stackful runtimes, and small ones without, one for each number of workers.
pub(crate) fn each_runtime(mut body: impl FnMut(&Runtime)) {
    for workers in WORKERS {
        for builder in [Builder::new(), stackful()] {
            let runtime = builder
                .workers(workers)
                .stack("64K")
                .build()
                .expect("it starts");
            body(&runtime);
        }
    }
}

/// Runs a test on a thread of its own. If it does not end in time, prints what all fibers are
/// doing and ends the process: a hung test cannot be unwound.
pub(crate) fn bounded(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let test = thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            let outcome = panic::catch_unwind(panic::AssertUnwindSafe(body));
            // The receiver is gone only when the time was over.
            let _: Result<(), _> = done.send(());
            outcome
        })
        .expect("a thread starts");
    if ended.recv_timeout(LIMIT).is_err() {
        eprintln!("{name}: no end within {LIMIT:?}");
        for (number, dump) in dtact::__private::dump_all() {
            eprintln!("runtime {number}: {dump}");
        }
        std::process::abort();
    }
    if let Err(payload) = test.join().expect("panics are caught") {
        panic::resume_unwind(payload);
    }
}

/// Whether an emulator runs this, by `DTACT_EMULATED`: then the long tests do less.
pub(crate) fn emulated() -> bool {
    env::var_os("DTACT_EMULATED").is_some()
}

/// This program, to be run again: through the emulator that `DTACT_RUNNER` names, if any.
pub(crate) fn this_program() -> Command {
    let program = env::current_exe().expect("the test has a path");
    let runner = env::var("DTACT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Waits, without hogging a core, until `is_so`; panics when the time is over.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    let (_keep, never) = mpsc::channel::<()>();
    while !is_so() {
        assert!(begin.elapsed() < LIMIT, "it never came to be that {what}");
        let _: Result<(), _> = never.recv_timeout(Duration::from_micros(200));
    }
}

/// Fibers parked in each of the ways there are: at an `.await`, in `wait` inside of a poll, in
/// `wait` inside of a closure fiber. Without stackful suspension the last two block threads.
pub(crate) fn park_in_each_way(runtime: &Runtime, drops: &DropCount) -> Vec<JoinHandle<()>> {
    let (started, begun) = async_channel::bounded(3);
    let (a, b, c) = (drops.token(), drops.token(), drops.token());
    let (start_a, start_b, start_c) = (started.clone(), started.clone(), started);
    let handles = vec![
        runtime.spawn(async move {
            let _a = a;
            start_a.send(()).await.unwrap();
            pending::<()>().await;
        }),
        runtime.spawn(async move {
            let _b = b;
            start_b.send(()).await.unwrap();
            wait(pending::<()>());
        }),
        runtime.spawn_with_stack("64K", move || {
            let _c = c;
            wait(start_c.send(())).unwrap();
            wait(pending::<()>());
        }),
    ];
    for _ in 0..3 {
        begun.recv().wait().unwrap();
    }
    handles
}

/// Counts how many of its tokens were made, and dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct DropCount(Arc<[AtomicUsize; 2]>);

impl DropCount {
    /// How many of the tokens have been dropped.
    pub(crate) fn count(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }

    /// How many there ever were.
    pub(crate) fn made(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    /// A token that counts its drop.
    pub(crate) fn token(&self) -> DropToken {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        DropToken(self.clone())
    }
}

/// See [`DropCount::token`].
#[derive(Debug)]
pub(crate) struct DropToken(DropCount);

impl Drop for DropToken {
    fn drop(&mut self) {
        self.0.0[1].fetch_add(1, Ordering::SeqCst);
    }
}
