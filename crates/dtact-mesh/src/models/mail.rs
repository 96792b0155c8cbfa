//! Models of the mail: nothing is lost when a sender rings while the receiver answers.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    seat::Seat,
    task::{ArrayLinks, Tagged, TaskIndex, WorkerId},
};

fn seat(senders: usize) -> Arc<Seat> {
    let seat = Seat::new(WorkerId::from_raw(9), senders, 75);
    seat.private.guard.close();
    Arc::new(seat)
}

fn collect(seat: &Seat, links: &ArrayLinks) -> Vec<TaskIndex> {
    let (mut pinned, mut movable) = (Vec::new(), Vec::new());
    if seat.has_mail() {
        seat.collect(
            links,
            |task| pinned.push(task),
            |task| movable.push(task.task()),
        );
    }
    pinned.extend(movable);
    pinned
}

/// A parcel is sent while a raider and the receiver both empty the mailbox: each task comes once,
/// and the pinned one to the receiver.
#[test]
fn a_raid_of_the_mail_takes_each_task_once_and_leaves_the_pinned_ones() {
    check(|| {
        let (seat, links) = (seat(1), Arc::new(ArrayLinks::new(4)));
        let from = WorkerId::from_raw(0);
        seat.set_accepts(true);
        seat.send(&*links, from, task(0));
        let raider = {
            let (seat, links) = (Arc::clone(&seat), Arc::clone(&links));
            thread::spawn(move || {
                let mut loot = Vec::new();
                let _raid = seat.private.guard.raid(|| {
                    seat.pull_mail(&*links, |task| {
                        if task.is_pinned() {
                            seat.post(&*links, task.task());
                        } else {
                            loot.push(task.task());
                        }
                    });
                });
                loot
            })
        };
        assert!(seat.deliver(from, [Tagged::new(task(1))].into_iter()));
        let mut got = collect(&seat, &links);
        let loot = raider.join().expect("the raider ends");
        assert!(!loot.contains(&task(0)));
        got.extend(loot);
        got.extend(collect(&seat, &links));
        assert_each_once(got, 2);
    });
}

/// Who sends to a worker that goes away either sees that, or the worker sees the mail.
#[test]
fn a_parcel_for_a_worker_that_goes_away_is_seen_by_one_of_the_two() {
    check(|| {
        let (seat, links) = (seat(1), Arc::new(ArrayLinks::new(4)));
        seat.set_accepts(true);
        let sender = {
            let seat = Arc::clone(&seat);
            thread::spawn(move || {
                seat.deliver(WorkerId::from_raw(0), [Tagged::new(task(0))].into_iter())
            })
        };
        seat.set_accepts(false);
        crate::sync::fence(crate::sync::Ordering::SeqCst);
        let seen = collect(&seat, &links);
        let is_done = sender.join().expect("the sender ends");
        assert!(!is_done || seen == [task(0)], "the parcel is forgotten");
    });
}

#[test]
fn tasks_posted_that_may_move_are_collected() {
    check(|| {
        let (seat, links) = (seat(0), Arc::new(ArrayLinks::new(4)));
        let sender = {
            let (seat, links) = (Arc::clone(&seat), Arc::clone(&links));
            thread::spawn(move || {
                (0..2).for_each(|raw| {
                    let _accepts = seat.post_movable(&*links, task(raw));
                });
            })
        };
        let mut got = collect(&seat, &links);
        sender.join().expect("the sender ends");
        got.extend(collect(&seat, &links));
        assert_each_once(got, 2);
    });
}

#[test]
fn a_mailbox_that_is_emptied_while_it_is_rung_loses_nothing() {
    check(|| {
        let seat = seat(1);
        let links = Arc::new(ArrayLinks::new(4));
        let sender = {
            let (seat, links) = (Arc::clone(&seat), Arc::clone(&links));
            // The third finds the mailbox full, unless the receiver was there before.
            move || (0..3).for_each(|raw| seat.send(&*links, WorkerId::from_raw(0), task(raw)))
        };
        let sender = thread::spawn(sender);
        let mut got = collect(&seat, &links);
        got.extend(collect(&seat, &links));
        sender.join().expect("the sender ends");
        got.extend(collect(&seat, &links));
        assert_each_once(got, 3);
    });
}

#[test]
fn an_inbox_taken_while_it_is_posted_to_keeps_each_senders_order() {
    check(|| {
        let seat = seat(0);
        let links = Arc::new(ArrayLinks::new(4));
        let senders = [0, 2].map(|first| {
            let (seat, links) = (Arc::clone(&seat), Arc::clone(&links));
            thread::spawn(move || {
                seat.post(&*links, task(first));
                seat.post(&*links, task(first + 1));
            })
        });
        let mut got = collect(&seat, &links);
        for sender in senders {
            sender.join().expect("the sender ends");
        }
        got.extend(collect(&seat, &links));
        for first in [0, 2] {
            let at = |raw| got.iter().position(|&got| got == task(raw));
            assert!(at(first) < at(first + 1));
        }
        assert_each_once(got, 4);
    });
}
