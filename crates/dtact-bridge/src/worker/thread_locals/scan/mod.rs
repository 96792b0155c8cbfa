//! Looking for a word that lies within a range.

#![allow(unsafe_code, reason = "reads words that others may write to")]

#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::mem::size_of;

use crate::sync::{AtomicUsize, Ordering};

/// How many bytes a word has.
pub(super) const WORD: usize = size_of::<usize>();

/// The addresses from `low` on, so many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) low: usize,
    pub(super) bytes: usize,
}

/// A function that says whether one of so many words from there on lies within the range.
///
/// # Safety
///
/// - There are so many, aligned and mapped. Others may write to them meanwhile.
pub(super) type Scan = unsafe fn(start: *const usize, words: usize, range: Range) -> bool;

/// The fastest one that this processor has.
pub(super) fn fastest() -> Scan {
    #[cfg(target_arch = "x86_64")]
    if x86_64::is_supported() {
        return x86_64::scan;
    }
    scan
}

/// One word after the other.
///
/// # Safety
///
/// - See [`Scan`].
unsafe fn scan(start: *const usize, words: usize, range: Range) -> bool {
    let mut hits = 0;
    for word in 0..words {
        // SAFETY: there are so many.
        let word = unsafe { start.add(word) };
        // SAFETY: aligned and mapped. Atomic, as others may write to it.
        let word = unsafe { AtomicUsize::from_ptr(word.cast_mut()) };
        // Relaxed: what this thread has written is all that counts.
        let word = word.load(Ordering::Relaxed);
        hits += usize::from(word.wrapping_sub(range.low) < range.bytes);
    }
    hits != 0
}

#[cfg(test)]
mod tests {
    use super::{Range, fastest, scan};

    #[test]
    fn every_way_to_look_finds_the_same() {
        let ranges = [
            (0, 0),
            (0, 1),
            (5, 1),
            (1 << 63, 7),
            ((1 << 63) - 3, 7),
            (usize::MAX, 1),
            (usize::MAX - 4, 5),
            (0, usize::MAX),
        ];
        for (low, bytes) in ranges {
            let range = Range { low, bytes };
            let around = [low.wrapping_sub(1), low, low.wrapping_add(bytes)]
                .map(|word| [word, word.wrapping_sub(1), word ^ (1 << 63)]);
            // One that is outside, for those that are not looked for.
            let other = low.wrapping_add(bytes);
            let is_in = |word: usize| word.wrapping_sub(low) < bytes;
            for word in around.concat() {
                for words in 0..20 {
                    for place in 0..words {
                        let mut block = vec![other; words];
                        block[place] = word;
                        for scan in [scan, fastest()] {
                            // SAFETY: the words of the block.
                            let found = unsafe { scan(block.as_ptr(), words, range) };
                            assert_eq!(
                                found,
                                is_in(word) || words > 1 && is_in(other),
                                "{word:#x} at {place} of {words}, {range:x?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
