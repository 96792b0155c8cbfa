//! Models of the shared queues: `[shared.I1]`, what is in a queue is seen, and taken once.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    attributes::Priority,
    shared::Shared,
    striped::Striped,
    task::{ArrayLinks, TaskIndex},
};

/// All that one visit gives, of at most so many.
fn take(shared: &Shared, links: &ArrayLinks, wanted: usize) -> Vec<TaskIndex> {
    let mut tasks = vec![task(0); wanted];
    let taken = shared.take(links, 1, 0, |_| wanted, &mut tasks);
    tasks.truncate(taken.map_or(0, |(count, _)| count));
    tasks
}

fn store(shared: &Shared, links: &ArrayLinks, raws: &[u32]) {
    let mut list = Striped::new();
    raws.iter().for_each(|&raw| list.push(links, task(raw)));
    shared.store(links, Priority::Normal, &list);
}

#[test]
fn two_takers_and_a_producer_of_the_warehouse_take_each_task_once() {
    check(|| {
        let shared = Arc::new(Shared::new(1));
        let links = Arc::new(ArrayLinks::new(4));
        store(&shared, &links, &[0, 1]);
        let taker = {
            let (shared, links) = (Arc::clone(&shared), Arc::clone(&links));
            thread::spawn(move || take(&shared, &links, 1))
        };
        store(&shared, &links, &[2]);
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
