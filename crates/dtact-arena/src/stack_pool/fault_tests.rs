//! What the pools do when calls of the system fail: the error says why, nothing is lost, and the
//! pool works as soon as the system does.

use core::time::Duration;
use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest,
};

use crate::guard::GuardBudget;
use crate::sys::faults::{self, Call, Fault};
use crate::{
    ArenaError, CellPool, Errno, SafetyLevel, SizeClass, Stack, StackCache, StackPool,
    StackPoolBuilder,
};

/// ENOMEM, EPERM, EINVAL, EAGAIN.
const ERRNOS: [Errno; 4] = [Errno(12), Errno(1), Errno(22), Errno(11)];

const CAPACITY: u32 = 6;

static BUDGET: GuardBudget = GuardBudget::with_max_map_count(1_000_000);

/// How a pool is built: the level, and whether its guards are made by protection.
#[derive(Copy, Clone, Debug)]
struct Kind {
    level: SafetyLevel,
    is_protected: bool,
}

fn kinds() -> [Kind; 5] {
    let kind = |level, is_protected| Kind {
        level,
        is_protected,
    };
    [
        kind(unguarded(), false),
        kind(SafetyLevel::Safety1, false),
        kind(SafetyLevel::Safety1, true),
        kind(SafetyLevel::Safety2, false),
        kind(SafetyLevel::Safety2, true),
    ]
}

#[expect(unsafe_code, reason = "builds a pool without guards")]
fn unguarded() -> SafetyLevel {
    // SAFETY: nothing runs on the stacks of these tests.
    SafetyLevel::Safety0(unsafe { crate::Unguarded::promise() })
}

/// Whether nodes can be chosen: not so under an emulator, nor under some filters of system calls.
fn has_nodes() -> bool {
    static HAS_NODES: OnceLock<bool> = OnceLock::new();
    let try_node = || StackPool::builder().capacity(1).node(0).build().is_ok();
    *HAS_NODES.get_or_init(|| std::thread::spawn(try_node).join().expect("no panic"))
}

fn builder(kind: Kind) -> StackPoolBuilder {
    let mut builder = StackPool::builder()
        .stack_bytes(1)
        .capacity(CAPACITY)
        .safety(kind.level)
        .decay_period(Duration::ZERO);
    if has_nodes() {
        builder = builder.node(0);
    }
    if kind.is_protected {
        builder.protection(&BUDGET)
    } else {
        builder
    }
}

/// Writes to both ends of a stack.
#[expect(unsafe_code, reason = "writes to stacks it holds")]
fn touch(stack: &Stack) {
    for at in [
        stack.bottom(),
        stack.top().map_addr(|top| {
            core::num::NonZeroUsize::new(top.get() - 1)
                .expect("a stack is not at the bottom of memory")
        }),
    ] {
        // SAFETY: inside the stack, which the test holds.
        unsafe { at.write(1) }
    }
}

/// Everything that a pool does, with whatever errors there are.
fn use_all(kind: Kind) -> Vec<ArenaError> {
    let mut errors = Vec::new();
    let mut keep = |error| errors.push(error);
    let pool = match builder(kind).build() {
        Ok(pool) => pool,
        Err(error) => return vec![error],
    };
    let mut cache = StackCache::new(2);
    for round in 0..3 {
        let mut stacks = Vec::new();
        for bytes in [1, 20_000, 1, 1] {
            let taken = if bytes == 1 && round == 1 {
                cache.take(&pool)
            } else {
                pool.take(bytes)
            };
            match taken {
                Ok(stack) => {
                    touch(&stack);
                    stack.high_water_bytes().map_or_else(&mut keep, drop);
                    stacks.push(stack);
                }
                Err(error) => keep(error),
            }
        }
        for stack in stacks {
            if round == 1 {
                cache.give_back(&pool, stack);
            } else {
                pool.give_back(stack);
            }
        }
        pool.decay(Instant::now()).map_or_else(&mut keep, drop);
        pool.trim().map_or_else(&mut keep, drop);
        pool.resident_bytes().map_or_else(&mut keep, drop);
    }
    cache.flush(&pool);
    faults::plan(&[]);
    check_whole(&pool);
    errors
}

/// All stacks can be had, each once, and come back.
fn check_whole(pool: &StackPool) {
    assert_eq!(pool.metrics().live, 0);
    for bytes in [1, 20_000] {
        let stacks: Vec<_> = (0..CAPACITY)
            .map(|_| pool.take(bytes).expect("the system works again"))
            .collect();
        stacks.iter().for_each(touch);
        let bottoms: HashSet<_> = stacks.iter().map(Stack::bottom).collect();
        assert_eq!(bottoms.len(), stacks.len());
        let exhausted = ArenaError::StacksExhausted { capacity: CAPACITY };
        assert_eq!(pool.take(bytes).err(), Some(exhausted));
        for stack in stacks {
            pool.give_back(stack);
        }
    }
    pool.trim().expect("the system works again");
    assert_eq!(pool.metrics().live, 0);
    assert_eq!(pool.metrics().committed_bytes, 0);
}

/// Whether an error is one that a failed call may lead to.
fn is_explained(error: ArenaError, errno: Errno) -> bool {
    match error {
        ArenaError::Os { errno: reason, .. } | ArenaError::NodeRefused { errno: reason, .. } => {
            reason == errno
        }
        // ENOMEM of `mprotect` says that there are too many mappings.
        ArenaError::GuardsExhausted { .. } => errno == Errno(12),
        _ => false,
    }
}

/// Every call, failing with every reason, at each of its first occurrences; a sample of them under
/// Miri, which is slow.
fn single_faults() -> impl Iterator<Item = Fault> {
    let counts = || [(0, 1), (1, 1), (2, 2), (0, u32::MAX), (4, u32::MAX)];
    let all = Call::ALL.into_iter().flat_map(move |call| {
        ERRNOS.into_iter().flat_map(move |errno| {
            counts().into_iter().map(move |(after, times)| Fault {
                call,
                after,
                times,
                errno,
            })
        })
    });
    all.step_by(if cfg!(miri) { 83 } else { 1 })
}

#[test]
fn whatever_fails_the_error_says_why_and_the_pool_works_afterwards() {
    let mut reached = 0;
    for fault in single_faults() {
        for kind in kinds() {
            let reserved_before = faults::reserved_bytes();
            faults::plan(&[fault]);
            let errors = use_all(kind);
            reached += u32::from(faults::failed() > 0);
            faults::plan(&[]);
            for error in errors {
                assert!(
                    is_explained(error, fault.errno),
                    "{fault:?} {kind:?}: {error}"
                );
            }
            if fault.call != Call::Release {
                assert_eq!(
                    faults::reserved_bytes(),
                    reserved_before,
                    "{fault:?} {kind:?}"
                );
            }
        }
    }
    assert!(reached > 400 || cfg!(miri), "{reached} faults were met");
}

#[test]
fn cells_are_refused_with_a_reason_and_leave_nothing_behind() {
    for fault in single_faults() {
        let reserved_before = faults::reserved_bytes();
        faults::plan(&[fault]);
        let pool = CellPool::builder().capacity(4).huge_pages(true).node(0);
        let result = pool.build();
        faults::plan(&[]);
        match result {
            Ok(pool) => {
                let class = CellPool::class_for(1).expect("the smallest class");
                let cell = pool.take(class).expect("four are there");
                pool.give_back(cell);
            }
            // Where the machine itself has no huge pages or lets nobody choose a node.
            Err(ArenaError::HugePagesOff | ArenaError::NodeRefused { .. }) => {}
            Err(ArenaError::Os { op, errno }) => {
                assert!(
                    errno == fault.errno || op.contains("huge pages"),
                    "{op}: {errno}"
                );
            }
            Err(error) => panic!("{fault:?}: {error}"),
        }
        if fault.call != Call::Release {
            assert_eq!(faults::reserved_bytes(), reserved_before, "{fault:?}");
        }
    }
}

#[test]
fn a_stack_that_cannot_be_hidden_is_counted_and_comes_out_again() {
    let level = Kind {
        level: SafetyLevel::Safety2,
        is_protected: true,
    };
    let pool = builder(level).build().expect("a small pool");
    let stack = pool.take(1).expect("six fit");
    let bottom = stack.bottom();
    let refused = |call| Fault {
        call,
        after: 0,
        times: u32::MAX,
        errno: ERRNOS[0],
    };
    faults::plan(&[refused(Call::GuardByProtection)]);
    pool.give_back(stack);
    faults::plan(&[]);
    assert_eq!(pool.metrics().exposed, 1);
    let stack = pool.take(1).expect("six fit");
    assert_eq!(stack.bottom(), bottom);
    pool.give_back(stack);
    assert_eq!(pool.metrics().exposed, 1, "the second time it was hidden");
    check_whole(&pool);
}

#[test]
fn locked_memory_stays_with_its_stacks_and_the_error_says_so() {
    let pool = builder(kinds()[1]).build().expect("a small pool");
    let stack = pool.take(1).expect("six fit");
    touch(&stack);
    pool.give_back(stack);
    let locked = Fault {
        call: Call::Discard,
        after: 0,
        times: 2,
        errno: Errno(22),
    };
    faults::plan(&[locked]);
    let refused = ArenaError::Os {
        op: "giving the memory of idle stacks back",
        errno: Errno(22),
    };
    assert_eq!(pool.trim(), Err(refused));
    assert_eq!(pool.decay(Instant::now()), Err(refused));
    faults::plan(&[]);
    assert!(pool.metrics().committed_bytes > 0);
    assert_eq!(pool.trim(), Ok(1));
    assert_eq!(pool.metrics().committed_bytes, 0);
}

/// What one thread does with a pool.
#[derive(Copy, Clone, Debug)]
enum Step {
    Take(bool),
    GiveBack(usize),
    Decay,
    Trim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Take),
        4 => any::<usize>().prop_map(Step::GiveBack),
        1 => Just(Step::Decay),
        1 => Just(Step::Trim),
    ];
    vec(step, 1..60)
}

fn plans() -> impl Strategy<Value = Vec<Fault>> {
    let fault = (0..Call::ALL.len(), 0_u32..20, 1_u32..4, 0..ERRNOS.len());
    let fault = fault.prop_map(|(call, after, times, errno)| Fault {
        call: Call::ALL[call],
        after,
        times,
        errno: ERRNOS[errno],
    });
    // A release that fails loses its addresses: the account would never come out even.
    vec(
        fault.prop_filter("not a release", |fault| fault.call != Call::Release),
        0..8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 300 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever fails and when: what is out is out once, and all is there in the end.
    #[test]
    fn no_stack_is_lost_or_out_twice_whatever_fails(
        kind in 0_usize..5,
        plan in plans(),
        steps in steps(),
    ) {
        let kind = kinds()[kind];
        faults::plan(&plan);
        if let Ok(pool) = builder(kind).build() {
            let mut out: Vec<Stack> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(is_small) => {
                        let bytes = if is_small { 1 } else { 20_000 };
                        if let Ok(stack) = pool.take(bytes) {
                            touch(&stack);
                            out.push(stack);
                        }
                    }
                    Step::GiveBack(choice) if !out.is_empty() => {
                        pool.give_back(out.swap_remove(choice % out.len()));
                    }
                    Step::GiveBack(_) => {}
                    Step::Decay => drop(pool.decay(Instant::now())),
                    Step::Trim => drop(pool.trim()),
                }
                let bottoms: HashSet<_> = out.iter().map(Stack::bottom).collect();
                prop_assert_eq!(bottoms.len(), out.len());
                prop_assert_eq!(pool.metrics().live as usize, out.len());
            }
            faults::plan(&[]);
            for stack in out {
                prop_assert_eq!(Some(stack.class()), SizeClass::for_bytes(stack.class().bytes()));
                pool.give_back(stack);
            }
            check_whole(&pool);
        }
        faults::plan(&[]);
        prop_assert_eq!(faults::reserved_bytes(), 0);
    }
}

/// What the kernel says of this process, compared before and after all faults; in a process of its
/// own, since the tests beside this one map memory too.
#[cfg(not(miri))]
mod leaks {
    use std::{env, fs, process::Command};

    use super::{Call, faults, kinds, single_faults, use_all};

    /// Set in the child.
    const CHILD: &str = "DTACT_ARENA_LEAKS";

    /// The mappings without a name: how many, their bytes, and their resident KiB.
    fn anonymous_memory() -> (usize, usize, usize) {
        let smaps = fs::read_to_string("/proc/self/smaps").expect("/proc is mounted");
        let mut memory = (0, 0, 0);
        let mut is_ours = false;
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if let Some((start, end)) = first.split_once('-') {
                let number = |text| usize::from_str_radix(text, 16).expect("an address");
                is_ours = words.count() == 4;
                if is_ours {
                    memory.0 += 1;
                    memory.1 += number(end) - number(start);
                }
            } else if is_ours && first == "Rss:" {
                let kib = words.next().expect("a number of KiB");
                memory.2 += kib.parse::<usize>().expect("a number of KiB");
            }
        }
        memory
    }

    fn run_all() {
        for fault in single_faults().filter(|fault| fault.call != Call::Release) {
            for kind in kinds() {
                faults::plan(&[fault]);
                drop(use_all(kind));
            }
        }
        faults::plan(&[]);
    }

    #[test]
    fn nothing_is_mapped_that_was_not_before() {
        if env::var_os(CHILD).is_some() {
            run_all();
            let before = anonymous_memory();
            run_all();
            let after = anonymous_memory();
            assert_eq!(
                (before.0, before.1),
                (after.0, after.1),
                "mappings and bytes"
            );
            assert!(
                after.2 <= before.2 + 256,
                "resident: {before:?}, {after:?} KiB"
            );
            return;
        }
        if env::var_os("DTACT_EMULATED").is_some() || cfg!(any(dtact_asan, dtact_tsan)) {
            println!("SKIPPED: the mappings of an emulator or a sanitizer are its own");
            return;
        }
        let name = "stack_pool::fault_tests::leaks::nothing_is_mapped_that_was_not_before";
        let child = Command::new(env::current_exe().expect("the test has a path"))
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .expect("the child starts");
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
}
