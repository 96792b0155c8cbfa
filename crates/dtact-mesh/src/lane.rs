//! Owns the names of a worker's rings: one for each priority and, apart, for tasks that may not go
//! everywhere, so that one of these at the head of a ring holds up no thief from afar.

use crate::attributes::Priority;

/// One of a worker's rings.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct Lane(u8);

const CONFINED: u8 = 4;

impl Lane {
    /// How many there are.
    pub(crate) const COUNT: usize = 8;
    /// The one that tasks go to that ask for nothing: most, or all.
    pub(crate) const NORMAL: Self = Self(Priority::Normal as u8);

    pub(crate) const fn new(priority: Priority, is_confined: bool) -> Self {
        Self(priority as u8 | if is_confined { CONFINED } else { 0 })
    }

    /// The most urgent first; of each priority first those that fewer may take.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [7, 3, 6, 2, 5, 1, 4, 0].into_iter().map(Self)
    }

    /// The lane with this [`index`](Self::index).
    #[expect(clippy::cast_possible_truncation, reason = "below 8")]
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(index as u8)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn is_confined(self) -> bool {
        self.0 & CONFINED != 0
    }

    pub(crate) const fn priority(self) -> Priority {
        match self.0 & 3 {
            0 => Priority::Low,
            1 => Priority::Normal,
            2 => Priority::High,
            _ => Priority::Critical,
        }
    }
}
