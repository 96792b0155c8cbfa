//! Owns who runs, who is blocked and who waits in reserve: as many run as were asked for, however
//! many of them block.
//!
//! ```text
//!             claim                block
//!    Free ------------> Active -------------> Blocked
//!     | ^  release       |  ^ <-------------     |
//!     | +---- (any) -----+  |     unblock        | (its place is filled by)
//!     |                     |                    |
//!     |  block, of another  |  activate          v
//!     +-----> Reserved -----+<---------- Dormant, else a Free spare
//!                   claim       retire: Active --> Dormant, if too many run
//! ```
//!
//! Invariants, under the lock:
//!
//! - [roster.I1] `active` is the number of seats that are Active or Reserved.
//! - [roster.I2] `dormant` lists exactly the seats that are Dormant.
//!
//! Blocking is rare beside dispatching, so the book is kept under a mutex. `active` is an atomic
//! beside it, for the one question asked at every dispatch: do too many run? Relaxed: whoever acts
//! on the answer asks again under the lock.

#![expect(
    clippy::significant_drop_tightening,
    reason = "the count beside the lock is written under it"
)]

use crossbeam_utils::CachePadded;

use crate::{
    sync::{AtomicUsize, Mutex, Ordering},
    task::WorkerId,
};

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum State {
    Free,
    Reserved,
    Active,
    Blocked,
    Dormant,
}

/// Who fills the place of a worker that blocks.
#[must_use]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Substitute {
    NotNeeded,
    Dormant(WorkerId),
    Reserved(WorkerId),
    Nobody,
}

#[derive(Debug)]
struct Book {
    states: Box<[State]>,
    dormant: Vec<WorkerId>,
}

#[derive(Debug)]
pub(crate) struct Roster {
    workers: usize,
    active: CachePadded<AtomicUsize>,
    book: Mutex<Book>,
}

impl Roster {
    pub(crate) fn new(workers: usize, workers_max: usize) -> Self {
        Self {
            workers,
            active: CachePadded::new(AtomicUsize::new(0)),
            book: Mutex::new(Book {
                states: vec![State::Free; workers_max].into_boxed_slice(),
                dormant: Vec::new(),
            }),
        }
    }

    /// How many run or are parked.
    #[inline]
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_surplus(&self) -> bool {
        self.active() > self.workers
    }

    /// True if nobody had the seat.
    pub(crate) fn claim(&self, id: WorkerId) -> bool {
        let mut book = self.book.lock();
        match book.states[id.index()] {
            State::Free => self.set_active(self.active() + 1),
            State::Reserved => {}
            State::Active | State::Blocked | State::Dormant => return false,
        }
        book.states[id.index()] = State::Active;
        true
    }

    /// The seat is free again, whatever its worker was doing.
    pub(crate) fn release(&self, id: WorkerId) {
        let mut book = self.book.lock();
        self.leave(&mut book, id);
        book.states[id.index()] = State::Free;
    }

    /// A reserved seat is free again. False if it was not reserved.
    pub(crate) fn unreserve(&self, id: WorkerId) -> bool {
        let mut book = self.book.lock();
        if book.states.get(id.index()) != Some(&State::Reserved) {
            return false;
        }
        self.leave(&mut book, id);
        book.states[id.index()] = State::Free;
        true
    }

    /// `id` stops running; someone else may be needed. `None`: it was blocked already.
    pub(crate) fn block(&self, id: WorkerId) -> Option<Substitute> {
        let mut book = self.book.lock();
        if book.states[id.index()] == State::Blocked {
            return None;
        }
        self.leave(&mut book, id);
        book.states[id.index()] = State::Blocked;
        if self.active() >= self.workers {
            return Some(Substitute::NotNeeded);
        }
        if let Some(dormant) = book.dormant.pop() {
            book.states[dormant.index()] = State::Active;
            self.set_active(self.active() + 1);
            return Some(Substitute::Dormant(dormant));
        }
        let free = (self.workers..book.states.len()).find(|&at| book.states[at] == State::Free);
        let Some(free) = free else {
            return Some(Substitute::Nobody);
        };
        book.states[free] = State::Reserved;
        self.set_active(self.active() + 1);
        #[expect(clippy::cast_possible_truncation, reason = "ids are below 1024")]
        let free = WorkerId::from_raw(free as u16);
        Some(Substitute::Reserved(free))
    }

    /// `id` runs again. False: it was not blocked.
    pub(crate) fn unblock(&self, id: WorkerId) -> bool {
        let mut book = self.book.lock();
        if book.states[id.index()] != State::Blocked {
            return false;
        }
        book.states[id.index()] = State::Active;
        self.set_active(self.active() + 1);
        true
    }

    /// Makes `id` dormant if too many run. True if it is dormant now.
    pub(crate) fn retire(&self, id: WorkerId) -> bool {
        let mut book = self.book.lock();
        match book.states[id.index()] {
            State::Dormant => true,
            State::Active if self.is_surplus() => {
                self.leave(&mut book, id);
                book.states[id.index()] = State::Dormant;
                book.dormant.push(id);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_dormant(&self, id: WorkerId) -> bool {
        self.book.lock().states[id.index()] == State::Dormant
    }

    /// A dormant `id` counts as running again, because nobody stays dormant in a closed mesh.
    pub(crate) fn rejoin(&self, id: WorkerId) {
        let mut book = self.book.lock();
        if book.states[id.index()] == State::Dormant {
            self.leave(&mut book, id);
            book.states[id.index()] = State::Active;
            self.set_active(self.active() + 1);
        }
    }

    /// Takes `id` out of the counts of the state that it is in ([roster.I1], [roster.I2]).
    fn leave(&self, book: &mut Book, id: WorkerId) {
        match book.states[id.index()] {
            State::Active | State::Reserved => self.set_active(self.active() - 1),
            State::Dormant => book.dormant.retain(|&other| other != id),
            State::Free | State::Blocked => {}
        }
    }

    /// Under the lock only, so a plain store does.
    fn set_active(&self, active: usize) {
        self.active.store(active, Ordering::Relaxed);
    }
}
