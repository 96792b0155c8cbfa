//! Models of the mail: nothing is lost when a sender rings while the receiver answers.

use std::sync::Arc;

use loom::thread;

use super::{assert_each_once, check, task};
use crate::{
    seat::Seat,
    task::{ArrayLinks, TaskIndex, WorkerId},
};

fn collect(seat: &Seat, links: &ArrayLinks) -> Vec<TaskIndex> {
    let pinned = crate::pinned::Pinned::default();
    if seat.has_mail() {
        seat.collect(links, &pinned);
    }
    core::iter::from_fn(|| pinned.pop(links)).collect()
}

#[test]
fn a_mailbox_that_is_emptied_while_it_is_rung_loses_nothing() {
    check(|| {
        let seat = Arc::new(Seat::new(1));
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
        let seat = Arc::new(Seat::new(0));
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
