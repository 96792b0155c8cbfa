//! Nothing is lost, nothing runs twice, hops are bounded, nobody starves, and a seed repeats a run.

use proptest::prelude::*;

use super::{Costs, Load, Machine, Policy, Ready, Report, Scenario, Setup, Violation, run};
use crate::{Deflection, Topology};

const POLICIES: [Policy; 4] = [Policy::Both, Policy::Steal, Policy::Deflect, Policy::Ideal];
const TASKS: u32 = 2_000;

#[test]
fn every_scenario_runs_on_one_worker_and_on_many() {
    for workers in [1, 2, 7, 64] {
        for scenario in Scenario::ALL {
            let machine = scenario.machine(Machine::grouped(workers, 8, 32));
            let load = scenario.load(&machine, TASKS, 0.8, 1);
            for policy in POLICIES {
                let report = run(&load, &machine, &Setup::new(policy)).expect("no violation");
                assert_eq!(report.tasks, load.tasks.len());
                assert!(report.stretch() >= 1.0, "{scenario}, {policy}: {report:?}");
            }
        }
    }
}

#[test]
fn five_hundred_and_twelve_workers_share_a_hot_core() {
    let machine = Machine::grouped(512, 8, 64);
    let load = Scenario::HotCore.load(&machine, 20_000, 1.0, 1);
    let report = run(&load, &machine, &Setup::new(Policy::Both)).expect("no violation");
    assert!(report.stretch() < 1.15, "{report:?}");
}

#[test]
fn a_recorded_machine_can_be_simulated() {
    let server = include_str!("../../machines/server.txt");
    let server = Topology::from_recording(server).expect("it is a recording");
    let machine = Machine::of(&server);
    assert_eq!(machine.workers(), 128);
    let load = Scenario::Bursts.load(&machine, TASKS, 0.8, 3);
    let report = run(&load, &machine, &Setup::new(Policy::Both)).expect("no violation");
    let near: u64 = report.moves[1..=2].iter().sum();
    let far = report.moves[4];
    assert!(
        near > far,
        "tasks stay near where they can: {:?}",
        report.moves
    );
}

#[test]
fn a_seed_repeats_a_run() {
    let machine = Machine::grouped(16, 4, 8);
    let load = Scenario::Bimodal.load(&machine, TASKS, 0.9, 5);
    for policy in POLICIES {
        let setup = Setup {
            seed: 9,
            ..Setup::new(policy)
        };
        assert_eq!(run(&load, &machine, &setup), run(&load, &machine, &setup));
    }
}

#[test]
fn a_load_that_is_none_is_refused() {
    let machine = Machine::flat(2);
    let refused = |ready, pinned| {
        let mut load = Load::default();
        load.add(Ready::At(0, None), 1);
        match pinned {
            Some(worker) => load.add_pinned(ready, 1, worker),
            None => load.add(ready, 1),
        };
        run(&load, &machine, &Setup::new(Policy::Both))
    };
    let expected = Err(Violation::BadLoad { task: 1 });
    assert_eq!(refused(Ready::At(0, Some(2)), None), expected);
    assert_eq!(refused(Ready::At(0, None), Some(2)), expected);
    assert_eq!(refused(Ready::Spawned(1, 0), None), expected);
    assert_eq!(refused(Ready::After(vec![0, 1]), None), expected);
    assert_eq!(refused(Ready::After(vec![]), None), expected);
    assert!(refused(Ready::After(vec![0]), Some(1)).is_ok());
}

/// With stealing, what waits for an awake worker does not wait long: three times as long as under
/// ideal stealing, and a few wake-ups.
#[test]
fn nobody_starves_at_a_high_load() {
    for scenario in Scenario::ALL {
        let machine = scenario.machine(Machine::grouped(16, 4, 8));
        let load = scenario.load(&machine, 10_000, 0.9, 2);
        let longest = |policy| -> u64 {
            let report = run(&load, &machine, &Setup::new(policy)).expect("no violation");
            report.waits.max
        };
        let (ideal, both) = (longest(Policy::Ideal), longest(Policy::Both));
        assert!(
            both <= 3 * ideal + 40 * Costs::default().wake,
            "{scenario}: {both} ns, and {ideal} ns under ideal stealing"
        );
    }
}

/// A wake-up that gives a worker less to do than it costs is one that others are not to follow.
#[test]
fn short_tasks_one_after_the_other_wake_one_worker_at_a_time() {
    let machine = Machine::grouped(64, 8, 32);
    let mut load = Load::default();
    load.add(Ready::At(0, Some(0)), 100);
    for before in 0..20_000 {
        load.add(Ready::Spawned(before, 50), 100);
    }
    let report = run(&load, &machine, &Setup::new(Policy::Both)).expect("no violation");
    let in_a_row = report.makespan / Costs::default().wake;
    assert!(report.messages.wakes <= in_a_row, "{report:?}");
}

/// On average over some seeds, with fewer than half of the messages at a low load.
#[test]
fn nobody_waits_longer_than_under_ideal_stealing() {
    let machine = Machine::grouped(64, 8, 32);
    let sum = |policy, utilization| {
        (1..=4).fold((0, 0, 0), |(mean, p99, messages), seed: u32| {
            let load = Scenario::Bimodal.load(&machine, 20_000, utilization, seed.into());
            let setup = Setup {
                seed,
                ..Setup::new(policy)
            };
            let report = run(&load, &machine, &setup).expect("no violation");
            let waits = report.waits;
            (
                mean + waits.mean,
                p99 + waits.p99,
                messages + report.messages.total(),
            )
        })
    };
    let (ideal, both) = (sum(Policy::Ideal, 0.9), sum(Policy::Both, 0.9));
    assert!(
        both.0 <= ideal.0 && both.1 <= ideal.1,
        "{both:?}, and {ideal:?}"
    );
    let (ideal, both) = (sum(Policy::Ideal, 0.4), sum(Policy::Both, 0.4));
    assert!(2 * both.2 < ideal.2, "{both:?}, and {ideal:?}");
}

/// Whatever happens, no task waits once all work could have been done one after the other.
fn assert_sound(load: &Load, machine: &Machine, setup: &Setup, report: &Report) {
    let tasks = load.tasks.len() as u64;
    assert_eq!(report.tasks as u64, tasks);
    assert!(report.makespan >= report.makespan_bound);
    let slowest = machine.slowness.iter().copied().max().unwrap_or(100);
    let work: u64 = load.tasks.iter().map(|task| task.service).sum();
    let costs = setup.costs;
    let each = costs.dispatch + costs.transfer[4] + costs.wake + costs.search;
    assert!(report.waits.max <= work * slowest / 100 + (tasks + 1) * each);
    let hops = u64::from(setup.deflection.hops_max);
    assert!(report.messages.deflected <= tasks * hops);
}

fn loads(workers: u16) -> impl Strategy<Value = Load> {
    let task = (0_u8..8, any::<[u32; 3]>(), 0_u64..30_000, 0_u8..10);
    prop::collection::vec(task, 1..300).prop_map(move |tasks| {
        let mut load = Load::default();
        for (kind, [a, b, c], service, pin) in tasks {
            let before = u32::try_from(load.tasks.len()).unwrap_or(u32::MAX);
            let worker = u16::try_from(a % u32::from(workers)).unwrap_or(0);
            let earlier = |random: u32| random % before;
            let ready = match kind {
                _ if before == 0 => Ready::At(0, None),
                0..=2 => Ready::At(u64::from(b) % 200_000, Some(worker)),
                3 => Ready::At(u64::from(b) % 200_000, None),
                4 | 5 => Ready::Spawned(earlier(b), u64::from(c) % 40_000),
                _ => Ready::After(vec![earlier(b), earlier(c)]),
            };
            match pin {
                0 => load.add_pinned(ready, service, worker),
                _ => load.add(ready, service),
            };
        }
        load
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_load_is_done_once_by_any_policy(
        (workers, load) in (1_u16..40).prop_flat_map(|workers| (Just(workers), loads(workers))),
        per_complex in 1_u16..9,
        free in any::<bool>(),
        slow in 50_u64..500,
        threshold in 0_u8..=100,
        hops_max in 1_u8..=13,
        parcel in 1_usize..=32,
        seed in any::<u32>(),
    ) {
        let machine = Machine::grouped(workers, per_complex, 2 * per_complex).with_slow(0, slow);
        let costs = if free { Costs::NONE } else { Costs::default() };
        let deflection = Deflection { threshold, hops_max, parcel };
        for policy in POLICIES {
            let setup = Setup { policy, deflection, costs, seed };
            let report = run(&load, &machine, &setup);
            let report = report.map_err(|error| TestCaseError::fail(error.to_string()))?;
            assert_sound(&load, &machine, &setup, &report);
        }
    }
}
