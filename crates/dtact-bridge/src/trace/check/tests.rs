//! A right trace is accepted, and one planted mistake for each rule is found.

use core::time::Duration;

use super::{Rule, check};
use crate::{
    FiberId,
    fiber_ref::FiberRef,
    trace::{
        Effect::{Noted, Queued, Stale},
        End::Value,
        Event,
        EventKind::{self, Again, Finish, Park, Poll, Requeue, Resume, Spawn, Suspend, Wake},
        EventKind::{Cancel, SuspendQueued},
        Trace,
    },
};

/// Where an event happens: on a worker, or elsewhere.
type Place = Option<u16>;
const A: Place = Some(0);
const B: Place = Some(1);
const OUT: Place = None;

fn event(at: u64, worker: Place, generation: u32, kind: EventKind) -> Event {
    Event {
        at: Duration::from_nanos(at),
        took: Some(Duration::from_nanos(3)),
        worker,
        fiber: Some(FiberId::new(FiberRef::from_raw(0, 7, generation))),
        kind,
    }
}

/// Events of one fiber, ten nanoseconds apart.
fn life(kinds: &[(Place, EventKind)]) -> Vec<Event> {
    let numbered = (1..).zip(kinds);
    numbered
        .map(|(number, (place, kind))| event(number * 10, *place, 1, *kind))
        .collect()
}

fn rules_of(trace: &Trace) -> Vec<Rule> {
    let report = check(trace);
    report.violations.iter().map(|found| found.rule).collect()
}

fn rules(kinds: &[(Place, EventKind)]) -> Vec<Rule> {
    rules_of(&Trace::from_events(life(kinds), Duration::ZERO, true))
}

#[test]
fn a_life_in_order_breaks_no_rule() {
    let found = rules(&[
        (OUT, Spawn),
        (B, Poll),
        (B, Park),
        (A, Wake(Queued)),
        (A, Poll),
        (A, Again),
        (B, Wake(Noted)),
        (A, Requeue),
        (B, Poll),
        (B, Suspend),
        (OUT, Wake(Queued)),
        (B, Resume),
        (B, SuspendQueued),
        (B, Resume),
        (OUT, Cancel(Noted)),
        (B, Finish(Value)),
        (OUT, Wake(Stale)),
    ]);
    assert_eq!(found, []);
}

#[test]
fn a_fiber_that_parks_over_a_note_loses_a_wake() {
    let found = rules(&[
        (A, Spawn),
        (A, Poll),
        (B, Wake(Noted)),
        (A, Park),
        (OUT, Cancel(Queued)),
        (A, Poll),
        (A, Finish(Value)),
    ]);
    assert_eq!(found, [Rule::LostWake]);
}

#[test]
fn a_note_that_may_have_come_before_the_poll_or_after_parking_is_no_loss() {
    let at = |at, worker, kind| event(at, worker, 1, kind);
    let mut events = vec![
        at(10, A, Spawn),
        at(20, A, Poll),
        // It began at 19, and the poll may have cleared it.
        at(22, B, Wake(Noted)),
        at(30, A, Park),
        at(40, B, Wake(Queued)),
        at(50, A, Poll),
        // It ended after the stamp of `Park`.
        at(63, B, Wake(Noted)),
        at(62, A, Park),
        at(70, B, Wake(Queued)),
        at(80, A, Poll),
        at(90, A, Finish(Value)),
    ];
    let trace = Trace::from_events(events.clone(), Duration::ZERO, true);
    assert_eq!(rules_of(&trace), []);
    events[7].at = Duration::from_nanos(64);
    events.swap(6, 7);
    let trace = Trace::from_events(events, Duration::ZERO, true);
    assert_eq!(rules_of(&trace), [Rule::LostWake]);
}

#[test]
fn a_woken_fiber_that_stays_queued_lost_its_wake() {
    let found = rules(&[(A, Spawn), (A, Poll), (A, Park), (B, Wake(Queued))]);
    assert_eq!(found, [Rule::LostWake]);
}

#[test]
fn a_wake_is_not_stale_while_its_fiber_lives() {
    let found = rules(&[(A, Spawn), (A, Poll), (B, Wake(Stale)), (A, Finish(Value))]);
    assert_eq!(found, [Rule::StaleBeforeEnd]);
}

#[test]
fn two_workers_that_run_one_fiber_are_found() {
    let found = rules(&[(A, Spawn), (A, Poll), (B, Poll), (B, Finish(Value))]);
    assert_eq!(found, [Rule::TwoHolders]);
    let found = rules(&[(A, Spawn), (B, Wake(Queued)), (A, Poll), (A, Finish(Value))]);
    assert_eq!(found, [Rule::TwoHolders]);
}

#[test]
fn a_fiber_that_runs_without_a_wake_is_found() {
    let found = rules(&[
        (A, Spawn),
        (A, Poll),
        (A, Park),
        (A, Poll),
        (A, Finish(Value)),
    ]);
    assert_eq!(found, [Rule::NotQueued]);
}

#[test]
fn a_stale_wake_that_acts_is_found() {
    let mut kinds = vec![(A, Spawn), (A, Poll), (A, Finish(Value))];
    kinds.push((B, Wake(Queued)));
    let found = rules(&kinds);
    assert_eq!(found, [Rule::StaleWakeActs, Rule::LostWake]);
    let mut events = life(&kinds[..3]);
    events.extend([
        event(40, A, 2, Spawn),
        event(50, B, 1, Wake(Noted)),
        event(60, A, 2, Poll),
        event(70, A, 2, Finish(Value)),
    ]);
    let trace = Trace::from_events(events, Duration::ZERO, true);
    assert_eq!(rules_of(&trace), [Rule::StaleWakeActs]);
}

#[test]
fn a_suspended_fiber_that_goes_on_elsewhere_is_found() {
    let found = rules(&[
        (A, Spawn),
        (A, Poll),
        (A, Suspend),
        (B, Wake(Queued)),
        (B, Resume),
        (B, Finish(Value)),
    ]);
    assert_eq!(found, [Rule::ResumedElsewhere]);
}

#[test]
fn a_fiber_that_runs_after_its_end_is_found() {
    let kinds = [(A, Spawn), (A, Poll), (A, Finish(Value)), (A, Poll)];
    let found = rules(&[&kinds[..], &[(A, Finish(Value))]].concat());
    assert_eq!(found, [Rule::RanAfterEnd]);
}

#[test]
fn a_second_end_and_a_second_beginning_are_found() {
    let kinds = [(A, Spawn), (A, Poll), (A, Finish(Value))];
    let found = rules(&[&kinds[..], &[(A, Finish(Value))]].concat());
    assert_eq!(found, [Rule::EndedTwice]);
    let found = rules(&[&kinds[..], &kinds[..]].concat());
    assert_eq!(found, [Rule::SpawnedTwice]);
}

#[test]
fn a_fiber_that_is_alive_at_the_end_is_found() {
    let kinds = [(A, Spawn), (A, Poll), (A, Park)];
    assert_eq!(rules(&kinds), [Rule::NeverEnded]);
    let live = Trace::from_events(life(&kinds), Duration::ZERO, false);
    assert_eq!(rules_of(&live), [], "it may still end");
}

#[test]
fn what_a_fiber_does_while_it_is_queued_is_out_of_order() {
    let found = rules(&[(A, Spawn), (A, Requeue), (A, Poll), (A, Finish(Value))]);
    assert_eq!(found, [Rule::OutOfOrder]);
}

#[test]
fn where_old_events_are_lost_it_checks_the_rest_and_says_so() {
    let kinds = [
        (A, Park),
        (B, Wake(Queued)),
        (B, Poll),
        (B, Suspend),
        (A, Wake(Queued)),
        (A, Resume),
        (A, Finish(Value)),
    ];
    let from = Duration::from_nanos(15);
    let report = check(&Trace::from_events(life(&kinds), from, true));
    assert_eq!((report.fibers, report.fibers_begun_before), (1, 1));
    assert_eq!(report.events_unchecked, 1);
    let found: Vec<_> = report.violations.iter().map(|found| found.rule).collect();
    assert_eq!(found, [Rule::ResumedElsewhere], "that much can be seen");
}

#[test]
fn events_of_one_time_are_put_in_the_order_that_can_be() {
    let mut events = life(&[
        (B, Poll),
        (A, Spawn),
        (B, Park),
        (A, Wake(Queued)),
        (A, Poll),
        (A, Finish(Value)),
    ]);
    for event in &mut events {
        event.at = Duration::from_nanos(5);
    }
    let trace = Trace::from_events(events, Duration::ZERO, true);
    assert_eq!(rules_of(&trace), []);
}
