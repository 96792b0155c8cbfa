//! A fiber that joins another whose turn it is runs that one first: what others can tell of it.
//! Small enough for Miri.

#![allow(unsafe_code, reason = "switches stackful suspension on")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use dtact_bridge::{
    Builder, JoinError, Runtime, SameThreadNoFloat, no_suspend, spawn, spawn_with,
    spawn_with_stack, time::sleep, wait, yield_now,
};

fn runtime(stacks: u32) -> Runtime {
    // SAFETY: nothing here waits within a thread-local's initialiser or a scoped thread-local.
    let builder = unsafe { Builder::new().enable_stackful() };
    builder
        .workers(1)
        .fibers(64)
        .stacks(stacks)
        .stack("64K")
        .build()
        .expect("it starts")
}

/// Runs a closure in a fiber of a runtime with one worker.
fn in_fiber<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let runtime = runtime(16);
    let value = runtime.spawn_with_stack("64K", body).wait();
    value.expect("it does not panic")
}

#[test]
fn fibers_run_in_the_order_in_which_they_were_spawned_whichever_is_joined_first() {
    // Miri takes seconds for each.
    for first in if cfg!(miri) { 1..2 } else { 0..4 } {
        let order = in_fiber(move || {
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut fibers: Vec<_> = (0..4)
                .map(|number| {
                    let order = Arc::clone(&order);
                    spawn_with_stack("64K", move || order.lock().expect("whole").push(number))
                })
                .collect();
            fibers.rotate_left(first);
            for fiber in fibers {
                fiber.wait().expect("it does not panic");
            }
            Arc::into_inner(order)
                .and_then(|order| order.into_inner().ok())
                .expect("all fibers have ended")
        });
        assert_eq!(order, [0, 1, 2, 3], "joined from {first} on");
    }
}

#[test]
fn one_that_waits_in_its_turn_lets_the_others_run() {
    let steps = in_fiber(|| {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let note = |step| {
            let steps = Arc::clone(&steps);
            move || steps.lock().expect("whole").push(step)
        };
        let (begins, ends, other) = (note("begins"), note("ends"), note("other"));
        let waits = spawn_with_stack("64K", move || {
            begins();
            wait(yield_now());
            ends();
        });
        let other = spawn_with_stack("64K", other);
        waits.wait().expect("it does not panic");
        other.wait().expect("it does not panic");
        // The closures that note have gone with their fibers.
        Arc::into_inner(steps)
            .and_then(|steps| steps.into_inner().ok())
            .expect("all fibers have ended")
    });
    assert_eq!(steps, ["begins", "other", "ends"]);
}

#[test]
fn a_future_that_is_pending_in_its_turn_is_waited_for() {
    let value = in_fiber(|| {
        spawn(async {
            yield_now().await;
            sleep(Duration::from_millis(1)).await;
            7
        })
        .wait()
    });
    assert_eq!(value.expect("it does not panic"), 7);
}

#[test]
fn joins_nest_to_the_depth_of_the_stacks_there_are_and_go_on_beyond() {
    fn depth(left: u32) -> u32 {
        if left == 0 {
            wait(yield_now());
            return 0;
        }
        let deeper = spawn_with_stack("64K", move || depth(left - 1));
        1 + deeper.wait().expect("it does not panic")
    }
    let runtime = runtime(16);
    let levels = if cfg!(miri) { 4 } else { 10 };
    let handle = runtime.spawn_with_stack("64K", move || depth(levels));
    assert_eq!(handle.wait().expect("it does not panic"), levels);
}

#[test]
fn who_joins_is_cancelled_while_the_other_one_waits() {
    let runtime = runtime(16);
    let is_over = Arc::new(AtomicBool::new(false));
    let is_inside = Arc::new(AtomicBool::new(false));
    let (over, inside) = (Arc::clone(&is_over), Arc::clone(&is_inside));
    let joiner = runtime.spawn_with_stack("64K", move || {
        let other = spawn_with_stack("64K", move || {
            inside.store(true, Ordering::Release);
            // Each is a thread under Miri.
            let pause = Duration::from_millis(if cfg!(miri) { 300 } else { 1 });
            while !over.load(Ordering::Acquire) {
                wait(sleep(pause));
            }
        });
        other.wait()
    });
    while !is_inside.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    joiner.abort();
    assert!(matches!(joiner.wait(), Err(JoinError::Cancelled)));
    is_over.store(true, Ordering::Release);
}

#[test]
fn one_that_is_cancelled_joins_nobody_first() {
    let has_run = Arc::new(AtomicBool::new(false));
    let runtime = runtime(16);
    let ran = Arc::clone(&has_run);
    let joiner = runtime.spawn_with_stack("64K", move || {
        let ran = Arc::clone(&ran);
        let own = dtact_bridge::FiberId::current().expect("this is a fiber");
        let other = spawn_with_stack("64K", move || ran.store(true, Ordering::Relaxed));
        other.abort();
        own.abort();
        other.wait()
    });
    assert!(matches!(joiner.wait(), Err(JoinError::Cancelled)));
    drop(runtime);
    assert!(!has_run.load(Ordering::Relaxed));
}

#[test]
fn panics_and_cancellations_of_the_joined_fiber_are_told() {
    in_fiber(|| {
        let panics = spawn_with_stack("64K", || panic!("over"));
        let error = panics.wait().expect_err("it panics");
        assert_eq!(error.panic_message(), Some("over"));
        let aborted = spawn_with_stack("64K", || ());
        aborted.abort();
        assert!(matches!(aborted.wait(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn other_stacks_other_switchers_and_blocked_threads_join_as_ever() {
    let sum = in_fiber(|| {
        let larger = spawn_with_stack("256K", || 1)
            .wait()
            .expect("it does not panic");
        let no_float = spawn_with().switcher::<SameThreadNoFloat>();
        let plain = no_float
            .spawn(async { 2 })
            .wait()
            .expect("it does not panic");
        let inside = no_suspend(|| spawn_with_stack("64K", || 4).wait());
        larger + plain + inside.expect("it does not panic")
    });
    assert_eq!(sum, 7);
}

#[test]
fn the_worker_of_one_that_joins_for_ever_serves_the_others() {
    let runtime = runtime(16);
    let runs_on = Arc::new(AtomicBool::new(true));
    let turns = Arc::new(AtomicU32::new(0));
    let (on, count) = (Arc::clone(&runs_on), Arc::clone(&turns));
    let busy = runtime.spawn_with_stack("64K", move || {
        while on.load(Ordering::Relaxed) {
            spawn_with_stack("64K", || ())
                .wait()
                .expect("it does not panic");
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    while turns.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    // One that comes from outside, and one that sleeps meanwhile.
    let from_outside = runtime.spawn(async { sleep(Duration::from_millis(1)).await });
    from_outside.wait().expect("it does not panic");
    runs_on.store(false, Ordering::Relaxed);
    busy.wait().expect("it does not panic");
    assert!(runtime.metrics().stackful_suspensions > 0);
}

#[test]
fn where_stacks_are_few_nobody_is_lost() {
    let runtime = runtime(4);
    let sum = runtime.spawn_with_stack("64K", || {
        let fibers: Vec<_> = (0..8_u32)
            .map(|n| {
                spawn_with_stack("64K", move || {
                    wait(yield_now());
                    n
                })
            })
            .collect();
        let mut sum = 0;
        for fiber in fibers {
            sum += fiber.wait().expect("it does not panic");
        }
        sum
    });
    assert_eq!(sum.wait().expect("it does not panic"), 28);
}

/// A task says only when it is polled that it goes without floating-point state.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[test]
fn the_rounding_mode_of_who_joins_is_left_alone_by_a_task_that_keeps_none() {
    use core::arch::asm;

    use dtact_bridge::{TaskFuture, TaskMetadata};

    static METADATA: TaskMetadata = TaskMetadata::new("no float", 0);

    fn control() -> u32 {
        let mut word = 0_u32;
        // SAFETY: it writes four bytes.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
        word
    }
    fn set_control(word: u32) {
        // SAFETY: it reads four bytes, which only say how to round.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
    }

    let (before, between) = in_fiber(|| {
        let before = control();
        let may_end = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&may_end);
        let rounds_up = TaskFuture::<_, SameThreadNoFloat>::new(&METADATA, async move {
            let own = control();
            set_control(own & !0x6000 | 0x4000);
            while !end.load(Ordering::Relaxed) {
                wait(yield_now());
            }
            set_control(own);
        });
        let task = spawn(rounds_up);
        let other = spawn_with_stack("64K", move || {
            may_end.store(true, Ordering::Relaxed);
        });
        task.wait().expect("it does not panic");
        let between = control();
        other.wait().expect("it does not panic");
        (before, between)
    });
    assert_eq!(before & 0x6000, between & 0x6000);
}
