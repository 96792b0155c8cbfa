//! Models of the shared queues: `[shared.I1]`, what is in a queue is seen, and taken once.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    attributes::Priority,
    shared::Shared,
    task::{ArrayLinks, TaskIndex, next_of, set_next},
};

/// All that one visit gives, of at most so many.
fn take(shared: &Shared, links: &ArrayLinks, wanted: usize) -> Vec<TaskIndex> {
    let Some((first, count, _)) = shared.take(links, 1, 0, |_| wanted) else {
        return Vec::new();
    };
    let mut tasks = vec![first];
    for at in 1..count {
        tasks.extend(next_of(links, tasks[at - 1]));
    }
    tasks
}

#[test]
fn two_takers_and_a_producer_of_the_warehouse_take_each_task_once() {
    check(|| {
        let shared = Arc::new(Shared::new(1));
        let links = Arc::new(ArrayLinks::new(4));
        set_next(&*links, task(0), Some(task(1)));
        set_next(&*links, task(1), None);
        shared.store(&*links, Priority::Normal, (task(0), task(1), 2));
        let taker = {
            let (shared, links) = (Arc::clone(&shared), Arc::clone(&links));
            thread::spawn(move || take(&shared, &links, 1))
        };
        set_next(&*links, task(2), None);
        shared.store(&*links, Priority::Normal, (task(2), task(2), 1));
        let mut taken = take(&shared, &links, 2);
        taken.extend(taker.join().expect("the taker ends"));
        taken.extend(take(&shared, &links, 4));
        assert!(shared.is_empty(), "a bit is left behind");
        assert_each_once(taken, 3);
    });
}

/// The bit is set for as long as there is a task: a taker that empties the queue while another
/// task is put does not clear it.
#[test]
fn a_task_put_while_the_queue_is_emptied_is_seen() {
    check(|| {
        let shared = Arc::new(Shared::new(1));
        let links = Arc::new(ArrayLinks::new(4));
        shared.inject(&*links, Priority::Normal, task(0));
        let taker = {
            let (shared, links) = (Arc::clone(&shared), Arc::clone(&links));
            thread::spawn(move || take(&shared, &links, 1))
        };
        shared.inject(&*links, Priority::Normal, task(1));
        let mut taken = taker.join().expect("the taker ends");
        taken.extend(take(&shared, &links, 4));
        assert_each_once(taken, 2);
    });
}
