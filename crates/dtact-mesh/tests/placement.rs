//! Workers are planned onto CPUs as asked, and threads run where they are put.
// Recorded machines have too many CPUs for the interpreter, which has none to pin to.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use dtact_mesh::{Placement, PlacementError, Plan, Topology};
use support::id;

const LAPTOP: &str = include_str!("../machines/laptop.txt");
const SERVER: &str = include_str!("../machines/server.txt");
const HOLES: &str = include_str!("../machines/holes.txt");

fn machine(recording: &str) -> Topology {
    Topology::from_recording(recording).unwrap()
}

fn cpus(plan: &Plan, workers: usize) -> Vec<u32> {
    (0..workers)
        .map(|worker| {
            let cpus = plan.cpus(id(worker));
            assert_eq!(cpus.len(), 1, "worker {worker} has one CPU");
            assert_eq!(plan.level(id(worker)).unwrap().cpu, cpus[0]);
            cpus[0]
        })
        .collect()
}

#[test]
fn compact_fills_a_complex_first_and_its_fast_cores_before_that() {
    let plan = Placement::Compact.plan(&machine(LAPTOP), 18).unwrap();
    let expected = [0, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 1, 3, 5, 7, 16, 17];
    assert_eq!(cpus(&plan, 18), expected);
    let plan = Placement::Compact.plan(&machine(SERVER), 16).unwrap();
    let first_complex: Vec<_> = (0..8).chain(64..72).collect();
    assert_eq!(cpus(&plan, 16), first_complex);
}

#[test]
fn spread_takes_nodes_then_complexes_then_cores_in_turns() {
    let plan = Placement::Spread.plan(&machine(SERVER), 128).unwrap();
    let cpus = cpus(&plan, 128);
    assert_eq!(cpus[..10], [0, 32, 8, 40, 16, 48, 24, 56, 1, 33]);
    assert!(
        cpus[..64].iter().all(|&cpu| cpu < 64),
        "cores before second threads"
    );
}

#[test]
fn per_complex_binds_to_whole_complexes_in_turns() {
    let server = machine(SERVER);
    let plan = Placement::PerComplex.plan(&server, 9).unwrap();
    let complex = |worker| plan.level(id(worker)).unwrap().complex;
    assert_eq!(plan.cpus(id(0)), (0..8).chain(64..72).collect::<Vec<_>>());
    assert_eq!(plan.cpus(id(0)), plan.cpus(id(8)));
    let mut used: Vec<_> = (0..8).map(complex).collect();
    used.sort_unstable();
    assert_eq!(used, (0..8).collect::<Vec<_>>());
}

#[test]
fn an_explicit_list_is_taken_literally_and_checked() {
    let holes = machine(HOLES);
    let plan = |list: &[u32], workers| Placement::Explicit(list.to_vec()).plan(&holes, workers);
    assert_eq!(cpus(&plan(&[203, 1, 8], 2).unwrap(), 2), [203, 1]);
    assert!(matches!(
        plan(&[1], 2),
        Err(PlacementError::TooFewCpus {
            workers: 2,
            cpus: 1
        })
    ));
    assert!(matches!(
        plan(&[1, 9], 2),
        Err(PlacementError::Offline { cpu: 9 })
    ));
    assert!(matches!(
        plan(&[11, 1], 1),
        Err(PlacementError::NotAllowed { cpu: 11 })
    ));
    assert!(matches!(
        plan(&[64], 1),
        Err(PlacementError::NoSuchCpu { cpu: 64 })
    ));
    assert!(matches!(
        plan(&[2, 1, 2], 3),
        Err(PlacementError::Twice { cpu: 2 })
    ));
}

#[test]
fn only_usable_cpus_count_and_too_few_are_an_error() {
    let holes = machine(HOLES);
    for placement in [Placement::Compact, Placement::Spread, Placement::PerComplex] {
        let plan = placement.plan(&holes, 8).unwrap();
        assert!((0..8).all(|worker| !plan.cpus(id(worker)).contains(&11)));
        let error = placement.plan(&holes, 9).unwrap_err();
        assert!(
            matches!(
                error,
                PlacementError::TooFewCpus {
                    workers: 9,
                    cpus: 8
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn free_binds_nobody_and_neither_do_plans_bind_spares() {
    let laptop = machine(LAPTOP);
    let plan = Placement::default().plan(&laptop, 1000).unwrap();
    assert_eq!((plan.cpus(id(0)), plan.level(id(0))), (&[][..], None));
    plan.pin_current_thread(id(0)).unwrap();
    let plan = Placement::Compact.plan(&laptop, 2).unwrap();
    assert_eq!((plan.cpus(id(2)), plan.level(id(2))), (&[][..], None));
}

#[test]
fn a_pinned_thread_runs_where_it_was_put() {
    if !Placement::Compact.is_supported() {
        return;
    }
    let here = Topology::detect().unwrap();
    let workers = here.usable().count();
    let plan = Placement::Spread.plan(&here, workers).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (plan, here) = (&plan, &here);
            scope.spawn(move || {
                plan.pin_current_thread(id(worker)).unwrap();
                for _ in 0..100 {
                    assert_eq!(here.current(), plan.level(id(worker)));
                    std::thread::yield_now();
                }
                // Linux asks what the thread may use, which is that CPU now; Windows asks for the
                // process.
                if cfg!(target_os = "linux") {
                    let left = Topology::detect().unwrap();
                    let left: Vec<_> = left.usable().map(|cpu| cpu.level.cpu).collect();
                    assert_eq!(left, plan.cpus(id(worker)));
                }
            });
        }
    });
}

#[test]
fn a_thread_is_refused_a_cpu_that_is_not_there() {
    let elsewhere = machine("/sys/devices/system/cpu/online: 1000");
    let plan = Placement::Compact.plan(&elsewhere, 1).unwrap();
    let error = plan.pin_current_thread(id(0)).unwrap_err();
    let refused = matches!(&error, PlacementError::Refused { worker, .. } if *worker == id(0));
    assert!(
        refused || matches!(error, PlacementError::Unsupported),
        "{error}"
    );
}
