//! Models of the guard: `[guard.I1]`, and what it keeps: each task of slot and chunk is taken once.

use std::sync::Arc;

use loom::{cell::UnsafeCell, thread};

use super::{assert_each_once, check, task};
use crate::{
    guard::Guard,
    private::Private,
    run_queue::{Owner, RunQueue},
    task::Tagged,
    worker::make_next::bring_forward,
};

/// A place that loom watches: two at once in it, of whom one writes, are an error.
struct Watched {
    guard: Guard,
    place: UnsafeCell<u32>,
}

fn touch(place: &UnsafeCell<u32>) {
    // Loom notes the access; there is nothing to write.
    place.with_mut(|_| ());
}

fn owner_against_raider(guard: Guard, owner: impl Fn(&Watched) + Send + Sync + 'static) {
    let watched = Arc::new(Watched {
        guard,
        place: UnsafeCell::new(0),
    });
    let raiders = [0; 1].map(|_| {
        let watched = Arc::clone(&watched);
        thread::spawn(move || {
            let _raid = watched.guard.raid(|| touch(&watched.place));
        })
    });
    owner(&watched);
    for raider in raiders {
        raider.join().expect("the raider ends");
    }
}

fn enter_twice(watched: &Watched) {
    for _ in 0..2 {
        let _inside = watched.guard.enter();
        touch(&watched.place);
    }
}

#[test]
fn owner_and_raider_are_never_inside_at_once() {
    check(|| {
        let guard = Guard::new();
        guard.close();
        owner_against_raider(guard, enter_twice);
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_the_barriers_they_are() {
    check(|| {
        let guard = Guard::without_barriers();
        guard.close();
        owner_against_raider(guard, enter_twice);
    });
}

#[test]
fn an_owner_that_goes_away_and_comes_back_is_never_inside_with_a_raider() {
    check(|| {
        let guard = Guard::new();
        guard.close();
        owner_against_raider(guard, |watched| {
            watched.guard.open();
            watched.guard.close();
            let _inside = watched.guard.enter();
            touch(&watched.place);
        });
    });
}

#[test]
fn two_raiders_and_the_owner_are_never_inside_at_once() {
    check(|| {
        let guard = Guard::new();
        guard.close();
        let watched = Arc::new(Watched {
            guard,
            place: UnsafeCell::new(0),
        });
        let raiders = [0; 2].map(|_| {
            let watched = Arc::clone(&watched);
            thread::spawn(move || {
                let _raid = watched.guard.raid(|| touch(&watched.place));
            })
        });
        {
            let _inside = watched.guard.enter();
            touch(&watched.place);
        }
        for raider in raiders {
            raider.join().expect("the raider ends");
        }
    });
}

#[test]
fn a_raid_of_slot_and_chunk_takes_each_task_once() {
    check(|| {
        let guard = Guard::new();
        guard.close();
        let private = Arc::new(Private::new(guard));
        {
            let _inside = private.guard.enter();
            private.chunk().put(0, 1);
            private.chunk().set_length(1);
        }
        assert_eq!(private.replace_slot(task(0)), None);
        let raider = {
            let private = Arc::clone(&private);
            thread::spawn(move || {
                let mut loot = Vec::new();
                let _raid = private.guard.raid(|| {
                    loot.extend(private.pull_slot());
                    loot.extend(private.chunk().pull().map(Tagged::task));
                });
                loot
            })
        };
        let mut taken: Vec<_> = private.replace_slot(task(2)).into_iter().collect();
        taken.extend(private.pop_chunk().map(Tagged::task));
        taken.extend(private.take_slot());
        taken.extend(raider.join().expect("the raider ends"));
        taken.extend(private.take_slot());
        assert_each_once(taken, 3);
    });
}

#[test]
fn a_task_made_next_beside_a_thief_and_a_raider_is_taken_once_as_all_others_are() {
    check(|| {
        let guard = Guard::new();
        guard.close();
        let private = Arc::new(Private::new(guard));
        let queue = Arc::new(RunQueue::new());
        let owner = Owner::new(Arc::clone(&queue));
        (0..3).for_each(|raw| {
            owner
                .push(Tagged::new(task(raw)))
                .expect("room for so many")
        });
        let raider = {
            let private = Arc::clone(&private);
            thread::spawn(move || {
                let mut loot = Vec::new();
                let _raid = private.guard.raid(|| {
                    loot.extend(private.chunk().pull().map(Tagged::task));
                });
                loot
            })
        };
        let thief = thread::spawn(move || {
            let own = Owner::new(Arc::new(RunQueue::new()));
            let stolen = own.steal(&queue, |_| true).map(|(task, _)| task);
            let more = core::iter::from_fn(|| own.pop_one().map(Tagged::task));
            stolen.into_iter().chain(more).collect::<Vec<_>>()
        });
        let _front = bring_forward(&private, &owner, task(1));
        let chunk = core::iter::from_fn(|| private.pop_chunk().map(Tagged::task));
        let mut taken: Vec<_> = chunk.collect();
        taken.extend(raider.join().expect("the raider ends"));
        taken.extend(thief.join().expect("the thief ends"));
        taken.extend(core::iter::from_fn(|| owner.pop_one().map(Tagged::task)));
        taken.extend(core::iter::from_fn(|| {
            private.pop_chunk().map(Tagged::task)
        }));
        assert_each_once(taken, 3);
    });
}
