//! Recorded machines are understood, and so is this one.
// See the module: too many CPUs for the interpreter.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dtact_mesh::{Cpu, CpuLevel, CpuListError, Distance, Gap, Topology, TopologyError};

const LAPTOP: &str = include_str!("../machines/laptop.txt");
const SERVER: &str = include_str!("../machines/server.txt");
const CONTAINER: &str = include_str!("../machines/container.txt");
const HOLES: &str = include_str!("../machines/holes.txt");
const NO_CACHES: &str = include_str!("../machines/no-caches.txt");
const NONSENSE: &str = include_str!("../machines/nonsense.txt");

fn machine(recording: &str) -> Topology {
    Topology::from_recording(recording).unwrap()
}

fn levels(topology: &Topology) -> [usize; 4] {
    let cpus = topology.cpus().len();
    [
        cpus,
        topology.cores(),
        topology.complexes(),
        topology.nodes(),
    ]
}

fn level(topology: &Topology, cpu: u32) -> CpuLevel {
    topology.cpu(cpu).unwrap().level
}

fn distance(topology: &Topology, a: u32, b: u32) -> Distance {
    level(topology, a).distance(level(topology, b))
}

/// What holds of every topology: levels are nested, and each CPU is found by its number.
fn assert_sound(topology: &Topology) {
    for cpu in topology.cpus() {
        assert_eq!(topology.cpu(cpu.level.cpu), Some(cpu));
        for other in topology.cpus() {
            let [a, b] = [cpu.level, other.level];
            assert!(a.core != b.core || a.complex == b.complex, "{a:?} {b:?}");
            assert!(a.complex != b.complex || a.node == b.node, "{a:?} {b:?}");
            let same = a == b || a.core != b.core || cpu.thread != other.thread;
            assert!(same, "two threads of a core have one number: {a:?} {b:?}");
        }
    }
    assert!(topology.recommended_workers() >= 1);
}

#[test]
fn a_laptop_has_fast_and_slow_cores_and_slower_ones_outside_its_l3() {
    let laptop = machine(LAPTOP);
    assert_sound(&laptop);
    assert_eq!(levels(&laptop), [18, 14, 2, 1]);
    assert_eq!(laptop.gaps(), []);
    let class = |cpu| laptop.cpu(cpu).unwrap().class;
    assert_eq!(
        [class(0), class(7), class(8), class(15), class(16)],
        [2, 2, 1, 1, 0]
    );
    assert_eq!(distance(&laptop, 0, 1), Distance::Core);
    assert_eq!(distance(&laptop, 1, 2), Distance::Complex);
    assert_eq!(distance(&laptop, 0, 15), Distance::Complex);
    assert_eq!(distance(&laptop, 0, 16), Distance::Node);
    assert_eq!(laptop.recommended_workers(), 18);
}

#[test]
fn a_server_has_several_l3_per_socket() {
    let server = machine(SERVER);
    assert_sound(&server);
    assert_eq!(levels(&server), [128, 64, 8, 2]);
    assert_eq!(server.gaps(), []);
    assert_eq!(distance(&server, 3, 3), Distance::Same);
    assert_eq!(distance(&server, 3, 67), Distance::Core);
    assert_eq!(distance(&server, 3, 71), Distance::Complex);
    assert_eq!(distance(&server, 3, 8), Distance::Node);
    assert_eq!(distance(&server, 3, 32), Distance::Machine);
    assert_eq!(server.cpu(67).unwrap().thread, 1);
}

#[test]
fn a_container_uses_its_one_cpu_and_knows_its_quota() {
    let container = machine(CONTAINER);
    assert_sound(&container);
    let usable: Vec<_> = container.usable().map(|cpu| cpu.level.cpu).collect();
    assert_eq!(usable, [5]);
    let quota = container.quota().unwrap();
    assert_eq!((quota.quota.get(), quota.period.get()), (50_000, 100_000));
    assert_eq!(container.recommended_workers(), 1);
}

#[test]
fn a_quota_limits_the_workers() {
    let with = |max: &str| {
        machine(&format!(
            "{CONTAINER}\n/sys/fs/cgroup/cpu.max: {max}\n/proc/thread-self/status: "
        ))
        .recommended_workers()
    };
    assert_eq!(with("max 100000"), 16);
    assert_eq!(with("250000 100000"), 3);
    assert_eq!(with("300000 100000"), 3);
    assert_eq!(with("1 100000"), 1);
    assert_eq!(with("18446744073709551615 1"), 16);
}

#[test]
fn numbers_may_have_holes() {
    let holes = machine(HOLES);
    assert_sound(&holes);
    assert_eq!(levels(&holes), [9, 6, 3, 2]);
    assert_eq!(holes.gaps(), []);
    assert_eq!(level(&holes, 200).node, 4);
    assert_eq!(holes.cpu(3), None);
    assert_eq!(holes.cpu(199), None);
    assert_eq!(holes.cpu(u32::MAX), None);
    assert!(holes.is_offline(9) && !holes.is_offline(199) && !holes.is_offline(10));
    assert!(!holes.cpu(11).unwrap().usable);
    assert_eq!(holes.recommended_workers(), 8);
}

#[test]
fn without_caches_the_machine_is_one_complex() {
    let board = machine(NO_CACHES);
    assert_sound(&board);
    assert_eq!(levels(&board), [8, 8, 1, 1]);
    assert_eq!(board.gaps(), [Gap::Caches, Gap::Nodes]);
    let classes: Vec<_> = board.cpus().iter().map(|cpu| cpu.class).collect();
    assert_eq!(classes, [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn nonsense_makes_groups_smaller_and_is_named() {
    let nonsense = machine(NONSENSE);
    assert_sound(&nonsense);
    assert_eq!(nonsense.cpus().len(), 8);
    assert_eq!(distance(&nonsense, 0, 1), Distance::Core);
    // Their lists differ, so they are not believed to be one core.
    assert_eq!(distance(&nonsense, 4, 5), Distance::Complex);
    // One cache, but two nodes.
    assert_eq!(distance(&nonsense, 0, 4), Distance::Machine);
    // In two nodes: the first counts.
    assert_eq!(level(&nonsense, 3).node, 0);
    // In none: the first, and that is said.
    assert_eq!(level(&nonsense, 7).node, 0);
    assert_eq!(nonsense.gaps(), [Gap::Cores, Gap::Caches, Gap::Nodes]);
}

#[test]
fn a_bare_list_of_cpus_is_enough_and_none_is_an_error() {
    let bare = machine("/sys/devices/system/cpu/online: 0-3");
    assert_eq!(levels(&bare), [4, 4, 1, 1]);
    let gaps = [Gap::Allowed, Gap::Cores, Gap::Caches, Gap::Nodes];
    assert_eq!(bare.gaps(), gaps);
    let bare = machine("/proc/thread-self/status: Cpus_allowed_list:\t1,4\\n");
    assert_eq!(
        bare.cpus()
            .iter()
            .map(|cpu| cpu.level.cpu)
            .collect::<Vec<_>>(),
        [1, 4]
    );
    assert_eq!(bare.gaps()[0], Gap::Online);

    let error = |text| Topology::from_recording(text).unwrap_err();
    assert_eq!(error(""), TopologyError::NoCpus);
    let apart = "/sys/devices/system/cpu/online: 0-1\n\
                 /proc/thread-self/status: Cpus_allowed_list:\t2\\n";
    assert_eq!(error(apart), TopologyError::NoCpus);
    assert_eq!(
        error("# one\n\nnothing"),
        TopologyError::NotARecord { line: 3 }
    );
    let backwards = CpuListError::Backwards { first: 3, last: 1 };
    let expected = TopologyError::BadList {
        line: 1,
        error: backwards,
    };
    assert_eq!(error("/sys/cpu[3-1]/x: 1"), expected);
    assert!(
        expected.to_string().contains("ends before it begins"),
        "{expected}"
    );
}

#[test]
fn any_part_of_a_recording_gives_a_topology_or_an_error() {
    for recording in [LAPTOP, SERVER, CONTAINER, HOLES, NO_CACHES, NONSENSE] {
        let lines: Vec<_> = recording.lines().collect();
        for at in (0..lines.len()).step_by(7) {
            let (before, after) = lines.split_at(at);
            for part in [before.join("\n"), after.join("\n"), after[1..].join("\n")] {
                if let Ok(topology) = Topology::from_recording(&part) {
                    assert_sound(&topology);
                }
            }
        }
    }
}

#[test]
fn this_machine_agrees_with_the_standard_library() {
    let here = Topology::detect().unwrap();
    assert_sound(&here);
    let usable: Vec<Cpu> = here.usable().copied().collect();
    let parallel = std::thread::available_parallelism().unwrap().get();
    // The standard library rounds a quota down, and we up.
    let workers = here.recommended_workers();
    assert!(
        (parallel..=parallel + 1).contains(&workers),
        "{workers} {parallel}"
    );
    if cfg!(any(target_os = "linux", windows)) {
        let current = here.current().unwrap();
        assert!(usable.iter().any(|cpu| cpu.level == current), "{current:?}");
    }
}
