//! Fibers do what they can do, by chance from a seed, with the flight recorder on; then the trace
//! is checked against what is guaranteed.
//!
//! `cargo xtask stress` runs it for longer. Each round has a seed of its own, which is printed with
//! what was found; `DTACT_STRESS_SEED` begins with that one. The schedule of the threads is not the
//! seed's: to see a thing again may take many rounds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "it says what it does")]

mod common;

use std::{
    env, panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{LIMIT, bounded, emulated, stackful};
use dtact::{
    Builder, JoinHandle, Runtime,
    time::sleep,
    trace::{self, EventKind},
    wait, yield_now,
};

/// Numbers by chance (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Where fibers leave their wakers, for others to wake, once or more, early or late.
#[derive(Debug, Default)]
struct Bells(Mutex<Vec<Waker>>);

impl Bells {
    const MANY: usize = 256;

    /// Is pending once, having left its waker.
    async fn hang(&self) {
        let mut was_left = false;
        std::future::poll_fn(|context| {
            if was_left {
                return Poll::Ready(());
            }
            was_left = true;
            self.leave(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn leave(&self, waker: Waker) {
        let mut wakers = self.0.lock().unwrap();
        // Those of fibers that have ended stay, and are woken again and again.
        if wakers.len() == Self::MANY {
            wakers.swap_remove(0).wake();
        }
        wakers.push(waker);
    }

    /// Wakes one of them, and keeps it now and then.
    fn ring(&self, chance: &mut Chance) {
        let mut wakers = self.0.lock().unwrap();
        if wakers.is_empty() {
            return;
        }
        let count = wakers.len() as u64;
        let place = usize::try_from(chance.below(count)).unwrap();
        if chance.below(4) == 0 {
            let waker = wakers[place].clone();
            drop(wakers);
            waker.wake();
        } else {
            let waker = wakers.swap_remove(place);
            drop(wakers);
            waker.wake();
        }
    }
}

/// What the fibers of a round have in common.
#[derive(Debug, Default)]
struct World {
    bells: Bells,
    handles: Mutex<Vec<JoinHandle<()>>>,
    lives: AtomicUsize,
}

impl World {
    /// Begins a fiber of one kind or the other, and keeps its handle, or not.
    fn spawn(self: &Arc<Self>, chance: &mut Chance, depth: u32) {
        if self.lives.fetch_add(1, Ordering::Relaxed) >= 2_000 {
            return;
        }
        let (world, seed) = (Arc::clone(self), Chance(chance.next()));
        let handle = if chance.below(3) == 0 {
            dtact::spawn_with_stack("64K", move || wait(live(world, seed, depth)))
        } else {
            dtact::spawn(live(world, seed, depth))
        };
        if chance.below(3) == 0 {
            self.handles.lock().unwrap().push(handle);
        }
    }

    fn some_handle(&self, chance: &mut Chance) -> Option<JoinHandle<()>> {
        let mut handles = self.handles.lock().unwrap();
        let count = (handles.len() as u64).max(1);
        let place = usize::try_from(chance.below(count)).unwrap();
        (place < handles.len()).then(|| handles.swap_remove(place))
    }
}

/// The life of a fiber.
async fn live(world: Arc<World>, mut chance: Chance, depth: u32) {
    for _ in 0..chance.below(12) {
        match chance.below(15) {
            0..=2 if depth < 4 => world.spawn(&mut chance, depth + 1),
            3..=5 => yield_now().await,
            6 => wait(yield_now()),
            7 => world.bells.hang().await,
            8 => wait(world.bells.hang()),
            9..=10 => world.bells.ring(&mut chance),
            11 => sleep(Duration::from_micros(chance.below(200))).await,
            12 => {
                if let Some(handle) = world.some_handle(&mut chance) {
                    handle.abort();
                    // What comes of it does not matter.
                    drop(handle.await);
                }
            }
            13 => {
                let handle = world.some_handle(&mut chance);
                drop(handle.map(JoinHandle::wait));
            }
            14 if chance.below(8) == 0 => panic::resume_unwind(Box::new("by chance")),
            _ => {}
        }
    }
}

/// One runtime, from its beginning to its end. Returns how many events were checked.
fn round(seed: u64, workers: usize) -> usize {
    let mut chance = Chance(seed);
    let builder = if chance.below(4) == 0 {
        Builder::new()
    } else {
        stackful()
    };
    let runtime = builder
        .workers(workers)
        .fibers(4096)
        .stack("64K")
        .stacks(512)
        .threads_max(workers + 64)
        .flight_recorder(1 << chance.below(14).max(8))
        .build()
        .expect("it starts");
    let world = Arc::new(World::default());
    let roots = chance.below(40);
    runtime.block_on(async {
        for _ in 0..roots {
            world.spawn(&mut chance, 0);
        }
    });
    ring_for_a_while(&world, &mut chance);
    // Of a runtime at work less can be checked, but what can be is right.
    demand_order(&runtime, seed);
    if chance.below(2) == 0 {
        ring_for_a_while(&world, &mut chance);
    }
    let ended = runtime.shutdown(LIMIT);
    assert!(ended.is_ok(), "seed {seed}: {ended:?}\n{}", runtime.dump());
    // They come too late.
    ring_for_a_while(&world, &mut chance);
    let checked = demand_order(&runtime, seed);
    drop(world.handles.lock().unwrap().drain(..));
    checked
}

fn ring_for_a_while(world: &Arc<World>, chance: &mut Chance) {
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut chance = Chance(chance.next());
            scope.spawn(move || {
                for _ in 0..chance.below(300) {
                    world.bells.ring(&mut chance);
                }
            });
        }
    });
}

fn demand_order(runtime: &Runtime, seed: u64) -> usize {
    let trace = runtime.trace().expect("it has a recorder");
    let report = trace::check(&trace);
    assert!(
        report.violations.is_empty(),
        "seed {seed}, complete: {}\n{report}",
        trace.is_complete()
    );
    trace.events().len() - report.events_unchecked
}

fn from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

#[test]
fn what_fibers_do_by_chance_breaks_no_guarantee() {
    bounded(|| {
        let seed = from_env("DTACT_STRESS_SEED").unwrap_or(1);
        let seconds = from_env("DTACT_STRESS_SECONDS");
        let limit = match seconds {
            Some(seconds) => Duration::from_secs(seconds),
            // A second of an emulator is a few rounds; more come from the command.
            None if emulated() || cfg!(miri) => Duration::from_secs(1),
            None => Duration::from_secs(3),
        };
        let workers = from_env("DTACT_STRESS_WORKERS");
        let begin = Instant::now();
        let (mut rounds, mut checked) = (0, 0);
        while rounds == 0 || begin.elapsed() < limit {
            let seed = seed.wrapping_add(rounds);
            let workers = workers.unwrap_or(1 + rounds % 4);
            checked += round(seed, usize::try_from(workers).unwrap());
            rounds += 1;
        }
        println!("{rounds} rounds, {checked} events in order");
    });
}

/// The same events with one left out, or one doubled, are not in order: the check would see it.
#[test]
fn a_trace_with_a_planted_mistake_is_not_in_order() {
    bounded(|| {
        let runtime = stackful().workers(2).stack("64K").flight_recorder(4096);
        let runtime = runtime.build().unwrap();
        runtime
            .spawn(async {
                let other = dtact::spawn(yield_now());
                sleep(Duration::from_micros(50)).await;
                other.await.unwrap();
            })
            .wait()
            .unwrap();
        runtime.shutdown(LIMIT).unwrap();
        let trace = runtime.trace().unwrap();
        assert_eq!(trace.lost(), 0);
        let events = trace.events();
        let replay = |events| {
            let trace = trace::Trace::from_events(events, Duration::ZERO, true);
            trace::check(&trace).violations.len()
        };
        assert_eq!(replay(events.to_vec()), 0);
        for (place, event) in events.iter().enumerate() {
            let changes_hands = matches!(
                event.kind,
                EventKind::Poll | EventKind::Park | EventKind::Finish(_) | EventKind::Spawn
            );
            if changes_hands {
                let mut less = events.to_vec();
                less.remove(place);
                assert_ne!(replay(less), 0, "without {event}\n{trace}");
                let mut more = events.to_vec();
                more.insert(place, *event);
                assert_ne!(replay(more), 0, "with {event} twice\n{trace}");
            }
        }
    });
}
