//! Which pages of a range have been touched.
//!
//! `/proc/self/pagemap` has a word for each page, and tells a page in swap from one never touched;
//! `Documentation/admin-guide/mm/pagemap.rst` of the kernel. A guard made by advice looks like a
//! page in swap on some kernels. Where the file cannot be read, `mincore(2)` answers, which takes a
//! page in swap for one never touched.
#![allow(unsafe_code, reason = "a system call on an address range")]

use core::ptr::NonNull;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{Linux, last_errno};
use crate::error::Errno;
use crate::sys::{Platform, Touched};

/// The bits of a word of the pagemap.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

/// How many pages are asked about in one call.
const PAGES: usize = 512;

pub(super) fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
    if let Some(touched) = by_pagemap(bottom, bytes) {
        return Ok(touched);
    }
    by_mincore(bottom, bytes)
}

fn by_pagemap(bottom: NonNull<u8>, bytes: usize) -> Option<Touched> {
    let pagemap = File::open("/proc/self/pagemap").ok()?;
    let page_bytes = Linux::page_bytes();
    let first = bottom.addr().get() / page_bytes;
    let count = bytes / page_bytes;
    let mut touched = Touched::default();
    let mut words = [0; PAGES * size_of::<u64>()];
    for start in (0..count).step_by(PAGES) {
        let words = &mut words[..PAGES.min(count - start) * size_of::<u64>()];
        let at = (first + start) * size_of::<u64>();
        pagemap.read_exact_at(words, u64::try_from(at).ok()?).ok()?;
        let (words, _) = words.as_chunks();
        for (page, word) in (start..).zip(words) {
            let word = u64::from_ne_bytes(*word);
            touched.add(page, page_bytes, word & PRESENT != 0, word & SWAPPED != 0);
        }
    }
    Some(touched)
}

fn by_mincore(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
    let page_bytes = Linux::page_bytes();
    let count = bytes / page_bytes;
    let mut touched = Touched::default();
    let mut answers = [0_u8; PAGES];
    for start in (0..count).step_by(PAGES) {
        let pages = PAGES.min(count - start);
        let at = bottom.as_ptr().wrapping_add(start * page_bytes);
        // SAFETY: only asks about the addresses; the answers have a byte for each page.
        let result =
            unsafe { libc::mincore(at.cast(), pages * page_bytes, answers.as_mut_ptr().cast()) };
        if result != 0 {
            return Err(last_errno());
        }
        for (page, answer) in (start..).zip(&answers[..pages]) {
            touched.add(page, page_bytes, answer & 1 == 1, false);
        }
    }
    Ok(touched)
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use core::num::NonZeroUsize;

    use super::*;

    #[test]
    fn both_ways_of_asking_find_the_same_pages() {
        let page = Linux::page_bytes();
        let bytes = NonZeroUsize::new(2000 * page).expect("not zero");
        let bottom = Linux::reserve(bytes).expect("2000 pages");
        let ask = || {
            let answers = [
                by_pagemap(bottom, bytes.get()).expect("/proc is mounted"),
                by_mincore(bottom, bytes.get()).expect("our own pages"),
            ];
            assert_eq!(answers[0], answers[1]);
            answers[0]
        };
        // SAFETY: the reservation is this test's own.
        unsafe { Linux::refuse_huge_pages(bottom, bytes.get()) }
        assert_eq!(ask(), Touched::default());
        for page_touched in [1999, 700, 701] {
            // SAFETY: inside the reservation.
            let at = unsafe { bottom.add(page_touched * page) };
            // SAFETY: as above, and this test's own.
            unsafe { at.write(1) }
        }
        let expected = Touched {
            resident_bytes: 3 * page,
            lowest: Some(700 * page),
        };
        assert_eq!(ask(), expected);
        // SAFETY: reserved above, used by nobody any more.
        unsafe { Linux::release(bottom, bytes) }.expect("a whole reservation");
    }
}
