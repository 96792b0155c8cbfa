//! Replaying a trace against what Dtact guarantees.
//!
//! Each fiber's events are followed through the states below. What does not fit is a [`Violation`].
//!
//! ```text
//!   Spawn            Poll, Resume              Finish
//!   ─────▶ queued ──────────────▶ running ──────────────▶ ended
//!            ▲  ▲     Requeue      │   │
//!            │  └──────────────────┤   │ Park, Suspend
//!            │     SuspendQueued   ┘   ▼
//!            └───────────────────── parked
//!                Wake(Queued), Cancel(Queued)
//! ```
//!
//! # Noted wakes
//!
//! A wake that finds its fiber held leaves a note, which keeps the fiber from parking. Such a wake
//! happened at some time in an interval. If all of the interval lies after the last poll began and
//! before the fiber parked, the note was there, and parking over it loses the wake.

use core::{fmt, time::Duration};
use std::collections::BTreeMap;

use crate::{
    FiberId,
    trace::{Effect, Event, EventKind, Trace},
};

#[cfg(test)]
mod tests;

/// What must hold. The names G1 to G10 are those of `docs/guarantees.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A wake leads to a poll (G1): a fiber parked although it had been woken, or stayed in a queue
    /// for ever.
    LostWake,
    /// A wake is stale only if the fiber has ended (G1).
    StaleBeforeEnd,
    /// One holder at a time runs a fiber (G2): it was taken, or taken hold of, while it ran or was
    /// queued.
    TwoHolders,
    /// A fiber is run only after something has put it into a queue (G2).
    NotQueued,
    /// A wake of a fiber that has ended does nothing (G3).
    StaleWakeActs,
    /// A suspended fiber goes on where it was suspended (G4).
    ResumedElsewhere,
    /// A fiber that has ended does nothing any more (G10).
    RanAfterEnd,
    /// A fiber ends once (G10).
    EndedTwice,
    /// A fiber that was spawned ends, by the end of its runtime at the latest (G5, G9).
    NeverEnded,
    /// A name is given once.
    SpawnedTwice,
    /// What a fiber does, it does where it runs.
    OutOfOrder,
}

/// Something that must not be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// What does not hold.
    pub rule: Rule,
    /// Of which fiber.
    pub fiber: FiberId,
    /// What the fiber did until then: the last few events, the one that shows it at the end.
    pub history: Vec<Event>,
}

/// What [`check`] found, and what it could not look at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Fibers of which something was checked.
    pub fibers: usize,
    /// Those among them whose beginning is lost: of them less is known at first.
    pub fibers_begun_before: usize,
    /// Events that were not looked at: before them, or after them, others are missing.
    pub events_unchecked: usize,
}

/// How much of a fiber's life is shown with a violation.
const HISTORY: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What came before is lost.
    Unknown,
    Queued,
    Running(Option<u16>),
    Parked,
    Suspended(Option<u16>),
    /// Suspended, and in a queue.
    Ready(Option<u16>),
    Ended,
}

/// A fiber as far as it was followed.
#[derive(Clone, Copy, Debug)]
struct Life {
    state: State,
    was_spawned: bool,
    /// When the poll under way began, if that was seen.
    poll_began: Option<Duration>,
    /// A noted wake that came after that, for certain: when it was over.
    noted: Option<Duration>,
    /// It is in the queue because it was woken.
    was_woken: bool,
}

/// Checks all that is in the trace against the [rules](Rule).
///
/// Where old events are overwritten, and where the trace was taken while the runtime ran, it checks
/// what lies between [`Trace::from`] and [`Trace::until`], and counts the rest.
#[must_use]
pub fn check(trace: &Trace) -> Report {
    let is_whole = |event: &Event| {
        // Others of the very moment may be missing.
        let is_after = trace.lost() == 0 || event.at > trace.from();
        is_after && (trace.is_complete() || event.at < trace.until())
    };
    let mut by_fiber = BTreeMap::<FiberId, Vec<Event>>::new();
    let mut events_unchecked = 0;
    for event in trace.events() {
        match event.fiber {
            Some(fiber) if is_whole(event) => by_fiber.entry(fiber).or_default().push(*event),
            Some(_) => events_unchecked += 1,
            None => {}
        }
    }
    let mut report = Report {
        violations: Vec::new(),
        fibers: by_fiber.len(),
        fibers_begun_before: 0,
        events_unchecked,
    };
    let mut spawns = BTreeMap::new();
    for (fiber, events) in &mut by_fiber {
        put_ties_in_order(trace, events);
        follow(trace, *fiber, events, &mut report);
        let spawn = events.iter().find(|event| event.kind == EventKind::Spawn);
        if let Some(spawn) = spawn {
            let fibers_of_cell: &mut Vec<_> = spawns.entry(fiber.cell()).or_default();
            fibers_of_cell.push((*fiber, spawn.at));
        }
    }
    for fibers in spawns.values() {
        for pair in fibers.windows(2) {
            // Names are in the order of their generations.
            let [(old, _), (_, next_spawn)] = [pair[0], pair[1]];
            check_stale(old, next_spawn, &by_fiber[&old], &mut report);
        }
    }
    report
}

/// A wake that began after its fiber's cell had been given to the next one does nothing.
fn check_stale(old: FiberId, next_spawn: Duration, events: &[Event], report: &mut Report) {
    for (place, event) in events.iter().enumerate() {
        let (EventKind::Wake(effect) | EventKind::Cancel(effect)) = event.kind else {
            continue;
        };
        if effect == Effect::Noted && event.began_at() > next_spawn {
            report.add(Rule::StaleWakeActs, old, &events[..=place]);
        }
    }
}

/// Among events of one time, of different threads, finds an order that can be. Clocks are coarse
/// on some systems.
fn put_ties_in_order(trace: &Trace, events: &mut [Event]) {
    let mut life = Life::new(trace);
    for place in 0..events.len() {
        let tied = events[place..]
            .iter()
            .take_while(|event| event.at == events[place].at);
        let count = tied.count();
        let fits = (place..place + count).find(|&other| {
            // What the same thread did before comes first.
            let is_first = events[place..other]
                .iter()
                .all(|event| event.worker != events[other].worker);
            is_first && life.clone_after(&events[other]).is_ok()
        });
        if let Some(other) = fits {
            events[place..=other].rotate_right(1);
        }
        let _: Option<Rule> = life.step(&events[place]);
    }
}

fn follow(trace: &Trace, fiber: FiberId, events: &[Event], report: &mut Report) {
    let mut life = Life::new(trace);
    for (place, event) in events.iter().enumerate() {
        if let Some(rule) = life.step(event) {
            report.add(rule, fiber, &events[..=place]);
        }
    }
    if !life.was_spawned {
        report.fibers_begun_before += 1;
    }
    if trace.is_complete() && !matches!(life.state, State::Ended | State::Unknown) {
        let is_queued = matches!(life.state, State::Queued | State::Ready(_));
        let rule = if is_queued && life.was_woken {
            Rule::LostWake
        } else {
            Rule::NeverEnded
        };
        report.add(rule, fiber, events);
    }
}

impl Life {
    fn new(trace: &Trace) -> Self {
        Self {
            // Where nothing is lost, a fiber begins by being spawned.
            state: if trace.lost() == 0 {
                State::Ended
            } else {
                State::Unknown
            },
            was_spawned: false,
            poll_began: None,
            noted: None,
            was_woken: false,
        }
    }

    fn clone_after(mut self, event: &Event) -> Result<(), Rule> {
        self.step(event).map_or(Ok(()), Err)
    }

    /// Follows one event. Where it breaks a rule, it is believed all the same.
    fn step(&mut self, event: &Event) -> Option<Rule> {
        let here = event.worker;
        match event.kind {
            EventKind::Spawn => {
                let broken = self.was_spawned.then_some(Rule::SpawnedTwice);
                self.was_spawned = true;
                self.state = State::Queued;
                broken
            }
            EventKind::Wake(effect) | EventKind::Cancel(effect) => self.woken(effect, event),
            EventKind::Poll => self.taken(here, event.at, false),
            EventKind::Resume => self.taken(here, event.at, true),
            EventKind::Again => {
                let broken = self.leaves(here);
                self.begin_poll(here, event.at);
                broken
            }
            EventKind::Requeue => {
                let broken = self.leaves(here);
                self.state = State::Queued;
                // Only a wake that was queued is checked at the end, and so far none was.
                self.was_woken = false;
                broken
            }
            EventKind::Park => self.parks(here, event.at, State::Parked),
            EventKind::Suspend => self.parks(here, event.at, State::Suspended(here)),
            EventKind::SuspendQueued => {
                let broken = self.leaves(here);
                self.state = State::Ready(here);
                self.was_woken = false;
                broken
            }
            EventKind::Finish(_) => {
                let broken = match self.state {
                    State::Ended if self.was_spawned => Some(Rule::EndedTwice),
                    _ => self.leaves(here),
                };
                self.state = State::Ended;
                broken
            }
            EventKind::Sleep | EventKind::Rise => None,
        }
    }

    fn woken(&mut self, effect: Effect, event: &Event) -> Option<Rule> {
        match (effect, self.state) {
            (Effect::Queued, state) => {
                self.state = match state {
                    State::Suspended(worker) => State::Ready(worker),
                    // How it goes on is seen then.
                    State::Unknown => State::Unknown,
                    _ => State::Queued,
                };
                self.was_woken = true;
                match state {
                    State::Parked | State::Suspended(_) | State::Unknown => None,
                    State::Ended => Some(Rule::StaleWakeActs),
                    _ => Some(Rule::TwoHolders),
                }
            }
            (Effect::Noted, State::Running(_)) => {
                if self
                    .poll_began
                    .is_some_and(|began| event.began_at() > began)
                {
                    // The first is the one that is soonest over.
                    self.noted = self.noted.or(Some(event.at));
                }
                None
            }
            (Effect::Stale, State::Ended | State::Unknown) | (Effect::Noted, _) => None,
            (Effect::Stale, _) => Some(Rule::StaleBeforeEnd),
        }
    }

    /// A worker takes it from a queue.
    fn taken(&mut self, here: Option<u16>, at: Duration, is_resumed: bool) -> Option<Rule> {
        let broken = match self.state {
            State::Queued if !is_resumed => None,
            State::Ready(home) if is_resumed && home == here => None,
            State::Unknown => None,
            State::Queued | State::Ready(_) => Some(Rule::ResumedElsewhere),
            State::Running(_) => Some(Rule::TwoHolders),
            State::Parked | State::Suspended(_) => Some(Rule::NotQueued),
            State::Ended => Some(Rule::RanAfterEnd),
        };
        self.begin_poll(here, at);
        broken
    }

    fn begin_poll(&mut self, here: Option<u16>, at: Duration) {
        self.state = State::Running(here);
        self.poll_began = Some(at);
        self.noted = None;
        self.was_woken = false;
    }

    /// It does what only a running fiber does.
    fn leaves(&self, here: Option<u16>) -> Option<Rule> {
        match self.state {
            State::Running(worker) if worker == here => None,
            State::Unknown => None,
            State::Running(_) => Some(Rule::TwoHolders),
            State::Ended => Some(Rule::RanAfterEnd),
            _ => Some(Rule::OutOfOrder),
        }
    }

    fn parks(&mut self, here: Option<u16>, at: Duration, state: State) -> Option<Rule> {
        let is_lost = self.noted.is_some_and(|noted| noted < at);
        let broken = self.leaves(here);
        self.state = state;
        self.poll_began = None;
        self.noted = None;
        broken.or_else(|| is_lost.then_some(Rule::LostWake))
    }
}

impl Report {
    fn add(&mut self, rule: Rule, fiber: FiberId, history: &[Event]) {
        let from = history.len().saturating_sub(HISTORY);
        self.violations.push(Violation {
            rule,
            fiber,
            history: history[from..].to_vec(),
        });
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, fiber {}:", self.rule, self.fiber)?;
        self.history
            .iter()
            .try_for_each(|event| writeln!(f, "  {event}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} violations in {} fibers; the beginning of {} of them and {} events could not be \
             checked",
            self.violations.len(),
            self.fibers,
            self.fibers_begun_before,
            self.events_unchecked
        )?;
        self.violations
            .iter()
            .try_for_each(|violation| violation.fmt(f))
    }
}
