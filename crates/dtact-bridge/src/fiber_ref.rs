//! The name of a fiber: runtime, cell and generation in one word.
//!
//! ```text
//!  63                    32 31     24 23                    0
//! ┌────────────────────────┬─────────┬───────────────────────┐
//! │       generation       │ runtime │         cell          │
//! └────────────────────────┴─────────┴───────────────────────┘
//! ```
//!
//! It is an index, never an address: whoever holds one that has gone stale learns so from the
//! generation, and touches nothing. It is what wakers and handles carry, so that cloning and
//! dropping them costs nothing.

use dtact_arena::CellIndex;

/// A fiber that was, or is, alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FiberRef(u64);

const RUNTIME_SHIFT: u32 = 24;
const GENERATION_SHIFT: u32 = 32;
const CELL_MASK: u32 = (1 << RUNTIME_SHIFT) - 1;

#[expect(
    clippy::cast_possible_truncation,
    reason = "each part is cut out of the word on purpose"
)]
impl FiberRef {
    #[inline]
    pub(crate) fn new(runtime: u8, cell: CellIndex, generation: u32) -> Self {
        Self::from_raw(runtime, cell.raw(), generation)
    }

    /// As `new`, of the number of a cell.
    #[inline]
    pub(crate) fn from_raw(runtime: u8, cell: u32, generation: u32) -> Self {
        debug_assert!(cell <= CELL_MASK, "a cell's index has 24 bits");
        Self(
            (u64::from(generation) << GENERATION_SHIFT)
                | (u64::from(runtime) << RUNTIME_SHIFT)
                | u64::from(cell),
        )
    }

    #[inline]
    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline]
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn runtime(self) -> u8 {
        (self.0 >> RUNTIME_SHIFT) as u8
    }

    #[inline]
    pub(crate) const fn cell_raw(self) -> u32 {
        self.0 as u32 & CELL_MASK
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::FiberRef;
    use dtact_arena::CellIndex;

    #[test]
    fn the_parts_of_a_name_come_back() {
        for (runtime, cell, generation) in [(0, 0, 0), (255, 0xdf_ffff, u32::MAX), (7, 12_345, 9)] {
            let cell = CellIndex::from_raw(cell).expect("the cell of a class");
            let name = FiberRef::new(runtime, cell, generation);
            assert_eq!(name.runtime(), runtime);
            assert_eq!(name.cell_raw(), cell.raw());
            assert_eq!(name.generation(), generation);
            assert_eq!(FiberRef::from_word(name.word()), name);
        }
    }
}
