//! The fiber that a worker runs, where the worker finds it, and the message about an overflow.

#![allow(unsafe_code, reason = "vouches for what a signal handler calls")]

use dtact_arena::{
    CellIndex,
    overflow::{Note, Occupant, OccupantKind},
};

use crate::{
    fiber_ref::FiberRef,
    registry::{RUNTIMES, Slot},
};

/// The fiber whose poll is under way, in the one word that the handler of overflows reads.
#[derive(Debug)]
pub(crate) struct RunningFiber(Occupant);

static FIBER: OccupantKind = {
    let kind = OccupantKind::new("fiber", "`spawn_with_stack` or `Builder::stack`");
    // SAFETY: it takes numbers apart and writes them down, and looks for a name by loads and by the
    // two counts of a pin: no lock, no allocation, no panic.
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

/// Writes the name of a fiber as dumps do. It runs in a signal handler, on the thread that runs the
/// fiber: that is one of its runtime's workers, or was while the fiber blocks, so the runtime is
/// there, and the fiber has not ended.
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
    push_name(fiber, note);
}

/// The name that it was given, if any.
fn push_name(fiber: FiberRef, note: &mut Note) {
    let runtime = RUNTIMES.get(usize::from(fiber.runtime()));
    let Some(shared) = runtime.and_then(Slot::pin) else {
        return;
    };
    let Some(index) = CellIndex::from_raw(fiber.cell_raw()) else {
        return;
    };
    let Some(cell) = shared.cell(fiber.cell_raw()) else {
        return;
    };
    let name = shared.extras.name(index, cell.header(), fiber.generation());
    if let Some(name) = name {
        note.push_str(" ");
        note.push_name(name);
    }
}
