//! Loom models of the protocols of this crate: the state word of a fiber, the registry of
//! runtimes, the gate that a shutdown closes, the fibers that wait for a stack, timers, and the
//! names of fibers. They run the code itself, on loom's atomics.

#![allow(
    unsafe_code,
    reason = "loom's cells are read and written through pointers"
)]

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
    },
    thread,
};

use crate::{
    gate::Gate,
    name::Name,
    registry::Slot,
    ring::Ring,
    starved::Starved,
    state::{Claim, Detach, Finish, JoinSlot, Owner, Park, State, Wake},
    timer_entry::{Cancel, Entry, Look},
    timer_stack::{Linked, Stack},
};

/// A fiber as far as the state word knows it.
struct Fiber {
    state: State,
    generation: u32,
    /// What a waker writes before it wakes: the event that the fiber waits for.
    event: AtomicBool,
    /// What only the holder touches [bridge.S1].
    body: UnsafeCell<u32>,
    /// What passes from the fiber to the handle [bridge.S2].
    outcome: UnsafeCell<u32>,
    /// What passes to and fro between the two [bridge.S3].
    join_slot: UnsafeCell<u32>,
}

// SAFETY: the state word decides who touches the cells; loom reports it where two do at once.
unsafe impl Send for Fiber {}
// SAFETY: as above.
unsafe impl Sync for Fiber {}

impl Fiber {
    fn new() -> Arc<Self> {
        let state = State::new();
        let generation = state.begin(1, Owner::Handle);
        Arc::new(Self {
            state,
            generation,
            event: AtomicBool::new(false),
            body: UnsafeCell::new(0),
            outcome: UnsafeCell::new(0),
            join_slot: UnsafeCell::new(0),
        })
    }

    /// What a holder does: polls until the fiber is parked. Returns whether the last poll saw the
    /// event.
    fn poll_until_parked(&self) -> (bool, Park) {
        loop {
            let is_cancelled = self.state.begin_poll().is_none();
            // SAFETY: the caller holds the fiber; loom checks that nobody else does.
            self.body.with_mut(|body| unsafe { *body += 1 });
            let seen = self.event.load(Ordering::Relaxed);
            if is_cancelled {
                return (seen, Park::Cancelled);
            }
            match self.state.park() {
                Park::Notified => {}
                outcome => return (seen, outcome),
            }
        }
    }

    fn write(cell: &UnsafeCell<u32>, value: u32) {
        // SAFETY: the caller owns the cell; loom checks that nobody else does.
        cell.with_mut(|cell| unsafe { *cell = value });
    }

    fn read(cell: &UnsafeCell<u32>) -> u32 {
        // SAFETY: the caller owns the cell; loom checks that nobody writes it.
        cell.with(|cell| unsafe { *cell })
    }
}

fn wake_with_event(fiber: &Fiber) -> Wake {
    fiber.event.store(true, Ordering::Relaxed);
    fiber.state.wake(fiber.generation)
}

#[test]
fn a_wake_while_the_fiber_is_borrowed_leads_to_a_poll_that_sees_what_came_before_it() {
    loom::model(|| {
        let fiber = Fiber::new();
        let _parked = fiber.poll_until_parked();
        let waker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || match wake_with_event(&fiber) {
                Wake::Schedule => assert!(fiber.poll_until_parked().0, "the event was missed"),
                Wake::Nothing => {}
                Wake::Gone => unreachable!("the fiber does not end here"),
            })
        };
        if fiber.state.borrow(fiber.generation) {
            // What was written on the stack before it was parked.
            assert!(Fiber::read(&fiber.body) > 0);
            if fiber.state.put_back() == Wake::Schedule {
                assert!(fiber.poll_until_parked().0, "the event was missed");
            }
        }
        waker.join().expect("the waker's assertions hold");
        assert!(fiber.event.load(Ordering::Relaxed));
        assert_eq!(Fiber::read(&fiber.body), 2, "polled once for the wake");
        assert!(!fiber.state.borrow(fiber.generation + 1), "another's");
    });
}

#[test]
fn a_wake_leads_to_a_poll_that_sees_what_came_before_it() {
    loom::model(|| {
        let fiber = Fiber::new();
        let waker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || match wake_with_event(&fiber) {
                // The waker is the holder now, and polls.
                Wake::Schedule => assert!(fiber.poll_until_parked().0, "the event was missed"),
                Wake::Nothing => {}
                Wake::Gone => unreachable!("the fiber does not end here"),
            })
        };
        let _parked = fiber.poll_until_parked();
        waker.join().expect("the waker's assertions hold");
        // Whoever polled last saw the event: a further poll is not owed to anybody.
        assert_ne!(
            fiber.state.wake(fiber.generation),
            Wake::Nothing,
            "the fiber is parked"
        );
    });
}

#[test]
fn of_two_wakers_one_takes_hold() {
    loom::model(|| {
        let fiber = Fiber::new();
        assert_eq!(fiber.state.park(), Park::Parked);
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let fiber = Arc::clone(&fiber);
                thread::spawn(move || match wake_with_event(&fiber) {
                    Wake::Schedule => {
                        assert!(fiber.poll_until_parked().0);
                        1
                    }
                    Wake::Nothing => 0,
                    Wake::Gone => unreachable!("the fiber does not end here"),
                })
            })
            .collect();
        let held: u32 = wakers
            .into_iter()
            .map(|waker| waker.join().expect("it holds"))
            .sum();
        assert!(held >= 1);
    });
}

#[test]
fn a_second_wake_while_notified_is_seen_as_well() {
    loom::model(|| {
        let fiber = Fiber::new();
        let second = Arc::new(AtomicBool::new(false));
        assert_eq!(fiber.state.wake(fiber.generation), Wake::Nothing);
        let waker = {
            let (fiber, second) = (Arc::clone(&fiber), Arc::clone(&second));
            thread::spawn(move || {
                second.store(true, Ordering::Relaxed);
                fiber.state.wake(fiber.generation)
            })
        };
        let mut seen = false;
        loop {
            assert!(fiber.state.begin_poll().is_some());
            seen |= second.load(Ordering::Relaxed);
            if fiber.state.park() == Park::Parked {
                break;
            }
        }
        let outcome = waker.join().expect("it does not panic");
        assert!(
            seen || outcome == Wake::Schedule,
            "the second wake was lost"
        );
    });
}

#[test]
fn a_cancelled_fiber_does_not_stay_parked() {
    loom::model(|| {
        let fiber = Fiber::new();
        let canceller = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || {
                if fiber.state.cancel(fiber.generation) == Wake::Schedule {
                    assert_eq!(fiber.poll_until_parked().1, Park::Cancelled);
                    return true;
                }
                false
            })
        };
        let here = fiber.poll_until_parked().1 == Park::Cancelled;
        let there = canceller.join().expect("its assertions hold");
        assert!(
            here ^ there,
            "the cancellation was seen by exactly one holder"
        );
    });
}

/// Ends the fiber as a worker does. Returns how many outcomes it dropped, and wakers it woke.
fn end(fiber: &Fiber) -> (u32, u32) {
    Fiber::write(&fiber.outcome, 42);
    match fiber.state.finish().finish {
        Finish::Joinable => (0, 0),
        Finish::Detached => (Fiber::read(&fiber.outcome) / 42, 0),
        Finish::TakeWaker => {
            assert_eq!(Fiber::read(&fiber.join_slot), 7);
            Fiber::write(&fiber.join_slot, 0);
            let dropped = match fiber.state.finish_taking().finish {
                Finish::Detached => Fiber::read(&fiber.outcome) / 42,
                Finish::Joinable | Finish::TakeWaker => 0,
            };
            (dropped, 1)
        }
    }
}

/// Registers a waker as a handle does. Returns whether the fiber was done.
fn register(fiber: &Fiber) -> bool {
    loop {
        match fiber.state.take_join_slot() {
            (JoinSlot::Done, _) => return true,
            (JoinSlot::Busy, _) => thread::yield_now(),
            (JoinSlot::Mine, _) => {
                Fiber::write(&fiber.join_slot, 7);
                if fiber.state.set_join_waker() {
                    return false;
                }
                Fiber::write(&fiber.join_slot, 0);
                return true;
            }
        }
    }
}

#[test]
fn a_joiner_sees_the_outcome_or_is_woken() {
    loom::model(|| {
        let fiber = Fiber::new();
        let worker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || end(&fiber))
        };
        let mut was_done = register(&fiber);
        if !was_done {
            // Polled again, with another waker.
            was_done = register(&fiber);
        }
        if was_done {
            assert_eq!(Fiber::read(&fiber.outcome), 42);
            // The cell is the handle's now: the next fiber in it may use all of it.
            Fiber::write(&fiber.join_slot, 9);
        }
        let (dropped, woken) = worker.join().expect("its assertions hold");
        assert_eq!(dropped, 0, "the handle is still there");
        assert!(was_done || woken == 1, "the joiner was forgotten");
        assert!(fiber.state.is_done());
    });
}

#[test]
fn who_finds_a_fiber_done_sees_its_outcome() {
    loom::model(|| {
        let fiber = Fiber::new();
        let worker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || end(&fiber))
        };
        while !fiber.state.is_done() {
            thread::yield_now();
        }
        assert_eq!(Fiber::read(&fiber.outcome), 42);
        assert_eq!(worker.join().expect("its assertions hold"), (0, 0));
    });
}

#[test]
fn the_outcome_is_dropped_once_when_the_handle_goes() {
    loom::model(|| {
        let fiber = Fiber::new();
        let worker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || end(&fiber))
        };
        let was_done = register(&fiber);
        if !was_done && let (JoinSlot::Mine, _) = fiber.state.take_join_slot() {
            Fiber::write(&fiber.join_slot, 0);
        }
        let here = match fiber.state.detach() {
            Detach::Drop => Fiber::read(&fiber.outcome) / 42,
            Detach::Detached => 0,
        };
        let (there, _) = worker.join().expect("its assertions hold");
        assert_eq!(here + there, 1);
    });
}

#[test]
fn a_stale_waker_never_touches_the_next_fiber() {
    loom::model(|| {
        let fiber = Fiber::new();
        let stale = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || fiber.state.wake(fiber.generation))
        };
        // The fiber ends, its cell is used again, and the next one parks.
        assert_eq!(fiber.state.detach(), Detach::Detached);
        assert_eq!(fiber.state.finish().finish, Finish::Detached);
        assert!(fiber.state.release());
        let next = fiber.state.begin(1, Owner::Handle);
        assert_eq!(next, fiber.generation + 1);
        assert_eq!(
            fiber.state.park(),
            Park::Parked,
            "the next fiber was woken by a stale waker"
        );
        let outcome = stale.join().expect("it does not panic");
        assert_ne!(outcome, Wake::Schedule);
        assert_eq!(fiber.state.wake(next), Wake::Schedule);
    });
}

/// A fiber that is known by its name.
fn named() -> Arc<Fiber> {
    let state = State::new();
    let generation = state.begin(1, Owner::Name);
    Arc::new(Fiber {
        state,
        generation,
        event: AtomicBool::new(false),
        body: UnsafeCell::new(0),
        outcome: UnsafeCell::new(0),
        join_slot: UnsafeCell::new(0),
    })
}

/// Claims the fiber and looks once; where it has ended, takes the outcome and frees the cell.
/// Returns what became of the claim, and whether it took the outcome.
fn claim_and_look(fiber: &Fiber) -> (Claim, bool) {
    let claim = fiber.state.claim(fiber.generation);
    if claim != Claim::Claimed {
        return (claim, false);
    }
    if register(fiber) {
        assert_eq!(Fiber::read(&fiber.outcome), 42);
        Fiber::write(&fiber.outcome, 0);
        assert!(fiber.state.release());
        return (claim, true);
    }
    fiber.state.give_up_claim();
    (claim, false)
}

#[test]
fn of_those_who_join_by_a_name_one_takes_the_outcome() {
    loom::model(|| {
        let fiber = named();
        let worker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || end(&fiber))
        };
        let other = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || claim_and_look(&fiber))
        };
        let (_, here) = claim_and_look(&fiber);
        let (_, there) = other.join().expect("its assertions hold");
        assert!(!(here && there), "the outcome was taken twice");
        let (dropped, _) = worker.join().expect("its assertions hold");
        assert_eq!(dropped, 0, "whoever has the name may still want it");
        if !(here || there) {
            // It is there for whoever comes later.
            assert_eq!(claim_and_look(&fiber), (Claim::Claimed, true));
        }
        assert_eq!(claim_and_look(&fiber), (Claim::Stale, false));
    });
}

#[test]
fn a_stale_name_never_claims_the_next_fiber() {
    loom::model(|| {
        let fiber = named();
        let stale = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || {
                let claim = fiber.state.claim(fiber.generation);
                let is_known = fiber.state.make_known_by_name(fiber.generation);
                (claim, is_known)
            })
        };
        // One that has been claimed ends and is freed, and the next is claimed by its own name.
        let here = fiber.state.claim(fiber.generation);
        if here == Claim::Claimed {
            assert_eq!(end(&fiber), (0, 0));
            assert!(fiber.state.release());
            let next = fiber.state.begin(1, Owner::Name);
            assert_eq!(fiber.state.claim(next), Claim::Claimed);
            assert_eq!(fiber.state.detach(), Detach::Detached);
            let ended = fiber.state.finish();
            assert_eq!(ended.finish, Finish::Detached);
            assert!(!ended.is_known(), "a stale name made the next fiber known");
        }
        let (there, _) = stale.join().expect("it does not panic");
        let claims = [here, there].map(|claim| u32::from(claim == Claim::Claimed));
        assert_eq!(claims[0] + claims[1], 1);
    });
}

#[test]
fn a_runtime_is_freed_when_nobody_looks_at_it() {
    loom::model(|| {
        let slot = Arc::new(Slot::<UnsafeCell<u32>>::new());
        assert_eq!(slot.claim(), Some(1));
        slot.publish(Box::into_raw(Box::new(UnsafeCell::new(1))));
        let looker = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                if let Some(pin) = slot.pin() {
                    assert_eq!(Fiber::read(&pin), 1, "freed while pinned");
                }
            })
        };
        let runtime = slot.withdraw();
        // SAFETY: it came from `Box::into_raw`, and is withdrawn once.
        let runtime = unsafe { Box::from_raw(runtime) };
        // What freeing would do to whoever still looked.
        Fiber::write(&runtime, 0);
        looker.join().expect("its assertions hold");
        slot.vacate(5);
        assert_eq!(slot.claim(), Some(5));
    });
}

/// A pool of stacks, as a number.
struct Pool(AtomicU32);

impl Pool {
    fn take(&self) -> bool {
        let mut free = self.0.load(Ordering::Relaxed);
        while free > 0 {
            match self
                .0
                .compare_exchange(free, free - 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => free = now,
            }
        }
        false
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_starved_fiber_begins_when_a_stack_is_given_back() {
    loom::model(|| {
        let shared = Arc::new((Pool(AtomicU32::new(0)), Starved::new()));
        let giver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pool, starved) = &*shared;
                pool.give_back();
                starved.is_waiting_after_give_back() && starved.pop().is_some()
            })
        };
        let (pool, starved) = &*shared;
        let task = dtact_mesh::TaskIndex::from_raw(1).expect("a small number");
        let mut begun_here = pool.take();
        if !begun_here {
            starved.add(task);
            begun_here = pool.take() && starved.pop().is_some();
        }
        let begun_there = giver.join().expect("it does not panic");
        assert!(
            begun_here ^ begun_there,
            "it begins once: {begun_here}, {begun_there}"
        );
        assert_eq!(starved.count(), 0);
    });
}

#[test]
fn what_goes_on_inside_of_the_gate_is_over_when_it_is_closed() {
    loom::model(|| {
        let shared = Arc::new((Gate::new(), AtomicU32::new(0)));
        let spawners: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (gate, begun) = &*shared;
                    let inside = gate.enter();
                    if inside.is_some() {
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(inside);
                })
            })
            .collect();
        let (gate, begun) = &*shared;
        gate.close();
        // What the shutdown finds is all there will ever be.
        let found = begun.load(Ordering::Relaxed);
        for spawner in spawners {
            spawner.join().expect("it does not panic");
        }
        assert_eq!(
            begun.load(Ordering::Relaxed),
            found,
            "a fiber began behind the gate"
        );
    });
}

/// A timer as far as its state word knows it. The two cells are what loom watches.
struct ModelTimer {
    entry: Entry,
    link: AtomicPtr<Self>,
    /// 1 while the waker is there.
    waker: UnsafeCell<u32>,
    /// How often it was freed, and so could be armed again.
    freed: UnsafeCell<u32>,
}

// SAFETY: the state word decides who touches the cells; loom reports it where two do at once.
unsafe impl Send for ModelTimer {}
// SAFETY: as above.
unsafe impl Sync for ModelTimer {}

impl Linked for ModelTimer {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

impl ModelTimer {
    fn armed() -> &'static Self {
        let timer = Box::leak(Box::new(Self {
            entry: Entry::new(),
            link: AtomicPtr::new(core::ptr::null_mut()),
            waker: UnsafeCell::new(1),
            freed: UnsafeCell::new(0),
        }));
        timer.entry.arm();
        timer
    }

    fn take_waker(&self) -> u32 {
        // SAFETY: loom reports it where another touches the cell.
        self.waker
            .with_mut(|waker| unsafe { core::mem::take(&mut *waker) })
    }

    fn free(&self) {
        // SAFETY: as above.
        self.freed.with_mut(|freed| unsafe { *freed += 1 });
    }

    fn freed(&self) -> u32 {
        // SAFETY: as above.
        self.freed.with(|freed| unsafe { *freed })
    }
}

#[test]
fn a_timer_that_fires_while_it_is_cancelled_is_woken_or_not_and_freed_once() {
    loom::model(|| {
        let timer = ModelTimer::armed();
        let inbox = Arc::new(Stack::<ModelTimer>::new());
        let handle = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || match timer.entry.cancel() {
                Cancel::Won => {
                    let dropped = timer.take_waker();
                    inbox.push(timer);
                    dropped
                }
                Cancel::Fired => {
                    timer.free();
                    0
                }
                Cancel::Left => 0,
            })
        };
        let mut woken = 0;
        if timer.entry.begin_fire() {
            woken = timer.take_waker();
            if !timer.entry.end_fire() {
                timer.free();
            }
        }
        let dropped = handle.join().expect("its assertions hold");
        inbox.take_all().for_each(ModelTimer::free);
        assert_eq!(woken + dropped, 1, "the waker went to one side");
        assert_eq!(timer.freed(), 1);
    });
}

#[test]
fn a_handle_that_sees_its_timer_fired_may_arm_it_again() {
    loom::model(|| {
        let timer = ModelTimer::armed();
        let owner = thread::spawn(move || {
            assert!(timer.entry.begin_fire(), "nobody cancels it");
            let woken = timer.take_waker();
            assert!(timer.entry.end_fire(), "the handle is there");
            woken
        });
        while timer.entry.look() != Look::Fired {
            thread::yield_now();
        }
        // Free: its waker is the handle's to set.
        assert_eq!(timer.take_waker(), 0);
        assert_eq!(owner.join().expect("its assertions hold"), 1);
    });
}

#[test]
fn all_that_is_pushed_onto_a_stack_is_taken_once() {
    loom::model(|| {
        let stack = Arc::new(Stack::<ModelTimer>::new());
        let others: Vec<_> = (0..2)
            .map(|_| {
                let stack = Arc::clone(&stack);
                thread::spawn(move || {
                    let timer = ModelTimer::armed();
                    timer.free();
                    stack.push(timer);
                })
            })
            .collect();
        let first = stack.take_all().map(ModelTimer::freed).sum::<u32>();
        for other in others {
            other.join().expect("it ends");
        }
        assert!(first == 2 || !stack.is_empty());
        assert_eq!(
            first + stack.take_all().map(ModelTimer::freed).sum::<u32>(),
            2
        );
    });
}

/// Who waits by an id, as `fiber/id.rs` does it, against the end of the fiber.
#[test]
fn who_waits_by_an_id_is_woken_or_sees_the_end() {
    for is_detached in [false, true] {
        loom::model(move || {
            let fiber = Fiber::new();
            // 1 while a waker is there.
            let wakers = Arc::new(loom::sync::Mutex::new(0));
            let waiter = {
                let (fiber, wakers) = (Arc::clone(&fiber), Arc::clone(&wakers));
                thread::spawn(move || {
                    fiber.state.make_known();
                    if is_detached {
                        let _detached: Detach = fiber.state.detach();
                    }
                    let mut wakers = wakers.lock().expect("nobody panics");
                    let is_alive = fiber.state.running_generation() == Some(fiber.generation);
                    *wakers += u32::from(is_alive);
                    is_alive
                })
            };
            let ended = fiber.state.finish();
            if ended.finish == Finish::Detached {
                let _is_usable: bool = fiber.state.release();
            }
            let mut woken = 0;
            if ended.is_known() {
                assert_eq!(ended.generation(), fiber.generation);
                woken = core::mem::take(&mut *wakers.lock().expect("nobody panics"));
            }
            let has_left_one = waiter.join().expect("it ends");
            assert_eq!(u32::from(has_left_one), woken, "a waiter was left behind");
        });
    }
}

/// Who waits by a name, for a fiber that nobody has a handle of, against its end.
#[test]
fn who_waits_by_a_name_is_woken_or_sees_the_end() {
    loom::model(|| {
        let state = State::new();
        let generation = state.begin(1, Owner::Nobody);
        // 1 while a waker is there.
        let shared = Arc::new((state, loom::sync::Mutex::new(0)));
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (state, wakers) = &*shared;
                if !state.make_known_by_name(generation) {
                    return false;
                }
                let mut wakers = wakers.lock().expect("nobody panics");
                let is_alive = state.running_generation() == Some(generation);
                *wakers += u32::from(is_alive);
                is_alive
            })
        };
        let (state, wakers) = &*shared;
        let ended = state.finish();
        assert_eq!(ended.finish, Finish::Detached);
        assert!(state.release());
        let mut woken = 0;
        if ended.is_known() {
            woken = core::mem::take(&mut *wakers.lock().expect("nobody panics"));
        }
        let has_left_one = waiter.join().expect("it ends");
        assert_eq!(u32::from(has_left_one), woken, "a waiter was left behind");
    });
}

/// Reads a name while its fiber ends and the next in its cell gets another.
fn a_name_is_read(asks_again: bool) {
    /// Each address of a part with each length lies inside.
    const TEXT: &str = "the first, and the second name, which is longer";
    const FIRST: &str = TEXT.split_at(9).0;
    const SECOND: &str = TEXT.split_at(15).1.split_at(20).0;
    loom::model(move || {
        let name = Arc::new(Name::new());
        let generation = Arc::new(AtomicU32::new(1));
        name.set(FIRST);
        let next = {
            let (name, generation) = (Arc::clone(&name), Arc::clone(&generation));
            thread::spawn(move || {
                generation.store(2, Ordering::Release);
                name.set(SECOND);
            })
        };
        let is_there = || !asks_again || generation.load(Ordering::Acquire) == 1;
        // SAFETY: the first fiber had its name before the threads began, and ends before the next
        // gets one; what `is_there` does not see stays inside of the text.
        let read = unsafe { name.get(is_there) };
        assert!(
            read.is_none_or(|read| read == FIRST),
            "put together: {read:?}"
        );
        next.join().expect("it ends");
    });
}

#[test]
fn a_name_that_is_read_while_its_fiber_ends_is_whole_or_none() {
    a_name_is_read(true);
}

#[test]
#[should_panic(expected = "put together")]
fn whoever_does_not_ask_again_puts_a_name_together() {
    a_name_is_read(false);
}

#[test]
fn events_that_are_read_while_the_ring_is_overwritten_are_whole() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        ring.push([0; 3]);
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                ring.push([1; 3]);
                ring.push([2; 3]);
            })
        };
        let copied = ring.read();
        for (number, event) in (copied.lost..).zip(copied.events) {
            assert_eq!(event, [number; 3]);
        }
        writer.join().unwrap();
        let copied = ring.read();
        assert_eq!((copied.lost, copied.events), (2, vec![[2; 3]]));
    });
}
