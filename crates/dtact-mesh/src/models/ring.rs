//! Models of the ring: `[ring.I3]`, each task is taken once, whatever push, pop and theft do.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    run_queue::{Owner, RunQueue},
    task::TaskIndex,
};

fn drain(owner: &Owner) -> Vec<TaskIndex> {
    core::iter::from_fn(|| owner.pop()).collect()
}

fn thief(victim: &Arc<RunQueue>) -> thread::JoinHandle<Vec<TaskIndex>> {
    let victim = Arc::clone(victim);
    thread::spawn(move || {
        let own = Owner::new(Arc::new(RunQueue::new()));
        let stolen = own.steal(&victim).map(|(task, _)| task);
        stolen.into_iter().chain(drain(&own)).collect()
    })
}

#[test]
fn push_and_pop_against_a_thief_take_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let owner = Owner::new(Arc::clone(&queue));
        owner.push(task(0)).expect("room for one");
        owner.push(task(1)).expect("room for two");
        let thief = thief(&queue);
        owner.push(task(2)).expect("room for three");
        let mut taken = drain(&owner);
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 3);
    });
}

#[test]
fn slots_in_use_again_are_not_mistaken_by_a_slow_thief() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let owner = Owner::new(Arc::clone(&queue));
        (0..4).for_each(|raw| owner.push(task(raw)).expect("room for four"));
        assert_eq!(owner.push(task(4)), Err(task(4)));
        let thief = thief(&queue);
        let mut taken: Vec<_> = owner.pop().into_iter().collect();
        // At least one slot is free by now: it is written again under the thief's eyes.
        owner.push(task(4)).expect("room for one more");
        taken.extend(drain(&owner));
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 5);
    });
}

#[test]
fn two_thieves_and_the_owner_take_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let owner = Owner::new(Arc::clone(&queue));
        (0..3).for_each(|raw| owner.push(task(raw)).expect("room for three"));
        let thieves = [thief(&queue), thief(&queue)];
        let mut taken: Vec<_> = owner.pop().into_iter().collect();
        for thief in thieves {
            taken.extend(thief.join().expect("the thief ends"));
        }
        taken.extend(drain(&owner));
        assert_each_once(taken, 3);
    });
}

#[test]
fn overflow_against_a_thief_takes_each_task_once() {
    check(|| {
        let queue = Arc::new(RunQueue::new());
        let owner = Owner::new(Arc::clone(&queue));
        (0..4).for_each(|raw| owner.push(task(raw)).expect("room for four"));
        let thief = thief(&queue);
        let mut half = [0; 2];
        let count = owner.take_half(&mut half);
        let mut taken: Vec<_> = half[..count].iter().map(|&raw| task(raw)).collect();
        taken.extend(drain(&owner));
        taken.extend(thief.join().expect("the thief ends"));
        assert_each_once(taken, 4);
    });
}
