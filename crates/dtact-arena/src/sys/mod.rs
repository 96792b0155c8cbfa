//! What the arena asks of the operating system, behind one trait.

#[cfg(not(any(miri, unix, windows)))]
compile_error!("dtact-arena needs a file for this system beside `src/sys/unix.rs`");

#[cfg(all(windows, not(miri)))]
pub(crate) mod exception;
#[cfg(all(test, not(dtact_loom)))]
pub(crate) mod faults;
#[cfg(all(target_os = "linux", not(miri)))]
mod linux;
#[cfg(miri)]
mod miri;
#[cfg(all(unix, not(miri)))]
pub(crate) mod signal;
#[cfg(all(unix, not(target_os = "linux"), not(miri)))]
mod unix;
#[cfg(all(windows, not(miri)))]
mod windows;

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::error::Errno;

#[cfg(all(target_os = "linux", not(miri)))]
use linux::Linux as Real;
#[cfg(miri)]
use miri::Miri as Real;
#[cfg(all(unix, not(target_os = "linux"), not(miri)))]
use unix::Unix as Real;
#[cfg(all(windows, not(miri)))]
use windows::Windows as Real;

/// The system; in unit tests one whose calls can be made to fail.
#[cfg(all(test, not(dtact_loom)))]
pub(crate) type System = faults::Faulty<Real>;
/// The system.
#[cfg(not(all(test, not(dtact_loom))))]
pub(crate) type System = Real;

/// Whole pages inside one reservation.
///
/// Laid out as `struct iovec` of POSIX, so that a slice of them can go to the kernel as it is.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[repr(C)]
pub(crate) struct PageRange {
    pub(crate) bottom: NonNull<u8>,
    pub(crate) bytes: usize,
}

/// Which pages of a range have been touched and not been given back since.
#[derive(Copy, Clone, Eq, PartialEq, Default, Debug)]
pub(crate) struct Touched {
    /// The bytes of such pages that are in memory.
    pub(crate) resident_bytes: usize,
    /// Where the lowest such page begins, from the bottom of the range, be it in memory or in swap.
    /// Meaningless where a guard lies in the range.
    pub(crate) lowest: Option<usize>,
}

#[cfg(all(unix, not(miri)))]
fn errno_of(errno: rustix::io::Errno) -> Errno {
    Errno(errno.raw_os_error())
}

/// What a size larger than the address space is answered with, as the kernel would: `ENOMEM`, or
/// `ERROR_NOT_ENOUGH_MEMORY`.
pub(crate) const OUT_OF_MEMORY: Errno = Errno(if cfg!(windows) { 8 } else { 12 });

/// The reason of the system call that just failed on this thread.
#[cfg(not(miri))]
fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

impl Touched {
    /// Counts one page of a range.
    #[cfg_attr(
        miri,
        expect(dead_code, reason = "the interpreter commits everything at once")
    )]
    fn add(&mut self, page: usize, page_bytes: usize, is_present: bool, is_swapped: bool) {
        if is_present {
            self.resident_bytes += page_bytes;
        }
        if is_present || is_swapped {
            self.lowest.get_or_insert(page * page_bytes);
        }
    }
}

/// Memory of the operating system: reserved once, committed by the first touch of a page.
///
/// Every error number is one of the system's own. Where a call takes several ranges and fails, any
/// of them may have been treated and any may not.
///
/// # Safety
///
/// An implementor ensures that:
///
/// - `page_bytes` is a power of two of at least 4096, the same at every call;
/// - what `reserve` returns is aligned to a page, readable, writable, zero where nothing has been
///   written, and nobody else's until it is released;
/// - what `reserve_uncommitted` returns is that too, once `commit` has succeeded for it;
/// - no call changes what a page holds but `discard` and the guards, and these only in the ranges
///   they are given.
#[expect(
    unsafe_code,
    reason = "callers lean on the alignment, size and zeroes promised here"
)]
pub(crate) unsafe trait Platform {
    /// The bytes of one page.
    fn page_bytes() -> usize;

    /// Reserves `bytes` of address space, rounded up to pages, usable at once; no memory backs it
    /// before a touch.
    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno>;

    /// As `reserve`, but a range is used only after `commit`: for systems that count memory when
    /// it is promised and not when it is touched.
    fn reserve_uncommitted(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno>;

    /// Makes a range of a `reserve_uncommitted` usable. May be repeated, and then changes nothing.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn commit(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

    /// Gives a reservation back.
    ///
    /// # Safety
    ///
    /// - `bottom` and `bytes` are those of one `reserve` that has not been released;
    /// - nothing uses the memory any more.
    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) -> Result<(), Errno>;

    /// Gives the memory behind ranges back, and keeps the addresses: a page reads as zero
    /// afterwards, or as it was. Guards inside the ranges stay.
    ///
    /// # Safety
    ///
    /// Each range is whole pages inside one reservation; nobody needs what it holds.
    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno>;

    /// Asks which pages of a range of a reservation have been touched.
    fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno>;

    /// Keeps huge pages out of a range, where it can: a touched page must cost one page.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn refuse_huge_pages(bottom: NonNull<u8>, bytes: usize);

    /// Whether asking for huge pages is known to be in vain.
    fn are_huge_pages_off() -> bool;

    /// Asks for huge pages in a range.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn request_huge_pages(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

    /// Asks for memory of a NUMA node, where it has some, for pages that are touched from now on.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn prefer_node(bottom: NonNull<u8>, bytes: usize, node: u32) -> Result<(), Errno>;

    /// Makes every access to the ranges fault, without splitting the mapping they lie in. What
    /// they held is lost.
    ///
    /// # Safety
    ///
    /// Each range is whole pages inside one reservation; nothing lives there.
    unsafe fn guard_by_advice(ranges: &[PageRange]) -> Result<(), Errno>;

    /// Makes a range that was guarded by advice usable again.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn unguard_by_advice(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

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

    /// Makes a range that was guarded by protection usable again.
    ///
    /// # Safety
    ///
    /// The range is whole pages inside one reservation.
    unsafe fn unguard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno>;

    /// The most mappings that one process may have.
    fn max_map_count() -> u64;

    /// Whether an error of `guard_by_protection` says that the process has too many mappings.
    fn is_out_of_maps(errno: Errno) -> bool;
}
