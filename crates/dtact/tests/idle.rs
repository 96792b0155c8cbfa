//! An idle runtime takes no time and wakes nobody.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{fs, sync::mpsc, time::Duration};

use common::{WORKERS, bounded, stackful, until};
use dtact::{time::sleep, wait};

/// For each thread of the process whose name begins as a worker's: its clock ticks and how often
/// it was switched in, by its own will or not.
fn workers() -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if !name.starts_with("dtact-worker") {
            continue;
        }
        let stat = fs::read_to_string(path.join("stat")).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let status = fs::read_to_string(path.join("status")).unwrap();
        let switches = status
            .lines()
            .filter(|line| line.contains("ctxt_switches"))
            .map(|line| {
                line.split_whitespace()
                    .last()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum();
        found.push((path.display().to_string(), ticks, switches));
    }
    found.sort();
    found
}

#[test]
fn three_idle_seconds_take_no_time_and_wake_no_thread() {
    bounded(|| {
        let runtimes: Vec<_> = WORKERS
            .map(|workers| stackful().workers(workers).stack("64K").build().unwrap())
            .into_iter()
            .collect();
        // Fibers that wait for ever, in each way, and a little work before.
        for runtime in &runtimes {
            for _ in 0..100 {
                runtime.spawn(async {}).wait().unwrap();
            }
            drop(runtime.spawn(std::future::pending::<()>()));
            // One timer far ahead is one sleep in the kernel, not several.
            drop(runtime.spawn(async { sleep(Duration::from_hours(1)).await }));
            drop(runtime.spawn_with_stack("64K", || wait(std::future::pending::<()>())));
        }
        let (_keep, never) = mpsc::channel::<()>();
        let pass = |time| assert!(never.recv_timeout(time).is_err());
        let mut before = workers();
        // In debug a thread beside looks at the first waits, which a tool makes slow.
        until("the workers sleep", || {
            pass(Duration::from_millis(500));
            let last = std::mem::replace(&mut before, workers());
            last == before
        });
        assert_eq!(before.len(), WORKERS.iter().sum::<usize>());
        pass(Duration::from_secs(3));
        assert_eq!(workers(), before, "ticks and switches stand still");
    });
}
