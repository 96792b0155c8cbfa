//! Miri: the allocator stands in for the kernel, so that the whole crate runs under it.
//!
//! Guards are accepted and do nothing: Miri itself catches an access outside an allocation, and
//! nothing here runs on the stacks.
#![allow(unsafe_code, reason = "allocates and frees by hand")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

use super::{OUT_OF_MEMORY, PageRange, Platform, Touched};
use crate::error::Errno;

const PAGE_BYTES: usize = 4096;

/// The interpreter.
pub(crate) struct Miri;

fn layout(bytes: NonZeroUsize) -> Option<Layout> {
    Layout::from_size_align(bytes.get(), PAGE_BYTES).ok()
}

// SAFETY: the layout asks for page alignment, and the allocator hands out zeroed memory that is
// nobody else's.
unsafe impl Platform for Miri {
    fn page_bytes() -> usize {
        PAGE_BYTES
    }

    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        let layout = layout(bytes).ok_or(OUT_OF_MEMORY)?;
        // SAFETY: `bytes` is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OUT_OF_MEMORY)
    }

    fn reserve_uncommitted(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        Self::reserve(bytes)
    }

    unsafe fn commit(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) -> Result<(), Errno> {
        let layout = layout(bytes).expect("the layout was accepted by `reserve`");
        // SAFETY: the caller passes one whole reservation, and `reserve` used the same layout.
        unsafe { dealloc(bottom.as_ptr(), layout) }
        Ok(())
    }

    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno> {
        for range in ranges {
            // SAFETY: the range is the caller's, mapped, and nobody needs what it holds.
            unsafe { range.bottom.write_bytes(0, range.bytes) }
        }
        Ok(())
    }

    fn touched(_: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
        // The interpreter commits everything at once.
        Ok(Touched {
            resident_bytes: bytes,
            lowest: (bytes > 0).then_some(0),
        })
    }

    unsafe fn refuse_huge_pages(_: NonNull<u8>, _: usize) {}

    fn are_huge_pages_off() -> bool {
        false
    }

    unsafe fn request_huge_pages(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn prefer_node(_: NonNull<u8>, _: usize, _: u32) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn guard_by_advice(_: &[PageRange]) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn unguard_by_advice(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn refuses_unknown_advice(_: NonNull<u8>, _: usize) -> bool {
        true
    }

    unsafe fn guard_by_protection(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    unsafe fn unguard_by_protection(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    fn max_map_count() -> u64 {
        65_530
    }

    fn is_out_of_maps(errno: Errno) -> bool {
        errno == OUT_OF_MEMORY
    }
}
