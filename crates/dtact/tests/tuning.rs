//! What a builder says of workers: where they run, when they pass fibers on, who watches them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{bounded, until};
use dtact::{
    BuildError, Builder, Deflection, LongPoll, MeshError, Placement, PlacementError, Runtime,
    SafetyLevel, StackSignalError, ThresholdError, TopologyMode, WorkloadKind,
    set_deflection_threshold, spawn_with, topology, wait, yield_now,
};

/// Whether the report names the fiber that is called so.
fn is_long(poll: &LongPoll) -> bool {
    poll.to_string().contains("\"long\"")
}

#[test]
fn the_watchdog_names_the_fiber_that_runs_for_too_long() {
    bounded(|| {
        let seen: Arc<Mutex<Vec<LongPoll>>> = Arc::default();
        let is_reported: Arc<AtomicBool> = Arc::default();
        let (polls, reported) = (Arc::clone(&seen), Arc::clone(&is_reported));
        let runtime = Builder::new()
            .workers(2)
            .watchdog(Duration::from_millis(5), move |poll| {
                polls.lock().unwrap().push(*poll);
                reported.fetch_or(is_long(poll), Relaxed);
                panic!("a report that panics harms nobody");
            })
            .build()
            .unwrap();
        let others = Arc::clone(&is_reported);
        let other = runtime.spawn(async move {
            // The other worker has to be awake. On a slow machine it may be reported itself.
            while !others.load(Relaxed) {
                yield_now().await;
            }
        });
        // However long a report takes.
        let long = runtime.block_on(async {
            let own = Arc::clone(&is_reported);
            [spawn_with().name("long").spawn_fn(move || {
                while !own.load(Relaxed) {
                    std::hint::spin_loop();
                }
            })]
        });
        other.wait().unwrap();
        for handle in long {
            handle.wait().unwrap();
        }
        let polls = seen.lock().unwrap();
        for poll in &*polls {
            assert!(poll.duration >= Duration::from_millis(5), "{poll}");
        }
        assert!(polls.iter().any(is_long));
        drop(polls);
        let long_polls: u64 = runtime
            .worker_metrics()
            .iter()
            .map(|it| it.long_polls)
            .sum();
        assert!(long_polls >= 1);
    });
}

/// Spins until it is told to stop, and is in nobody's frame but its own.
#[inline(never)]
fn spin_until(is_over: &AtomicBool) {
    while !is_over.load(Relaxed) {
        std::hint::spin_loop();
    }
}

/// `SIGURG` of Linux, which is ignored by default.
const SIGURG: i32 = 23;

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
#[cfg_attr(
    dtact_tsan,
    ignore = "the tool calls handlers later, from a place of its own: they see no stack"
)]
fn the_watchdog_says_in_which_function_the_fiber_is() {
    bounded(|| {
        let is_over: Arc<AtomicBool> = Arc::default();
        let (stacks, reports) = mpsc::channel();
        let runtime = Builder::new()
            .workers(2)
            .watchdog(Duration::from_millis(5), move |poll| {
                if is_long(poll) {
                    // Nobody listens to a second one.
                    let _nobody = stacks.send(*poll);
                }
            })
            .watchdog_stacks(SIGURG)
            .build()
            .unwrap();
        let others = Arc::clone(&is_over);
        let other = runtime.spawn(async move {
            // The other worker has to be awake.
            while !others.load(Relaxed) {
                yield_now().await;
            }
        });
        let own = Arc::clone(&is_over);
        let long = runtime
            .block_on(async { [spawn_with().name("long").spawn_fn(move || spin_until(&own))] });
        let poll = reports.recv().unwrap();
        is_over.store(true, Relaxed);
        let stack = poll.stack.expect("the thread answers");
        let start = spin_until as *const () as usize;
        let is_inside = |frame: &usize| (start..start + 1024).contains(frame);
        assert!(stack.frames().iter().any(is_inside), "{start:#x}, {poll}");
        // Where it is comes first, without the handler that found it.
        assert!(
            stack.frames()[..3].iter().any(is_inside),
            "{start:#x}, {poll}"
        );
        let file = std::env::current_exe().unwrap();
        let file = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(poll.to_string().contains(&file), "{poll}");
        other.wait().unwrap();
        for handle in long {
            handle.wait().unwrap();
        }
    });
}

#[test]
fn a_signal_that_cannot_show_a_stack_is_refused() {
    let refused = |signal| {
        let builder = Builder::new().watchdog(Duration::from_millis(5), |_| {});
        match builder.watchdog_stacks(signal).build() {
            Err(BuildError::StackSignal(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    if cfg!(all(target_os = "linux", target_env = "gnu", not(miri))) {
        // SIGKILL and SIGSEGV, and what no signal is.
        for signal in [9, 11, 0, 1000] {
            assert_eq!(refused(signal), StackSignalError::Unusable { signal });
        }
    } else {
        assert_eq!(refused(SIGURG), StackSignalError::Unsupported);
    }
}

#[test]
fn a_watchdog_without_a_limit_is_refused() {
    let refused = Builder::new().watchdog(Duration::ZERO, |_| {}).build();
    assert!(matches!(
        refused,
        Err(BuildError::Mesh(MeshError::ZeroLimit))
    ));
}

#[test]
fn a_threshold_is_set_on_a_worker_that_is_there_or_refused() {
    bounded(|| {
        let builder = Builder::new().workers(2).threads_max(3);
        let runtime = builder.clone().build().unwrap();
        assert_eq!(runtime.set_deflection_threshold(2, 0), Ok(()));
        for worker in [3, 70_000] {
            assert_eq!(
                runtime.set_deflection_threshold(worker, 50),
                Err(ThresholdError::UnknownWorker {
                    worker,
                    workers_max: 3
                })
            );
        }
        let over = Err(ThresholdError::OverHundred { percent: 101 });
        assert_eq!(runtime.set_deflection_threshold(0, 101), over);
        // The runtime at hand, and not the process's, has three workers at most.
        let unknown = runtime.block_on(async { set_deflection_threshold(3, 50) });
        assert!(matches!(
            unknown,
            Err(ThresholdError::UnknownWorker { workers_max: 3, .. })
        ));
        for builder in [
            builder.clone().deflection(None),
            builder.topology_mode(TopologyMode::Global),
        ] {
            let runtime = builder.build().unwrap();
            let refused = runtime.set_deflection_threshold(0, 50);
            assert_eq!(refused, Err(ThresholdError::NoDeflection));
        }
    });
}

/// How many fibers are passed on by a worker that spawns more than its share, of this kind.
fn deflected(kind: WorkloadKind, deflection: Option<Deflection>) -> u64 {
    let builder = Builder::new().workers(2).deflection(deflection);
    let runtime = builder.build().unwrap();
    runtime
        .spawn(async move {
            for _ in 0..200 {
                let fibers = spawn_with().kind(kind);
                let handles: Vec<_> = (0..250).map(|_| fibers.spawn(async {})).collect();
                for handle in handles {
                    handle.await.unwrap();
                }
            }
        })
        .wait()
        .unwrap();
    let workers = runtime.worker_metrics();
    assert!(workers.iter().map(|it| it.dispatched).sum::<u64>() >= 50_000);
    workers.iter().map(|it| it.deflected).sum()
}

#[test]
fn a_worker_with_too_many_fibers_passes_on_those_that_compute_and_keeps_services() {
    bounded(|| {
        let early = Deflection {
            threshold: 0,
            ..Deflection::default()
        };
        // All is over in milliseconds, in which the other worker may not have begun.
        until("some are passed on", || {
            deflected(WorkloadKind::Compute, Some(early)) > 0
        });
        assert_eq!(deflected(WorkloadKind::System, Some(early)), 0);
        assert_eq!(deflected(WorkloadKind::Compute, None), 0);
    });
}

#[test]
fn a_deflection_that_cannot_be_is_refused() {
    let bad = Deflection {
        threshold: 101,
        ..Deflection::default()
    };
    let refused = Builder::new().deflection(Some(bad)).build();
    assert!(matches!(
        refused,
        Err(BuildError::Mesh(MeshError::BadThreshold { percent: 101 }))
    ));
}

#[test]
fn a_worker_that_is_placed_runs_on_its_cpu_and_nowhere_else() {
    bounded(|| {
        let machine = topology::Topology::detect().unwrap();
        let cpus: Vec<u32> = machine.usable().map(|cpu| cpu.level.cpu).collect();
        for &cpu in &cpus {
            let builder = Builder::new().workers(1);
            let builder = builder.placement(Placement::Explicit(vec![cpu]));
            let runtime = builder.build().unwrap();
            let seen = runtime.spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                    thread::yield_now();
                }
                (
                    topology::current().map(|it| it.cpu),
                    topology::current_core(),
                )
            });
            let core = machine.cpu(cpu).unwrap().level.core;
            assert_eq!(seen.wait().unwrap(), (Some(cpu), Some(core)));
        }
        for placement in [Placement::Compact, Placement::Spread, Placement::PerComplex] {
            let builder = Builder::new().workers(cpus.len());
            let runtime = builder.placement(placement).build().unwrap();
            assert_eq!(runtime.spawn(async { 1 }).wait().unwrap(), 1);
        }
    });
}

#[test]
fn a_placement_that_cannot_be_is_refused_before_anything_starts() {
    let build = |placement| Builder::new().workers(2).placement(placement).build();
    assert!(matches!(
        build(Placement::Explicit(vec![0])),
        Err(BuildError::Placement(PlacementError::TooFewCpus {
            workers: 2,
            cpus: 1
        }))
    ));
    let none = build(Placement::Explicit(vec![1_000_000, 1_000_001]));
    let Err(BuildError::Placement(PlacementError::NoSuchCpu { cpu: 1_000_000 })) = none else {
        panic!("{none:?}")
    };
}

#[test]
fn workers_are_as_many_as_the_process_may_keep_busy() {
    bounded(|| {
        let runtime = Runtime::new().unwrap();
        let expected = topology::Topology::detect().unwrap().recommended_workers();
        until("all workers are there", || {
            runtime.worker_metrics().len() == expected
        });
    });
}

#[test]
fn fibers_wait_on_stacks_of_every_level_of_safety() {
    bounded(|| {
        for level in [SafetyLevel::Safety1, SafetyLevel::Safety2] {
            let builder = common::stackful().workers(2).stack("64K").safety(level);
            let runtime = builder.build().unwrap();
            let handles: Vec<_> = (0..20_usize)
                .map(|n| {
                    runtime.spawn_with_stack("64K", move || {
                        wait(yield_now());
                        n
                    })
                })
                .collect();
            assert_eq!(handles.len(), 20);
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.wait().unwrap(), n, "{level:?}");
            }
            assert!(runtime.metrics().stackful_suspensions > 0);
        }
    });
}

#[test]
fn a_numa_node_that_is_not_there_is_refused() {
    let refused = Builder::new().numa_node(1_000).build();
    assert!(matches!(refused, Err(BuildError::Arena(_))), "{refused:?}");
}
