//! Models of the ring: `[ring.I3]`, each task is taken once, whatever push, pop and theft do.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    guard::Guard,
    private::Private,
    run_queue::{Owner, RunQueue},
    task::{Tagged, TaskIndex},
};

fn pop(owner: &Owner, private: &Private) -> Option<TaskIndex> {
    let _inside = private.guard.enter();
    let chunk = private.chunk().pull().map(Tagged::task);
    chunk.or_else(|| Some(owner.pop(private.chunk())?.0))
}

fn drain(owner: &Owner, private: &Private) -> Vec<TaskIndex> {
    core::iter::from_fn(|| pop(owner, private)).collect()
}

fn private() -> Private {
    let guard = Guard::new();
    guard.close();
    Private::new(guard)
}

fn push(owner: &Owner, raw: u32) {
    let pushed = owner.push(Tagged::new(task(raw)));
    pushed.expect("room for so many");
}

fn thief(victim: &Arc<RunQueue>) -> thread::JoinHandle<Vec<TaskIndex>> {
    let victim = Arc::clone(victim);
    thread::spawn(move || {
        let own = Owner::new(Arc::new(RunQueue::new()));
        let stolen = own.steal(&victim, |_| true).map(|(task, _)| task);
        stolen.into_iter().chain(drain(&own, &private())).collect()
    })
}

#[test]
fn push_and_pop_against_a_thief_take_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let (owner, private) = (Owner::new(Arc::clone(&queue)), private());
        push(&owner, 0);
        push(&owner, 1);
        let thief = thief(&queue);
        push(&owner, 2);
        let mut taken = drain(&owner, &private);
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 3);
    });
}

#[test]
fn slots_in_use_again_are_not_mistaken_by_a_slow_thief() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let (owner, private) = (Owner::new(Arc::clone(&queue)), private());
        (0..4).for_each(|raw| push(&owner, raw));
        assert!(owner.push(Tagged::new(task(4))).is_err());
        let thief = thief(&queue);
        let mut taken: Vec<_> = pop(&owner, &private).into_iter().collect();
        // At least one slot is free by now: it is written again under the thief's eyes.
        push(&owner, 4);
        taken.extend(drain(&owner, &private));
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 5);
    });
}

#[test]
fn two_thieves_and_the_owner_take_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let (owner, private) = (Owner::new(Arc::clone(&queue)), private());
        (0..3).for_each(|raw| push(&owner, raw));
        let thieves = [thief(&queue), thief(&queue)];
        let mut taken: Vec<_> = pop(&owner, &private).into_iter().collect();
        for thief in thieves {
            taken.extend(thief.join().expect("the thief ends"));
        }
        taken.extend(drain(&owner, &private));
        assert_each_once(taken, 3);
    });
}

#[test]
fn overflow_against_a_thief_takes_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let (owner, private) = (Owner::new(Arc::clone(&queue)), private());
        (0..4).for_each(|raw| push(&owner, raw));
        let thief = thief(&queue);
        let mut half = [0; 2];
        let count = owner.take_half(&mut half);
        let mut taken: Vec<_> = half[..count].iter().map(|&raw| task(raw)).collect();
        taken.extend(drain(&owner, &private));
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 4);
    });
}
