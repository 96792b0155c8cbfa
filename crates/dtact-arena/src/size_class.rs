//! The sizes that stacks come in.

use core::fmt;

/// The size of a stack: a power of two from 16 KiB to 8 MiB.
///
/// ```
/// use dtact_arena::SizeClass;
///
/// let class = SizeClass::for_bytes(20_000).unwrap();
/// assert_eq!(class.bytes(), 32 * 1024);
/// assert_eq!(SizeClass::for_bytes(usize::MAX), None);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash)]
pub struct SizeClass(
    /// Below [`SizeClass::COUNT`].
    u8,
);

/// The power of two of the smallest class.
const SHIFT_MIN: u8 = 14;
/// The power of two of the largest class.
const SHIFT_MAX: u8 = 23;

impl SizeClass {
    /// How many classes there are.
    pub const COUNT: usize = (SHIFT_MAX - SHIFT_MIN + 1) as usize;

    /// The smallest class, 16 KiB.
    pub const SMALLEST: Self = Self(0);

    /// The largest class, 8 MiB.
    pub const LARGEST: Self = Self(SHIFT_MAX - SHIFT_MIN);

    /// The smallest class of at least `bytes`; `None` above the largest.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the power of a size is below 64"
    )]
    pub const fn for_bytes(bytes: usize) -> Option<Self> {
        if bytes <= Self::SMALLEST.bytes() {
            Some(Self::SMALLEST)
        } else if bytes <= Self::LARGEST.bytes() {
            let shift = bytes.next_power_of_two().trailing_zeros() as u8;
            Some(Self(shift - SHIFT_MIN))
        } else {
            None
        }
    }

    /// The bytes that a stack of the class has at least.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << (self.0 + SHIFT_MIN)
    }

    /// The class of this place, which is below [`SizeClass::COUNT`].
    #[inline]
    pub(crate) const fn of_place(place: u8) -> Self {
        debug_assert!((place as usize) < Self::COUNT, "the place of a class");
        Self(place)
    }

    /// The place of the class among all, the smallest first; below [`SizeClass::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for SizeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SizeClass({} KiB)", self.bytes() / 1024)
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_fits() {
        assert_eq!(SizeClass::for_bytes(0), Some(SizeClass::SMALLEST));
        assert_eq!(SizeClass::LARGEST.index() + 1, SizeClass::COUNT);
        assert_eq!(SizeClass::for_bytes((8 << 20) + 1), None);
        for index in 0..SizeClass::COUNT {
            let bytes = (16 * 1024) << index;
            let class = SizeClass::for_bytes(bytes).expect("one of the classes");
            assert_eq!((class.index(), class.bytes()), (index, bytes));
            assert_eq!(SizeClass::for_bytes(bytes - 1), Some(class));
        }
        assert_eq!(format!("{:?}", SizeClass::LARGEST), "SizeClass(8192 KiB)");
    }
}
