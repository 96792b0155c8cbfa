//! The fiber that a worker runs, where the worker finds it, and the message about an overflow.

#![allow(unsafe_code, reason = "vouches for what a signal handler calls")]

use dtact_arena::{
    CellIndex,
    overflow::{Note, Occupant, OccupantKind},
};

use crate::fiber_ref::FiberRef;

/// The fiber whose poll is under way, in the one word that the handler of overflows reads.
#[derive(Debug)]
pub(crate) struct RunningFiber(Occupant);

static FIBER: OccupantKind = {
    let kind = OccupantKind::new("fiber", "`spawn_with_stack` or `Builder::stack`");
    // SAFETY: it takes numbers apart and writes them down, nothing else.
    unsafe { kind.with_id(write_id) }
};

// No name is that of nobody: no cell has an index of ones alone.
const _: () = assert!(CellIndex::from_raw(u32::MAX >> 8).is_none());

impl RunningFiber {
    pub(crate) const fn new() -> Self {
        Self(Occupant::new(&FIBER))
    }

    /// The fiber, if one runs.
    #[inline]
    pub(crate) fn get(&self) -> Option<FiberRef> {
        let word = self.0.id();
        (word != Occupant::NOBODY).then(|| FiberRef::from_word(word))
    }

    /// Notes which fiber runs from now on.
    #[inline]
    pub(crate) fn set(&self, fiber: Option<FiberRef>) {
        self.0
            .set_id(fiber.map_or(Occupant::NOBODY, FiberRef::word));
    }

    /// Who the handler is told runs here.
    pub(crate) const fn occupant(&self) -> &Occupant {
        &self.0
    }
}

/// Writes the name of a fiber as dumps do. It runs in a signal handler.
fn write_id(word: u64, note: &mut Note) {
    let fiber = FiberRef::from_word(word);
    if let Some(cell) = CellIndex::from_raw(fiber.cell_raw()) {
        note.push_decimal(cell.class().bytes() as u64);
        note.push_str("/");
        note.push_decimal(u64::from(cell.slot()));
    }
    note.push_str(" generation ");
    note.push_decimal(u64::from(fiber.generation()));
    note.push_str(" of runtime ");
    note.push_decimal(u64::from(fiber.runtime()));
}
