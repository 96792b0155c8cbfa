//! Models of the set of holders: a clear bit hides no task and no mail. Each mistake planted shows
//! that the models see one.

use std::sync::Arc;

use loom::thread;

use super::{check, mesh, task};
use crate::{
    Listed, WorkerId,
    holders::Holders,
    park::{EventCount, Planted},
    run_queue::{Owner, RunQueue},
    task::Tagged,
};

/// A worker pushes into a ring that it had said is empty, while another goes to sleep: the real
/// code, with the mark left out or not.
fn push_against_park(mistake: Planted) {
    check(move || {
        let (_mesh, mut workers) = mesh(2, 2, mistake);
        let sleeper = workers.pop().expect("two workers");
        assert_eq!(workers[0].next(), None);
        let sleeper = thread::spawn(move || {
            loop {
                if let Some(task) = sleeper.next() {
                    return (sleeper, Some(task));
                }
                if sleeper.list() == Listed::Sleeps {
                    return (sleeper, None);
                }
            }
        });
        workers[0].push(task(0));
        let (sleeper, got) = sleeper.join().expect("the sleeper ends");
        let is_woken = got.is_some() || sleeper.unlist().is_some();
        assert!(is_woken, "a worker sleeps beside work");
    });
}

#[test]
fn a_push_into_a_ring_that_was_empty_is_seen_by_who_parks() {
    push_against_park(Planted::Nothing);
}

#[test]
#[should_panic(expected = "sleeps beside work")]
fn without_the_mark_a_worker_sleeps_beside_work() {
    push_against_park(Planted::NoMark);
}

/// Who clears the bit in the bare protocol.
#[derive(Copy, Clone, Eq, PartialEq)]
enum Clears {
    Nobody,
    Thief,
}

/// The bare protocol: its worker has said that it holds something, and pushes one task more, while
/// a thief finds the ring empty and a third goes to sleep.
fn push_against_thief_and_list(clears: Clears) {
    check(move || {
        let id = WorkerId::from_raw(0);
        let holders = Holders::new(1);
        holders.set(id);
        let shared = Arc::new((EventCount::new(1), holders, Arc::new(RunQueue::new())));
        let thief = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (_, holders, ring) = &*shared;
                if holders.is_set(0) && ring.is_empty() && clears == Clears::Thief {
                    holders.clear(id);
                }
            })
        };
        let sleeper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (event_count, holders, ring) = &*shared;
                event_count.list(id);
                !holders.iter().any(|_| !ring.is_empty())
            })
        };
        let (event_count, holders, ring) = &*shared;
        let pushed = Owner::new(Arc::clone(ring)).push(Tagged::new(task(0)));
        pushed.expect("the ring is empty");
        holders.set(id);
        event_count.fence();
        let wakes = event_count.wants_waking() && event_count.claim().is_some();
        thief.join().expect("the thief ends");
        let sleeps = sleeper.join().expect("the sleeper ends");
        assert!(!sleeps || wakes, "a worker sleeps beside work");
    });
}

#[test]
fn a_push_beside_a_bit_that_is_set_is_seen_by_who_parks() {
    push_against_thief_and_list(Clears::Nobody);
}

/// Why only its worker clears a bit.
#[test]
#[should_panic(expected = "sleeps beside work")]
fn if_thieves_cleared_bits_a_worker_would_sleep_beside_work() {
    push_against_thief_and_list(Clears::Thief);
}

/// A worker says that it holds nothing while another sends it a task that may move: the mail is
/// seen by the worker, or a raider is told of it.
fn clear_against_mail(mistake: Planted) {
    check(move || {
        let (mesh, workers) = mesh(2, 2, mistake);
        let to = WorkerId::from_raw(1);
        workers[1].push_woken(task(0));
        assert_eq!(workers[1].next(), Some(task(0)));
        let sender = {
            let mesh = Arc::clone(&mesh);
            thread::spawn(move || {
                let delivered = mesh
                    .seat(to)
                    .deliver(WorkerId::from_raw(0), [Tagged::new(task(1))].into_iter());
                assert!(delivered);
                mesh.holders.set(to);
            })
        };
        workers[1].hold_nothing();
        sender.join().expect("the sender ends");
        assert!(mesh.holders.is_set(1), "raiders are not told of mail");
        assert_eq!(workers[1].next(), Some(task(1)));
    });
}

#[test]
fn mail_that_comes_while_a_bit_is_cleared_is_told() {
    clear_against_mail(Planted::Nothing);
}

#[test]
#[should_panic(expected = "not told")]
fn without_a_look_after_the_clear_mail_is_not_told() {
    clear_against_mail(Planted::NoRecheck);
}
