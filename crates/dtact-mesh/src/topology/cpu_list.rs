//! Owns sets of CPU numbers, and the kernel's way to write them: `0-3,8,10-11`.
//!
//! The format is that of `cpuset(7)`, "List format", which the files of sysfs have too.

use core::{error, fmt};

/// One more than the largest CPU number that a list may name: the most that Linux can be built for
/// (`NR_CPUS` of x86 with `MAXSMP`). A larger one is a mistake, and would cost memory.
pub(crate) const CPUS_LIMIT: u32 = 8192;

/// A set of CPU numbers.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub(crate) struct CpuSet {
    /// Bit `n % 64` of word `n / 64`; no zero words at the end, so that equal sets are equal.
    words: Vec<u64>,
}

/// Why a text is no list of CPUs.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum CpuListError {
    /// A part between commas is neither a number nor two joined by a hyphen.
    NotANumber,
    /// A range ends before it begins.
    Backwards {
        /// Where it begins.
        first: u32,
        /// Where it ends.
        last: u32,
    },
    /// A number is larger than that of any CPU.
    TooLarge {
        /// The number.
        cpu: u32,
    },
}

impl CpuSet {
    /// Reads a list. Nothing at all is the empty set.
    pub(crate) fn parse(list: &str) -> Result<Self, CpuListError> {
        let mut set = Self::default();
        let list = list.trim_ascii();
        if list.is_empty() {
            return Ok(set);
        }
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(CpuListError::Backwards { first, last });
            }
            if last >= CPUS_LIMIT {
                return Err(CpuListError::TooLarge { cpu: last });
            }
            (first..=last).for_each(|cpu| set.insert(cpu));
        }
        Ok(set)
    }

    /// Adds a CPU below [`CPUS_LIMIT`].
    pub(crate) fn insert(&mut self, cpu: u32) {
        debug_assert!(cpu < CPUS_LIMIT, "whoever reads a number checks it");
        let word = cpu as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (cpu % 64);
    }

    pub(crate) fn contains(&self, cpu: u32) -> bool {
        let word = self.words.get(cpu as usize / 64);
        word.is_some_and(|word| word & 1 << (cpu % 64) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// In ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..CPUS_LIMIT)
            .take(self.words.len() * 64)
            .filter(|&cpu| self.contains(cpu))
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        let mut set = Self::default();
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

fn number(text: &str) -> Result<u32, CpuListError> {
    // `parse` alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpuListError::NotANumber);
    }
    text.parse().map_err(|_| CpuListError::NotANumber)
}

impl fmt::Display for CpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotANumber => {
                f.write_str("a list of CPUs is numbers and ranges between commas, as in 0-3,8")
            }
            Self::Backwards { first, last } => {
                write!(f, "the range {first}-{last} ends before it begins")
            }
            Self::TooLarge { cpu } => {
                write!(
                    f,
                    "no CPU has the number {cpu}; the largest is {}",
                    CPUS_LIMIT - 1
                )
            }
        }
    }
}

impl error::Error for CpuListError {}

#[cfg(all(test, not(dtact_loom), not(miri)))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{CPUS_LIMIT, CpuListError, CpuSet};

    fn cpus(list: &str) -> Result<Vec<u32>, CpuListError> {
        CpuSet::parse(list).map(|set| set.iter().collect())
    }

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(cpus("0-3,8,10-11\n"), Ok(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(cpus("\n"), Ok(vec![]));
        assert_eq!(cpus("8191"), Ok(vec![8191]));
    }

    #[test]
    fn what_is_no_list_is_said_to_be_none() {
        assert_eq!(
            cpus("5-3"),
            Err(CpuListError::Backwards { first: 5, last: 3 })
        );
        assert_eq!(cpus("8192"), Err(CpuListError::TooLarge { cpu: 8192 }));
        assert_eq!(
            cpus("0-4294967295"),
            Err(CpuListError::TooLarge { cpu: u32::MAX })
        );
        for text in [
            "0,,1",
            "-1",
            "0-",
            "a",
            "0x3",
            "4294967296",
            "1-2-3",
            "+1",
            "0 1",
        ] {
            assert_eq!(cpus(text), Err(CpuListError::NotANumber), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None,
            ..ProptestConfig::default() })]

        #[test]
        fn a_list_means_the_union_of_its_ranges(
            ranges in prop::collection::vec((0_u32..CPUS_LIMIT, 0_u32..70), 0..12),
        ) {
            let ranges = ranges.iter().map(|&(at, length)| (at, (at + length).min(CPUS_LIMIT - 1)));
            let parts: Vec<_> = ranges.clone().map(|(first, last)| if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }).collect();
            let expected: BTreeSet<_> = ranges.flat_map(|(first, last)| first..=last).collect();
            let set = CpuSet::parse(&parts.join(",")).expect("it is a list");
            prop_assert!(set.iter().eq(expected.iter().copied()));
            prop_assert_eq!(set, expected.into_iter().collect());
        }

        #[test]
        fn no_text_is_too_much(text in "[0-9,\\- a\n]{0,40}|\\PC*") {
            drop(CpuSet::parse(&text));
        }
    }
}
