//! Where stacks lie in their region: arithmetic on page sizes, nothing else.
//!
//! ```text
//!  lower addresses                                                    higher addresses
//!  ┌───────┬──────────────────────────────────┬──────────┬───────┬───────────────────
//!  │ guard │ stack, the bytes of the class    │ colour   │ guard │ stack …
//!  └───────┴──────────────────────────────────┴──────────┴───────┴───────────────────
//!          bottom                       top ──┴─► is somewhere in here
//!  ├──────────────────── stride, an odd number of pages ─┤
//! ```
//!
//! Stacks that start at equal offsets within their pages compete for the same sets of the
//! first-level cache, so tops are spread over 64 lines (the colour). The room for that is one page
//! above the stack: every stack has the full bytes of its class below its top. Strides that are a
//! power of two make stacks compete in the larger caches; an odd number of pages does not.

use crate::size_class::SizeClass;

/// The colours of tops: a page of 4 KiB has 64 cache lines.
pub(crate) const COLOUR_COUNT: u32 = 64;

/// The distance of two neighbouring colours: a cache line.
const COLOUR_BYTES: usize = 64;

/// The bytes that a guard has at least, given in bytes; it is rounded up to pages.
///
/// Where the compiler probes each page of a large frame, one page catches every overflow. The
/// RISC-V and LoongArch targets have no stack probes: there a frame can step over a page, and a
/// guard is 64 KiB.
pub(crate) const GUARD_BYTES_MIN: usize =
    if cfg!(any(target_arch = "riscv64", target_arch = "loongarch64")) {
        64 * 1024
    } else {
        1
    };

/// The measures of one slot; all are multiples of a page.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct StackLayout {
    guard_bytes: usize,
    stride_bytes: usize,
}

/// The places of one slot, as offsets from the bottom of the region.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct StackSpan {
    /// The lowest byte of the guard.
    pub(crate) guard: usize,
    /// The lowest byte of the stack; the guard ends here.
    pub(crate) bottom: usize,
    /// One past the highest byte of the stack.
    pub(crate) top: usize,
}

impl StackLayout {
    /// The layout of a class for a page size, which is a power of two of at least 4096.
    pub(crate) const fn new(class: SizeClass, page_bytes: usize, guard_bytes_min: usize) -> Self {
        assert!(page_bytes.is_power_of_two(), "a page is a power of two");
        assert!(
            page_bytes >= COLOUR_COUNT as usize * COLOUR_BYTES,
            "a page has all colours"
        );
        let guard_pages = guard_bytes_min.div_ceil(page_bytes);
        let stack_pages = class.bytes().div_ceil(page_bytes);
        let pages = guard_pages + stack_pages + 1;
        // The page that makes the number odd is better a guard than a gap.
        let guard_pages = guard_pages + (pages + 1) % 2;
        let pages = pages + (pages + 1) % 2;
        Self {
            guard_bytes: guard_pages * page_bytes,
            stride_bytes: pages * page_bytes,
        }
    }

    /// The bytes of a guard.
    pub(crate) const fn guard_bytes(self) -> usize {
        self.guard_bytes
    }

    /// The bytes of a region of `capacity` slots; `None` beyond the address space.
    pub(crate) const fn region_bytes(self, capacity: u32) -> Option<usize> {
        self.stride_bytes.checked_mul(capacity as usize)
    }

    /// The places of slot `index`.
    pub(crate) const fn span(self, index: u32) -> StackSpan {
        let guard = self.stride_bytes * index as usize;
        let colour = (index % COLOUR_COUNT) as usize * COLOUR_BYTES;
        StackSpan {
            guard,
            bottom: guard + self.guard_bytes,
            top: guard + self.stride_bytes - colour,
        }
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    fn classes() -> impl Iterator<Item = SizeClass> {
        (0..SizeClass::COUNT)
            .map(|index| SizeClass::for_bytes((16 * 1024) << index).expect("one of the classes"))
    }

    #[test]
    fn slots_are_disjoint_odd_and_large_enough_at_every_page_size() {
        for page_bytes in [4096, 16 * 1024, 64 * 1024] {
            for guard_bytes_min in [1, 64 * 1024] {
                for class in classes() {
                    let layout = StackLayout::new(class, page_bytes, guard_bytes_min);
                    assert_eq!(layout.stride_bytes / page_bytes % 2, 1);
                    assert!(layout.guard_bytes >= guard_bytes_min.next_multiple_of(page_bytes));
                    assert!(layout.guard_bytes <= guard_bytes_min + 2 * page_bytes);
                    let mut end = 0;
                    for index in 0..130 {
                        let span = layout.span(index);
                        assert!(span.guard >= end, "{span:?} overlaps its neighbour");
                        assert_eq!(span.guard % page_bytes, 0);
                        assert_eq!(span.bottom, span.guard + layout.guard_bytes);
                        assert!(span.top - span.bottom >= class.bytes());
                        assert_eq!(span.top % 64, 0);
                        end = span.top;
                    }
                    let region_bytes = layout.region_bytes(130).expect("a small region");
                    assert!(end <= region_bytes);
                }
            }
        }
    }

    #[test]
    fn neighbours_have_64_different_colours() {
        let layout = StackLayout::new(SizeClass::SMALLEST, 4096, 1);
        let mut colours: Vec<_> = (0..64).map(|index| layout.span(index).top % 4096).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 64);
        assert_eq!(layout.span(64).top % 4096, layout.span(0).top % 4096);
    }

    #[test]
    fn a_region_beyond_the_address_space_is_none() {
        let layout = StackLayout::new(SizeClass::LARGEST, 1 << 40, 1);
        assert_eq!(layout.region_bytes(u32::MAX), None);
    }
}
