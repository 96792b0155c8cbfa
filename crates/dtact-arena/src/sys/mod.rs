//! What the arena asks of the operating system, behind one trait.

#[cfg(not(any(miri, target_os = "linux")))]
compile_error!("dtact-arena supports Linux; other systems need a file beside `src/sys/linux.rs`");

#[cfg(all(target_os = "linux", not(miri)))]
mod linux;
#[cfg(miri)]
mod miri;

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::error::Errno;

#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) use linux::Linux as System;
#[cfg(miri)]
pub(crate) use miri::Miri as System;

/// Memory of the operating system: reserved once, committed by the first touch of a page.
///
/// # Safety
///
/// An implementor ensures that:
///
/// - `page_bytes` is a power of two of at least 4096, the same at every call;
/// - what `reserve` returns is aligned to a page, readable, writable, zero where nothing has been
///   written, and nobody else's until it is released.
#[expect(
    unsafe_code,
    reason = "callers lean on the alignment, size and zeroes promised here"
)]
pub(crate) unsafe trait Platform {
    /// The bytes of one page.
    fn page_bytes() -> usize;

    /// Reserves `bytes` of address space, rounded up to pages; no memory backs it before a touch.
    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno>;

    /// Gives a reservation back.
    ///
    /// # Safety
    ///
    /// - `bottom` and `bytes` are those of one `reserve` that has not been released;
    /// - nothing uses the memory any more.
    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize);

    /// Keeps huge pages out of a range, where it can: a touched page must cost one page.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn refuse_huge_pages(bottom: NonNull<u8>, bytes: usize);

    /// Makes every access to a range fault, without splitting the mapping it lies in.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation; nothing lives there.
    unsafe fn guard_by_advice(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

    /// Whether the system refuses advice that it does not know. Where it takes any, that it took
    /// the advice to guard says nothing.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation; nothing lives there.
    unsafe fn refuses_unknown_advice(bottom: NonNull<u8>, bytes: usize) -> bool;

    /// Makes every access to a range fault, at the price of two more mappings.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation; nothing lives there.
    unsafe fn guard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

    /// The most mappings that one process may have.
    fn max_map_count() -> u64;

    /// Whether an error of `guard_by_protection` says that the process has too many mappings.
    fn is_out_of_maps(errno: Errno) -> bool;
}
