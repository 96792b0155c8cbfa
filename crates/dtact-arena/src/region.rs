//! One reservation of address space, from the moment it is mapped to its drop.
//!
//! # Invariants
//!
//! - [arena.I1] From [`Region::try_new`] to the drop of the region, `bottom` is the lowest
//!   address of `bytes` mapped bytes, aligned to a page, that belong to the region alone. A byte
//!   that nobody has written is zero.
#![allow(unsafe_code, reason = "owns mapped memory")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::error::{ArenaError, Errno};
use crate::sys::{OUT_OF_MEMORY, PageRange, Platform, System, Touched};

/// A reservation: address space that commits page by page, as it is touched.
#[derive(Debug)]
pub(crate) struct Region {
    bottom: NonNull<u8>,
    bytes: NonZeroUsize,
}

// SAFETY: the region owns its memory [arena.I1] and reads or writes none of it; what is done with
// the addresses it gives out is for those who dereference them. `bytes` is a number.
unsafe impl Send for Region {}
// SAFETY: as for `Send`; a shared region only computes addresses and makes system calls, which
// any thread may make.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves at least `bytes`, in whole pages, usable at once.
    pub(crate) fn try_new(bytes: NonZeroUsize) -> Result<Self, ArenaError> {
        Self::reserved_by(System::reserve, bytes)
    }

    /// Reserves at least `bytes`, in whole pages; a page is usable after [`Region::commit`].
    pub(crate) fn try_new_uncommitted(bytes: NonZeroUsize) -> Result<Self, ArenaError> {
        Self::reserved_by(System::reserve_uncommitted, bytes)
    }

    fn reserved_by(
        reserve: fn(NonZeroUsize) -> Result<NonNull<u8>, Errno>,
        bytes: NonZeroUsize,
    ) -> Result<Self, ArenaError> {
        let refused = |errno| ArenaError::Os {
            op: "reserving address space",
            errno,
        };
        let bytes = bytes
            .get()
            .checked_next_multiple_of(System::page_bytes())
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| refused(OUT_OF_MEMORY))?;
        let bottom = reserve(bytes).map_err(refused)?;
        Ok(Self { bottom, bytes })
    }

    /// The lowest address.
    #[inline]
    pub(crate) fn bottom(&self) -> NonNull<u8> {
        self.bottom
    }

    /// The bytes reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The address `offset` bytes above the bottom; one past the last byte is allowed.
    #[inline]
    pub(crate) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(
            offset <= self.bytes.get(),
            "an offset lies inside its region"
        );
        // SAFETY: the offset was just checked against the mapped bytes [arena.I1].
        unsafe { self.bottom.add(offset) }
    }

    /// `bytes` from `offset` on.
    pub(crate) fn range(&self, offset: usize, bytes: usize) -> PageRange {
        let bottom = self.at(offset);
        assert!(
            bytes <= self.bytes.get() - offset,
            "a range lies inside its region"
        );
        PageRange { bottom, bytes }
    }

    /// Makes `bytes` from `offset` on usable; both are multiples of a page.
    pub(crate) fn commit(&self, offset: usize, bytes: usize) -> Result<(), Errno> {
        let PageRange { bottom, bytes } = self.range(offset, bytes);
        // SAFETY: whole pages of this reservation [arena.I1].
        unsafe { System::commit(bottom, bytes) }
    }

    /// Which pages of `bytes` from `offset` on have been touched.
    pub(crate) fn touched(&self, offset: usize, bytes: usize) -> Result<Touched, Errno> {
        let PageRange { bottom, bytes } = self.range(offset, bytes);
        System::touched(bottom, bytes)
    }

    /// Keeps huge pages out of the whole region.
    pub(crate) fn refuse_huge_pages(&self) {
        // SAFETY: the range is the reservation itself [arena.I1].
        unsafe { System::refuse_huge_pages(self.bottom, self.bytes.get()) }
    }

    /// Asks for huge pages in the whole region.
    pub(crate) fn request_huge_pages(&self) -> Result<(), Errno> {
        // SAFETY: the range is the reservation itself [arena.I1].
        unsafe { System::request_huge_pages(self.bottom, self.bytes.get()) }
    }

    /// Asks for memory of a NUMA node in the whole region.
    pub(crate) fn prefer_node(&self, node: u32) -> Result<(), ArenaError> {
        // SAFETY: the range is the reservation itself [arena.I1].
        unsafe { System::prefer_node(self.bottom, self.bytes.get(), node) }
            .map_err(|errno| ArenaError::NodeRefused { node, errno })
    }

    /// Whether advice that is none is refused, so that advice taken is advice followed.
    ///
    /// # Safety
    ///
    /// - nothing lives in the region, or ever will.
    pub(crate) unsafe fn refuses_unknown_advice(&self) -> bool {
        // SAFETY: the range is the reservation itself [arena.I1], empty by the caller's promise.
        unsafe { System::refuses_unknown_advice(self.bottom, self.bytes.get()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `reserve` returned this range, it is released only here, and whoever still
        // holds addresses into it has lost the right to use them with the pool.
        if unsafe { System::release(self.bottom, self.bytes) }.is_err() {
            // Unmapping fails where splitting a merged mapping would exceed the limit of mappings.
            // The addresses are lost then; the memory goes back all the same, if it can.
            let range = self.range(0, self.bytes.get());
            // SAFETY: the range is the reservation itself [arena.I1], used by nobody any more.
            let _ = unsafe { System::discard(&[range]) };
        }
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    /// [arena.I1]
    #[test]
    fn a_region_is_page_aligned_zero_and_writable_to_its_last_byte() {
        let bytes = NonZeroUsize::new(5000).expect("5000 is not zero");
        let region = Region::try_new(bytes).expect("two pages can be had");
        assert_eq!(region.bottom().addr().get() % System::page_bytes(), 0);
        assert_eq!(region.bytes() % System::page_bytes(), 0);
        let last = region.at(region.bytes() - 1);
        // SAFETY: the last byte of a live region [arena.I1].
        assert_eq!(unsafe { last.read() }, 0);
        // SAFETY: as above; nobody else has the address.
        unsafe { last.write(7) }
    }

    #[test]
    fn a_size_beyond_the_address_space_is_an_error() {
        for bytes in [usize::MAX, usize::MAX / 2] {
            let bytes = NonZeroUsize::new(bytes).expect("not zero");
            assert!(matches!(Region::try_new(bytes), Err(ArenaError::Os { .. })));
        }
    }

    #[test]
    #[should_panic(expected = "an offset lies inside its region")]
    fn an_offset_beyond_the_region_panics() {
        let region = Region::try_new(NonZeroUsize::MIN).expect("one page can be had");
        let _ = region.at(region.bytes() + 1);
    }
}
