//! The names of cells: a size class, and a slot in it.

/// The size of a cell, one of [`CellPool::CLASSES`](crate::CellPool::CLASSES).
///
/// ```
/// use dtact_arena::CellPool;
///
/// let class = CellPool::class_for(300).unwrap();
/// assert_eq!((class.index(), class.bytes()), (2, 512));
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct CellClass(
    /// Below [`CLASS_COUNT`] [arena.I6].
    u32,
);

/// The bytes of a cell, by class; multiples of 64, so that every cell starts a cache line. The
/// largest has room for 8 KiB and what its user keeps beside them.
pub(crate) const CLASS_BYTES: [usize; CLASS_COUNT] = [128, 256, 512, 1024, 2048, 4096, 8192 + 128];

/// How many classes there are.
pub(crate) const CLASS_COUNT: usize = 7;

/// The bits of an index that hold the slot.
const SLOT_BITS: u32 = 21;

/// The most slots of one class.
pub(crate) const SLOTS_MAX: u32 = 1 << SLOT_BITS;

impl CellClass {
    /// The smallest class of at least `bytes`; `None` above the largest.
    pub(crate) const fn for_bytes(bytes: usize) -> Option<Self> {
        let mut class = 0;
        while (class as usize) < CLASS_COUNT {
            if bytes <= CLASS_BYTES[class as usize] {
                return Some(Self(class));
            }
            class += 1;
        }
        None
    }

    /// All classes, the smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(CLASS_COUNT)
    }

    /// The bytes of a cell of the class, a multiple of 64.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> usize {
        CLASS_BYTES[self.0 as usize]
    }

    /// The place of the class among all, the smallest first; below 7.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The name of a cell: 24 bits that fit wherever a number fits.
///
/// ```text
///   31      24 23   21 20                    0
///  ┌──────────┬───────┬───────────────────────┐
///  │    0     │ class │ slot                  │
///  └──────────┴───────┴───────────────────────┘
/// ```
///
/// It can be copied, unlike a stack: a name is not the right to use the cell. Whoever took it has
/// that right until they give it back; a generation in the cell tells old names from new ones, and
/// keeping it is the user's job.
///
/// # Invariants
///
/// - [arena.I6] The class bits of a `CellIndex` are below 7, and so is a [`CellClass`]; the
///   bits above the class are 0.
///
/// ```
/// use dtact_arena::CellIndex;
///
/// let index = CellIndex::from_raw((2 << 21) | 5).unwrap();
/// assert_eq!((index.class().bytes(), index.slot()), (512, 5));
/// assert_eq!(CellIndex::from_raw(7 << 21), None, "there are 7 classes");
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
#[repr(transparent)]
pub struct CellIndex(u32);

impl CellIndex {
    /// The name that [`raw`](Self::raw) gave; `None` for a number that names no class.
    ///
    /// Whether a pool has the cell is for the pool to say.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        if ((raw >> SLOT_BITS) as usize) < CLASS_COUNT {
            Some(Self(raw))
        } else {
            None
        }
    }

    /// The name as a number below 2^24.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The size class.
    #[inline]
    #[must_use]
    pub const fn class(self) -> CellClass {
        CellClass(self.0 >> SLOT_BITS)
    }

    /// The slot in its class, below 2^21.
    #[inline]
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0 & (SLOTS_MAX - 1)
    }

    /// The name of a slot, which is below [`SLOTS_MAX`].
    #[inline]
    pub(crate) const fn new(class: CellClass, slot: u32) -> Self {
        debug_assert!(slot < SLOTS_MAX, "a slot has 21 bits");
        Self((class.0 << SLOT_BITS) | slot)
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_index_survives_the_way_through_a_number() {
        for class in CellClass::all() {
            for slot in [0, 1, SLOTS_MAX - 1] {
                let index = CellIndex::new(class, slot);
                assert!(index.raw() < 1 << 24);
                assert_eq!(CellIndex::from_raw(index.raw()), Some(index));
                assert_eq!((index.class(), index.slot()), (class, slot));
            }
        }
    }

    /// [arena.I6]
    #[test]
    fn a_number_that_names_no_class_is_refused() {
        for raw in [7 << 21, (1 << 24) - 1, 1 << 24, u32::MAX] {
            assert_eq!(CellIndex::from_raw(raw), None);
        }
    }

    #[test]
    fn a_class_is_the_smallest_that_fits_and_starts_a_cache_line() {
        assert_eq!(CellClass::for_bytes(0).map(CellClass::bytes), Some(128));
        assert_eq!(CellClass::for_bytes(8321), None);
        for class in CellClass::all() {
            assert_eq!(class.bytes() % 64, 0);
            assert_eq!(CellClass::for_bytes(class.bytes()), Some(class));
            assert_ne!(CellClass::for_bytes(class.bytes() + 1), Some(class));
        }
    }
}
