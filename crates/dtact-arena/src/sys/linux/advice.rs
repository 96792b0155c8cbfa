//! Advice on memory: for one range, or for many in one call where the kernel has that.
//!
//! `process_madvise(2)` takes many ranges. Advice that changes memory is allowed for the calling
//! process alone, named by `PIDFD_SELF` (Linux 6.14). Older kernels, emulators and filters of
//! system calls refuse it; then each range is a call of its own.
#![allow(unsafe_code, reason = "system calls on address ranges")]

use super::last_errno;
use crate::error::Errno;
use crate::sync::counter::{AtomicBool, Ordering};
use crate::sys::PageRange;

/// `MADV_GUARD_INSTALL` of `linux/mman.h`, the same number on every architecture.
pub(super) const GUARD_INSTALL: libc::c_int = 102;

/// `MADV_GUARD_REMOVE`, likewise.
pub(super) const GUARD_REMOVE: libc::c_int = 103;

/// A number that is no advice. The kernel answers `EINVAL`; emulators in user mode are known to
/// answer success to every advice that they leave out.
pub(super) const UNKNOWN: libc::c_int = libc::c_int::MAX;

/// `PIDFD_SELF_THREAD` of `linux/pidfd.h`: the calling thread, whose memory is the process's.
const PIDFD_SELF: libc::c_int = -10_000;

/// The most ranges in one call: `UIO_MAXIOV`.
const RANGES_MAX: usize = 1024;

/// Set when the kernel has refused a batch for good. Valgrind does, and complains each time.
static IS_BATCH_REFUSED: AtomicBool = AtomicBool::new(cfg!(dtact_valgrind));

const _: () = assert!(
    size_of::<PageRange>() == size_of::<libc::iovec>()
        && align_of::<PageRange>() == align_of::<libc::iovec>()
        && core::mem::offset_of!(PageRange, bytes) == core::mem::offset_of!(libc::iovec, iov_len)
);

/// Gives one advice on one range.
///
/// # Safety
///
/// The range is whole pages of a reservation, and bears what the advice does to it.
pub(super) unsafe fn one(range: PageRange, advice: libc::c_int) -> Result<(), Errno> {
    // SAFETY: as the caller promises.
    let result = unsafe { libc::madvise(range.bottom.as_ptr().cast(), range.bytes, advice) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Gives one advice on each of some ranges.
///
/// # Safety
///
/// As for [`one`], for each range. The advice may be repeated.
pub(super) unsafe fn each(ranges: &[PageRange], advice: libc::c_int) -> Result<(), Errno> {
    for chunk in ranges.chunks(RANGES_MAX) {
        // A batch stops at the first range that fails, and says how many bytes came before.
        // SAFETY: as the caller promises.
        let mut done = unsafe { batch(chunk, advice) };
        for &range in chunk {
            if let Some(rest) = done.checked_sub(range.bytes) {
                done = rest;
                continue;
            }
            done = 0;
            // SAFETY: as the caller promises.
            unsafe { one(range, advice) }?;
        }
    }
    Ok(())
}

/// Gives one advice on ranges in one call, and returns on how many bytes it was taken.
///
/// # Safety
///
/// As for [`each`].
unsafe fn batch(ranges: &[PageRange], advice: libc::c_int) -> usize {
    // Relaxed: a hint, which publishes nothing.
    if ranges.len() < 2 || IS_BATCH_REFUSED.load(Ordering::Relaxed) {
        return 0;
    }
    let ranges_ptr = ranges.as_ptr().cast::<libc::iovec>();
    // SAFETY: a range is laid out as an iovec, as asserted above; the ranges bear the advice, as
    // the caller promises; no flags are defined.
    let result = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            PIDFD_SELF,
            ranges_ptr,
            ranges.len(),
            advice,
            0,
        )
    };
    usize::try_from(result).unwrap_or_else(|_| {
        if matches!(last_errno().0, libc::ENOSYS | libc::EBADF | libc::EPERM) {
            // Relaxed: as above.
            IS_BATCH_REFUSED.store(true, Ordering::Relaxed);
        }
        0
    })
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use core::num::NonZeroUsize;

    use super::*;
    use crate::sys::Platform;
    use crate::sys::linux::Linux;

    /// Every second page of a reservation.
    fn even_pages(bottom: core::ptr::NonNull<u8>, count: usize) -> Vec<PageRange> {
        let bytes = Linux::page_bytes();
        (0..count)
            .map(|page| PageRange {
                // SAFETY: the reservation has twice as many pages.
                bottom: unsafe { bottom.add(2 * page * bytes) },
                bytes,
            })
            .collect()
    }

    #[test]
    fn advice_on_many_ranges_reaches_each_of_them_and_nothing_between() {
        let page = Linux::page_bytes();
        let count = RANGES_MAX + 3;
        let bytes = NonZeroUsize::new(2 * count * page).expect("not zero");
        let bottom = Linux::reserve(bytes).expect("8 MiB of addresses");
        // SAFETY: the reservation is this test's own.
        unsafe { bottom.write_bytes(1, bytes.get()) }
        // SAFETY: as above; nobody needs what the pages hold.
        unsafe { each(&even_pages(bottom, count), libc::MADV_DONTNEED) }.expect("our own pages");
        for at in (0..2 * count).map(|index| index * page) {
            // SAFETY: inside the reservation.
            let byte = unsafe { bottom.add(at) };
            // SAFETY: mapped and initialised.
            let value = unsafe { byte.read() };
            assert_eq!(value, u8::from(at / page % 2 == 1), "page {}", at / page);
        }
        // SAFETY: reserved above, used by nobody any more.
        unsafe { Linux::release(bottom, bytes) }.expect("a whole reservation");
    }

    #[test]
    fn a_range_that_is_refused_is_an_error_wherever_it_stands() {
        let page = Linux::page_bytes();
        let bytes = NonZeroUsize::new(6 * page).expect("not zero");
        let bottom = Linux::reserve(bytes).expect("six pages");
        for wrong in 0..3 {
            let mut ranges = even_pages(bottom, 3);
            // Not at a page boundary.
            // SAFETY: inside the reservation.
            ranges[wrong].bottom = unsafe { ranges[wrong].bottom.add(1) };
            // SAFETY: the reservation is this test's own and holds nothing.
            let result = unsafe { each(&ranges, libc::MADV_DONTNEED) };
            assert_eq!(result, Err(Errno(libc::EINVAL)));
        }
        // SAFETY: reserved above, used by nobody any more.
        unsafe { Linux::release(bottom, bytes) }.expect("a whole reservation");
    }
}
