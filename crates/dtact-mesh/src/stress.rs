//! A stress of the sleep, and the proof that it would find a lost wake-up: the same run with the
//! second look left out must get stuck.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{ArrayLinks, Config, Mesh, Parked, TaskIndex, WorkerId, park::Planted};

/// How long nothing may happen before the run counts as stuck: far longer than any hand-over, also
/// on a machine with twenty programs to a processor. What is lost stays lost, however long.
const STUCK: Duration = Duration::from_secs(5);

/// Hands so many tasks, one at a time, to two workers that sleep in between. How many ran.
fn hand_over(tasks: usize, mistake: Planted) -> usize {
    let mut mesh = Mesh::build(Config::new(2, 2), ArrayLinks::new(1)).expect("the size is right");
    mesh.event_count.plant(mistake);
    let mesh = Arc::new(mesh);
    let ran = Arc::new(AtomicUsize::new(0));
    let threads = [0, 1].map(|id| {
        let worker = mesh.worker(WorkerId::from_raw(id)).expect("claimed once");
        let ran = Arc::clone(&ran);
        thread::spawn(move || {
            loop {
                while worker.next().is_some() {
                    ran.fetch_add(1, Ordering::Release);
                }
                if worker.park() == Parked::Closed {
                    return;
                }
            }
        })
    });
    let task = TaskIndex::from_raw(0).expect("0 is an index");
    let mut handed = 0;
    'stuck: while handed < tasks {
        // Pauses of all lengths, so that some end just as a worker goes to sleep.
        for _ in 0..handed % 997 {
            core::hint::spin_loop();
        }
        mesh.inject(task);
        handed += 1;
        let start = Instant::now();
        while ran.load(Ordering::Acquire) < handed {
            if start.elapsed() > STUCK {
                break 'stuck;
            }
            core::hint::spin_loop();
        }
    }
    let result = ran.load(Ordering::Acquire);
    mesh.close();
    for thread in threads {
        // Who does not look again does not see the end either, and has to be claimed for it.
        while !thread.is_finished() {
            mesh.wake_one();
            thread::yield_now();
        }
        thread.join().expect("a worker ends");
    }
    result
}

#[test]
fn no_wake_up_is_lost() {
    let tasks = if cfg!(miri) { 30 } else { 50_000 };
    // A machine that does nothing else for seconds is not stuck: once more would be.
    let done = |_| hand_over(tasks, Planted::Nothing) == tasks;
    assert!((0..3).any(done), "a wake-up was lost");
}

#[test]
#[cfg_attr(miri, ignore = "may take thousands of hand-overs to lose one")]
fn without_the_second_look_one_is_lost_and_found() {
    let tasks = 1_000_000;
    let ran = hand_over(tasks, Planted::NoRecheck);
    assert!(ran < tasks, "the stress finds nothing");
}
