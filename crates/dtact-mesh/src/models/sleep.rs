//! Models of sleep: whoever goes to sleep beside work is woken. A lost wake-up is a deadlock, which
//! loom reports. The mistakes planted into the bare protocol show that the models see one.

use std::sync::Arc;

use loom::thread;

use super::{check, check_bound, mesh, task};
use crate::{
    ArrayLinks, Link, Parked, TaskIndex, Worker, WorkerId,
    park::{EventCount, Planted, Unlisted, Wake},
    sync::Ordering,
};

/// Asks and sleeps until there is a task, or the mesh is closed.
fn wait_for_task(worker: &Worker<ArrayLinks>) -> Option<TaskIndex> {
    loop {
        if let Some(task) = worker.next() {
            return Some(task);
        }
        if worker.park() == Parked::Closed {
            return worker.next();
        }
    }
}

#[test]
fn a_task_pushed_while_a_worker_parks_is_taken() {
    check(|| {
        let (_mesh, mut workers) = mesh(2, 2, Planted::Nothing);
        let sleeper = workers.pop().expect("two workers");
        let sleeper = thread::spawn(move || wait_for_task(&sleeper));
        workers[0].push(task(0));
        assert_eq!(sleeper.join().expect("the sleeper ends"), Some(task(0)));
    });
}

/// The bare protocol, *announce* against *list* and *look*, with one word as the work.
fn announce_against_list(mistake: Planted) {
    check(move || {
        let mut event_count = EventCount::new(1);
        event_count.plant(mistake);
        let shared = Arc::new((event_count, Link::new(0)));
        let sleeper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (event_count, work) = &*shared;
                event_count.list(WorkerId::from_raw(0));
                let sees = event_count.rechecks() && work.load(Ordering::Relaxed) == 1;
                !sees
            })
        };
        let (event_count, work) = &*shared;
        work.store(1, Ordering::Relaxed);
        event_count.fence();
        let wakes = event_count.wants_waking() && event_count.claim().is_some();
        let sleeps = sleeper.join().expect("the sleeper ends");
        assert!(!sleeps || wakes, "a worker sleeps beside work");
    });
}

#[test]
fn who_sleeps_beside_work_is_woken() {
    announce_against_list(Planted::Nothing);
}

#[test]
#[should_panic(expected = "sleeps beside work")]
fn without_the_fences_a_worker_sleeps_beside_work() {
    announce_against_list(Planted::NoFence);
}

#[test]
#[should_panic(expected = "sleeps beside work")]
fn without_the_second_look_a_worker_sleeps_beside_work() {
    announce_against_list(Planted::NoRecheck);
}

#[test]
fn a_task_injected_while_a_worker_parks_is_taken() {
    check(|| {
        let (mesh, mut workers) = mesh(1, 1, Planted::Nothing);
        let sleeper = workers.pop().expect("one worker");
        let sleeper = thread::spawn(move || wait_for_task(&sleeper));
        mesh.inject(task(0));
        assert_eq!(sleeper.join().expect("the sleeper ends"), Some(task(0)));
    });
}

/// The model has no clock: each deadline has come when it is asked for.
#[test]
fn a_task_injected_while_a_deadline_comes_is_taken() {
    check(|| {
        let (mesh, mut workers) = mesh(1, 1, Planted::Nothing);
        let sleeper = workers.pop().expect("one worker");
        let sleeper = thread::spawn(move || {
            let _why = sleeper.park_until(std::time::Instant::now());
            wait_for_task(&sleeper)
        });
        mesh.inject(task(0));
        assert_eq!(sleeper.join().expect("the sleeper ends"), Some(task(0)));
    });
}

#[test]
fn a_pinned_task_sent_while_a_worker_parks_is_taken() {
    check(|| {
        let (_mesh, mut workers) = mesh(2, 2, Planted::Nothing);
        let sleeper = workers.pop().expect("two workers");
        let sleeper = thread::spawn(move || wait_for_task(&sleeper));
        workers[0].send_pinned(WorkerId::from_raw(1), task(0));
        assert_eq!(sleeper.join().expect("the sleeper ends"), Some(task(0)));
    });
}

/// A producer's claim meets mail that wakes the same worker: neither task may be lost.
#[test]
fn claim_and_mail_at_once_lose_nothing() {
    check(|| {
        let (mesh, mut workers) = mesh(1, 1, Planted::Nothing);
        let sleeper = workers.pop().expect("one worker");
        let sleeper = thread::spawn(move || {
            let first = wait_for_task(&sleeper);
            let second = wait_for_task(&sleeper);
            super::assert_each_once(first.into_iter().chain(second).collect(), 2);
        });
        mesh.inject(task(0));
        mesh.inject_pinned(WorkerId::from_raw(0), task(1));
        sleeper.join().expect("the sleeper ends");
    });
}

#[test]
fn closing_while_a_worker_parks_wakes_it() {
    check(|| {
        let (mesh, mut workers) = mesh(1, 1, Planted::Nothing);
        let sleeper = workers.pop().expect("one worker");
        let sleeper = thread::spawn(move || wait_for_task(&sleeper));
        mesh.close();
        assert_eq!(sleeper.join().expect("the sleeper ends"), None);
    });
}

/// One worker comes off the list by itself while a producer claims it or another: the counts and
/// the set agree afterwards (`[park.I1]`), and the other is still there to be woken.
#[test]
fn cancel_against_claim_keeps_the_counts() {
    check(|| {
        let [a, b] = [0, 1].map(WorkerId::from_raw);
        let event_count = EventCount::new(2);
        event_count.list(b);
        let event_count = Arc::new(event_count);
        let canceller = {
            let event_count = Arc::clone(&event_count);
            thread::spawn(move || {
                event_count.list(a);
                event_count.cancel(a, true)
            })
        };
        let claimed = event_count.claim();
        let unlisted = canceller.join().expect("the canceller ends");
        assert_eq!(unlisted == Unlisted::Claimed, claimed == Some(a));
        assert!(!event_count.is_listed(a));
        assert_eq!(event_count.is_listed(b), claimed != Some(b));
        assert_eq!(event_count.parked(), usize::from(claimed != Some(b)));
        let searching = if claimed == Some(b) { 2 } else { 1 };
        (0..searching).for_each(|_| _ = event_count.stop_searching());
        assert_eq!(event_count.wants_waking(), claimed != Some(b));
    });
}

/// Two workers come off the list by themselves while a producer claims one of them.
#[test]
fn two_cancel_against_one_claim_and_both_end() {
    check(|| {
        let ids = [0, 1].map(WorkerId::from_raw);
        let event_count = EventCount::new(2);
        for id in ids {
            event_count.list(id);
        }
        let shared = Arc::new(event_count);
        let cancellers = ids.map(|id| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.cancel(id, false))
        });
        let claimed = shared.claim();
        for (id, canceller) in ids.into_iter().zip(cancellers) {
            let unlisted = canceller.join().expect("the canceller ends");
            assert_eq!(unlisted == Unlisted::Claimed, claimed == Some(id));
            assert!(!shared.is_listed(id));
        }
        assert_eq!(shared.parked(), 0);
    });
}

/// Two workers go to sleep beside one task: one gets it, and closing reaches the other.
#[test]
fn two_sleepers_and_one_task_end() {
    check_bound(1, || {
        let (mesh, workers) = mesh(2, 2, Planted::Nothing);
        let threads = workers.into_iter().map(|worker| {
            thread::spawn(move || {
                if wait_for_task(&worker).is_some() {
                    worker.mesh().close();
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        mesh.inject(task(0));
        for thread in threads {
            thread.join().expect("the workers end");
        }
    });
}

/// As above with two tasks, where two sleepers may be on their way at a time: both tasks are taken.
#[test]
fn two_sleepers_and_two_tasks_end_where_both_may_be_woken() {
    check_bound(1, || {
        let (mesh, workers) = mesh(2, 2, Planted::Nothing);
        (0..3).for_each(|_| mesh.event_count.judge(Wake::Found));
        let threads = workers.into_iter().map(|worker| {
            thread::spawn(move || {
                let mut taken = Vec::new();
                while let Some(task) = wait_for_task(&worker) {
                    if task.raw() == 1 {
                        worker.mesh().close();
                    }
                    taken.push(task);
                }
                taken
            })
        });
        let threads: Vec<_> = threads.collect();
        mesh.inject(task(0));
        mesh.inject(task(1));
        let taken = threads.into_iter().map(|thread| thread.join());
        let taken = taken.flat_map(|taken| taken.expect("the workers end"));
        super::assert_each_once(taken.collect(), 2);
    });
}

/// Each eight units of credit double how many may search or be on their way to.
#[test]
fn more_may_be_woken_at_a_time_as_wake_ups_pay() {
    check(|| {
        let event_count = EventCount::new(4);
        let list = |id| event_count.list(WorkerId::from_raw(id));
        let judge = |wake, count| (0..count).for_each(|_| event_count.judge(wake));
        (0..4).for_each(list);
        assert!(event_count.claim().is_some());
        assert_eq!(event_count.claim(), None, "one at a time");
        judge(Wake::Found, 3);
        assert!(event_count.claim().is_some(), "two at a time");
        assert_eq!(event_count.claim(), None);
        judge(Wake::Vain, 2);
        _ = event_count.stop_searching();
        assert_eq!(event_count.claim(), None, "one at a time again");
        judge(Wake::Found, 100);
        judge(Wake::Hollow, 4);
        assert_eq!(event_count.claim(), None, "it is not without bounds");
        _ = event_count.stop_searching();
        assert!(event_count.claim().is_some());
    });
}
