//! A lazily committed array of 32-bit atomics, one per slot, all zero at first.
//!
//! What the arena knows about a slot lives in tables beside the slots, never in them: a slot's
//! memory stays untouched until its user touches it, and keeps its content while it is free.
#![allow(unsafe_code, reason = "views mapped memory as atomics")]

#[cfg(not(dtact_loom))]
use core::num::NonZeroUsize;

use crate::error::ArenaError;
#[cfg(not(dtact_loom))]
use crate::region::Region;
use crate::sync::AtomicU32;

/// One atomic word per slot.
///
/// A table of a million words that are never looked at costs address space only.
#[cfg(not(dtact_loom))]
#[derive(Debug)]
pub(crate) struct Table {
    /// At least `len` words; used through [`Table::word`] alone.
    region: Region,
    len: u32,
}

#[cfg(not(dtact_loom))]
impl Table {
    /// A table of `len` zeroes.
    pub(crate) fn try_new(len: u32) -> Result<Self, ArenaError> {
        // 2^32 words of 4 bytes fit any 64-bit address space.
        let bytes = len as usize * size_of::<AtomicU32>();
        let bytes = NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            region: Region::try_new(bytes)?,
            len,
        })
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
        let words = self.region.bottom().cast::<AtomicU32>();
        // SAFETY: `index < len`, and the region holds `len` words [arena.I1].
        let word = unsafe { words.add(index as usize) };
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
    /// A table of `len` zeroes.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "has the shape of the mapped table"
    )]
    pub(crate) fn try_new(len: u32) -> Result<Self, ArenaError> {
        Ok(Self((0..len).map(|_| AtomicU32::new(0)).collect()))
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
