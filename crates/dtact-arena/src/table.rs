//! A lazily committed array of 32-bit atomics, one per slot, all zero at first.
//!
//! What the arena knows about a slot lives in tables beside the slots, never in them: a slot's
//! memory stays untouched until its user touches it, and keeps its content while it is free.
#![allow(unsafe_code, reason = "views mapped memory as atomics")]

use core::array;
#[cfg(not(dtact_loom))]
use core::{num::NonZeroUsize, ptr::NonNull};
#[cfg(not(dtact_loom))]
use std::sync::Arc;

use crate::error::ArenaError;
#[cfg(not(dtact_loom))]
use crate::region::Region;
use crate::sync::AtomicU32;

/// Tables begin in lines of their own.
#[cfg(not(dtact_loom))]
const ALIGN: usize = 128;

/// One atomic word per slot.
///
/// A table of a million words that are never looked at costs address space only.
#[cfg(not(dtact_loom))]
#[derive(Debug)]
pub(crate) struct Table {
    /// `len` words of the region, used through [`Table::word`] alone.
    words: NonNull<AtomicU32>,
    len: u32,
    /// Where several tables lie, each with words of its own.
    _region: Arc<Region>,
}

// SAFETY: the words are atomics, which any thread may use, in a region that is kept as long.
#[cfg(not(dtact_loom))]
unsafe impl Send for Table {}
// SAFETY: as for `Send`.
#[cfg(not(dtact_loom))]
unsafe impl Sync for Table {}

#[cfg(not(dtact_loom))]
impl Table {
    /// Tables of so many zeroes each, in one reservation.
    pub(crate) fn try_new<const COUNT: usize>(
        lens: [u32; COUNT],
    ) -> Result<[Self; COUNT], ArenaError> {
        let mut bytes = 0;
        // 2^32 words of 4 bytes fit any 64-bit address space many times.
        let offsets = lens.map(|len| {
            let offset = bytes;
            bytes += (len as usize * size_of::<AtomicU32>()).next_multiple_of(ALIGN);
            offset
        });
        let bytes = NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN);
        let region = Arc::new(Region::try_new(bytes)?);
        Ok(array::from_fn(|place| {
            // SAFETY: the region reaches at least to the end of this table [arena.I1].
            let words = unsafe { region.bottom().add(offsets[place]) };
            Self {
                words: words.cast(),
                len: lens[place],
                _region: Arc::clone(&region),
            }
        }))
    }

    /// The word of slot `index`.
    ///
    /// # Panics
    ///
    /// When `index` is not below the length.
    #[inline]
    pub(crate) fn word(&self, index: u32) -> &AtomicU32 {
        assert!(
            index < self.len,
            "slot {index} is not below the capacity of {}",
            self.len
        );
        // SAFETY: `index < len`, and from there on the region holds `len` words [arena.I1].
        let word = unsafe { self.words.add(index as usize) };
        // SAFETY: mapped for as long as `self`, page-aligned plus a multiple of 4; zero, and so a
        // valid word, until written; touched only as an atomic, by this function [arena.I1].
        unsafe { word.as_ref() }
    }

    /// The number of words.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

/// One atomic word per slot, in words that the model checker follows.
#[cfg(dtact_loom)]
#[derive(Debug)]
pub(crate) struct Table(Box<[AtomicU32]>);

#[cfg(dtact_loom)]
impl Table {
    /// Tables of so many zeroes each.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "has the shape of the mapped table"
    )]
    pub(crate) fn try_new<const COUNT: usize>(
        lens: [u32; COUNT],
    ) -> Result<[Self; COUNT], ArenaError> {
        Ok(array::from_fn(|place| {
            Self((0..lens[place]).map(|_| AtomicU32::new(0)).collect())
        }))
    }

    /// The word of slot `index`.
    pub(crate) fn word(&self, index: u32) -> &AtomicU32 {
        &self.0[index as usize]
    }

    /// The number of words.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.0.len()).expect("a table is made with a 32-bit length")
    }
}
