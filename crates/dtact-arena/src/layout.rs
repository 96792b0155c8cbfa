//! Where stacks lie in their region: arithmetic on page sizes, nothing else.
//!
//! ```text
//!  lower addresses                                                    higher addresses
//!
//!  guard below     ┌───────┬──────────────────────┬──────────┬───────┬────────────────
//!  (the default)   │ guard │ bytes of the class   │ colour   │ guard │ stack …
//!                  └───────┴──────────────────────┴──────────┴───────┴────────────────
//!                          bottom           top ──┴─► is somewhere in here
//!                  ├─────────── stride, an odd number of pages ──────┤
//!
//!  no guard     ┌──┬───┬──────────────────────────┬──────────┬───┬────────────────────
//!               │  │ c │ bytes of the class       │ colour   │ c │ stack …
//!               └──┴───┴──────────────────────────┴──────────┴───┴────────────────────
//!            one page, bottom               top ──┴─► in here
//!            once
//!
//!  guard at both   ┌───────┬───┬──────────────────────────┬───────┬───┬────────────────
//!  ends            │ guard │ c │ bytes of the class       │ guard │ c │ stack …
//!                  └───────┴───┴──────────────────────────┴───────┴───┴────────────────
//!                              bottom                     top
//! ```
//!
//! Stacks that start at equal offsets within their pages compete for the same sets of the
//! first-level cache, so tops are spread over 64 lines (the colour). The room for that is one page
//! above the stack: every stack has the full bytes of its class below its top. Strides that are a
//! power of two make stacks compete in the larger caches; an odd number of pages does not.
//!
//! The canary (`c`) is the line below the bottom, where an overflow arrives first. Without guards
//! it is the last line of the slot below, whose page that slot touches anyway; the stack there
//! begins lower by as much. With guards at both ends tops are not coloured: a byte above the top is
//! the guard.

use crate::size_class::SizeClass;

/// The colours of tops: a page of 4 KiB has 64 cache lines.
pub(crate) const COLOUR_COUNT: u32 = 64;

/// The distance of two neighbouring colours, and the bytes of a canary: a cache line.
pub(crate) const LINE_BYTES: usize = 64;

/// The bytes that a guard has at least, given in bytes; it is rounded up to pages.
///
/// Where the compiler probes each page of a large frame, one page catches every overflow. The
/// RISC-V and LoongArch targets have no stack probes: there a frame can step over a page, and a
/// guard is 64 KiB. Windows opens a part of it to the handlers of an overflow: 20 KiB, as the
/// standard library asks for its own threads, above a page of 4 KiB that nothing opens.
pub(crate) const GUARD_BYTES_MIN: usize =
    if cfg!(any(target_arch = "riscv64", target_arch = "loongarch64")) {
        64 * 1024
    } else if cfg!(windows) {
        24 * 1024
    } else {
        1
    };

/// The bits that are 0 in whatever is a multiple of a page.
const LOW_BITS: usize = 4096 - 1;

/// What lies at the ends of a stack.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Ends {
    /// A canary below.
    Canary = 0,
    /// A guard below.
    GuardBelow = 1,
    /// Guards below and above, and a canary in between.
    GuardBoth = 2,
}

impl Ends {
    /// Whether there are guards.
    pub(crate) const fn has_guards(self) -> bool {
        !matches!(self, Self::Canary)
    }

    /// Whether there is a canary.
    pub(crate) const fn has_canary(self) -> bool {
        !matches!(self, Self::GuardBelow)
    }
}

/// The measures of one slot; those in bytes are multiples of a page.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct StackLayout {
    ends: Ends,
    page_bytes: usize,
    /// The bytes in front of the first slot.
    head_bytes: usize,
    guard_bytes: usize,
    stride_bytes: usize,
    /// The bytes between the guard and the stack.
    canary_bytes: usize,
    /// The bytes above a stack of the first colour.
    gap_bytes: usize,
    /// How many colours there are, less one.
    colour_mask: u32,
}

/// The places of one slot, as offsets from the bottom of the region.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct StackSpan {
    /// The lowest byte of the guard.
    pub(crate) guard: usize,
    /// The lowest byte of the first page that is no guard.
    pub(crate) pages: usize,
    /// The lowest byte of the stack.
    pub(crate) bottom: usize,
    /// One past the highest byte of the stack.
    pub(crate) top: usize,
    /// One past the last page of the slot.
    pub(crate) end: usize,
}

impl StackLayout {
    /// The layout of a class for a page size, which is a power of two of at least 4096.
    pub(crate) const fn new(
        class: SizeClass,
        page_bytes: usize,
        guard_bytes_min: usize,
        ends: Ends,
    ) -> Self {
        assert!(page_bytes.is_power_of_two(), "a page is a power of two");
        assert!(
            page_bytes >= COLOUR_COUNT as usize * LINE_BYTES,
            "a page has all colours"
        );
        let guard_pages = if ends.has_guards() {
            guard_bytes_min.div_ceil(page_bytes)
        } else {
            0
        };
        let stack_pages = class.bytes().div_ceil(page_bytes);
        let pages = guard_pages + stack_pages + 1;
        // The page that makes the number odd is better a guard than a gap.
        let odd_page = (pages + 1) % 2;
        let guard_pages = guard_pages + if ends.has_guards() { odd_page } else { 0 };
        let guard_bytes = guard_pages * page_bytes;
        Self::with_measures(
            ends,
            page_bytes,
            guard_bytes,
            (pages + odd_page) * page_bytes,
        )
    }

    const fn with_measures(
        ends: Ends,
        page_bytes: usize,
        guard_bytes: usize,
        stride_bytes: usize,
    ) -> Self {
        Self {
            ends,
            page_bytes,
            head_bytes: if ends.has_guards() { 0 } else { page_bytes },
            guard_bytes,
            stride_bytes,
            canary_bytes: match ends {
                Ends::GuardBoth => LINE_BYTES,
                Ends::Canary | Ends::GuardBelow => 0,
            },
            gap_bytes: match ends {
                Ends::Canary => LINE_BYTES,
                Ends::GuardBelow | Ends::GuardBoth => 0,
            },
            colour_mask: match ends {
                Ends::GuardBoth => 0,
                Ends::Canary | Ends::GuardBelow => COLOUR_COUNT - 1,
            },
        }
    }

    /// What lies at the ends of a stack.
    pub(crate) const fn ends(self) -> Ends {
        self.ends
    }

    /// The bytes of a guard.
    pub(crate) const fn guard_bytes(self) -> usize {
        self.guard_bytes
    }

    /// The bytes from one slot to the next.
    pub(crate) const fn stride_bytes(self) -> usize {
        self.stride_bytes
    }

    /// The bytes of a region of `slot_count` slots; `None` beyond the address space.
    pub(crate) const fn region_bytes(self, slot_count: u32) -> Option<usize> {
        // The guard above the last slot is the one below a slot that does not exist.
        let tail_bytes = match self.ends {
            Ends::GuardBoth => self.guard_bytes,
            Ends::Canary | Ends::GuardBelow => 0,
        };
        match self.stride_bytes.checked_mul(slot_count as usize) {
            Some(bytes) => bytes.checked_add(self.head_bytes + tail_bytes),
            None => None,
        }
    }

    /// All there is to know of it, in two words.
    pub(crate) const fn to_words(self) -> [usize; 2] {
        // The measures are multiples of a page: their low bits are free.
        let page_shift = self.page_bytes.trailing_zeros() as usize;
        [
            self.stride_bytes | self.ends as usize,
            self.guard_bytes | page_shift,
        ]
    }

    /// The layout of these words; `None` where they are of none.
    pub(crate) const fn from_words([stride, guard]: [usize; 2]) -> Option<Self> {
        let (stride_bytes, guard_bytes) = (stride & !LOW_BITS, guard & !LOW_BITS);
        let page_bytes = match guard & LOW_BITS {
            page_shift @ 12..=62 => 1 << page_shift,
            _ => return None,
        };
        let ends = match stride & LOW_BITS {
            0 => Ends::Canary,
            1 => Ends::GuardBelow,
            2 => Ends::GuardBoth,
            _ => return None,
        };
        if stride_bytes == 0 {
            return None;
        }
        Some(Self::with_measures(
            ends,
            page_bytes,
            guard_bytes,
            stride_bytes,
        ))
    }

    /// The places of the slot whose guard has the byte at `offset`; `None` outside of guards.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an offset in a region, whose slots are numbered by 32 bits"
    )]
    pub(crate) const fn guard_around(self, offset: usize) -> Option<StackSpan> {
        match offset.checked_sub(self.head_bytes) {
            Some(offset) if offset % self.stride_bytes < self.guard_bytes => {
                Some(self.span((offset / self.stride_bytes) as u32))
            }
            _ => None,
        }
    }

    /// The places of slot `index`.
    #[inline]
    pub(crate) const fn span(self, index: u32) -> StackSpan {
        let guard = self.head_bytes + self.stride_bytes * index as usize;
        let pages = guard + self.guard_bytes;
        let end = guard + self.stride_bytes;
        let colour_bytes = (index & self.colour_mask) as usize * LINE_BYTES;
        StackSpan {
            guard,
            pages,
            bottom: pages + self.canary_bytes,
            top: end - self.gap_bytes - colour_bytes,
            end,
        }
    }

    /// The pages, as offset and bytes, that are used while somebody has the slot; guards are not.
    pub(crate) const fn used_pages(self, index: u32) -> (usize, usize) {
        let span = self.span(index);
        // The canary is the last line of the page below.
        let start = match self.ends {
            Ends::Canary => span.pages - self.page_bytes,
            Ends::GuardBelow | Ends::GuardBoth => span.pages,
        };
        (start, span.end - start)
    }

    /// The pages, as offset and bytes, whose memory can be given back while nobody has the slots
    /// `first..=last`, but somebody may have the slots around them.
    pub(crate) const fn idle_pages(self, first: u32, last: u32) -> (usize, usize) {
        let start = self.span(first).pages;
        // The last line of the slot may be the canary of the next one.
        let kept = match self.ends {
            Ends::Canary => self.page_bytes,
            Ends::GuardBelow | Ends::GuardBoth => 0,
        };
        (start, self.span(last).end - kept - start)
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    const ALL_ENDS: [Ends; 3] = [Ends::Canary, Ends::GuardBelow, Ends::GuardBoth];

    fn classes() -> impl Iterator<Item = SizeClass> {
        (0..SizeClass::COUNT)
            .map(|index| SizeClass::for_bytes((16 * 1024) << index).expect("one of the classes"))
    }

    fn layouts() -> impl Iterator<Item = (StackLayout, SizeClass, usize, usize)> {
        let of = |ends, page_bytes, guard_bytes_min| {
            classes().map(move |class| {
                let layout = StackLayout::new(class, page_bytes, guard_bytes_min, ends);
                (layout, class, page_bytes, guard_bytes_min)
            })
        };
        ALL_ENDS.into_iter().flat_map(move |ends| {
            [4096, 16 * 1024, 64 * 1024]
                .into_iter()
                .flat_map(move |page| {
                    [1, 64 * 1024]
                        .into_iter()
                        .flat_map(move |min| of(ends, page, min))
                })
        })
    }

    #[test]
    fn slots_are_disjoint_odd_and_large_enough_at_every_page_size() {
        for (layout, class, page_bytes, guard_bytes_min) in layouts() {
            assert_eq!(layout.stride_bytes / page_bytes % 2, 1);
            if layout.ends.has_guards() {
                assert!(layout.guard_bytes >= guard_bytes_min.next_multiple_of(page_bytes));
                assert!(layout.guard_bytes <= guard_bytes_min + 2 * page_bytes);
            } else {
                assert_eq!(layout.guard_bytes, 0);
            }
            let mut end = layout.head_bytes;
            for index in 0..130 {
                let span = layout.span(index);
                assert_eq!(span.guard, end, "{span:?} follows its neighbour");
                assert_eq!(span.guard % page_bytes, 0);
                assert_eq!(span.pages, span.guard + layout.guard_bytes);
                assert!(span.pages <= span.bottom);
                assert!(span.top - span.bottom >= class.bytes());
                assert!(span.top <= span.end);
                assert_eq!((span.bottom % 64, span.top % 64), (0, 0));
                end = span.end;
            }
            let region_bytes = layout.region_bytes(130).expect("a small region");
            assert!(end <= region_bytes);
        }
    }

    #[test]
    fn a_canary_is_a_line_that_no_stack_has() {
        for (layout, ..) in layouts().filter(|(layout, ..)| layout.ends.has_canary()) {
            let mut top_below = 0;
            for index in 0..130 {
                let span = layout.span(index);
                let canary = span.bottom - LINE_BYTES;
                assert!(canary >= top_below, "above the stack below");
                if layout.ends == Ends::GuardBoth {
                    assert_eq!(canary, span.pages, "above the guard");
                }
                top_below = span.top;
            }
        }
    }

    #[test]
    fn what_is_given_back_is_whole_pages_without_the_neighbours_canary() {
        for (layout, _, page_bytes, _) in layouts() {
            for (first, last) in [(0, 0), (3, 5), (63, 64)] {
                let (start, bytes) = layout.idle_pages(first, last);
                assert_eq!((start % page_bytes, bytes % page_bytes), (0, 0));
                assert_eq!(start, layout.span(first).pages);
                assert!(start + bytes <= layout.span(last).end);
                if layout.ends == Ends::Canary {
                    assert!(start + bytes <= layout.span(last + 1).bottom - LINE_BYTES);
                }
            }
        }
    }

    #[test]
    fn what_is_used_has_stack_and_canary_and_no_guard() {
        for (layout, _, page_bytes, _) in layouts() {
            for index in [0, 1, 77] {
                let (start, bytes) = layout.used_pages(index);
                let span = layout.span(index);
                assert_eq!((start % page_bytes, bytes % page_bytes), (0, 0));
                assert_eq!(start + bytes, span.end);
                assert!(
                    start
                        <= span.bottom
                            - if layout.ends.has_canary() {
                                LINE_BYTES
                            } else {
                                0
                            }
                );
                assert!(!layout.ends.has_guards() || start >= span.pages);
            }
        }
    }

    #[test]
    fn guards_at_both_ends_touch_the_stack() {
        for (layout, ..) in layouts().filter(|(layout, ..)| layout.ends == Ends::GuardBoth) {
            for index in [0, 1, 77] {
                assert_eq!(layout.span(index).top, layout.span(index + 1).guard);
            }
            let bytes = layout.region_bytes(10).expect("a small region");
            assert_eq!(layout.span(10).guard + layout.guard_bytes, bytes);
        }
    }

    #[test]
    fn the_slot_of_a_guard_is_found_from_its_bytes_alone() {
        for (layout, ..) in layouts() {
            for index in [0, 1, 63, 64, 65, 1_000_000] {
                let span = layout.span(index);
                let found = layout.ends.has_guards().then_some(span);
                assert_eq!(layout.guard_around(span.guard), found);
                assert_eq!(layout.guard_around(span.pages - 1), found);
                assert_eq!(layout.guard_around(span.pages), None);
                assert_eq!(layout.guard_around(span.bottom), None);
                assert_eq!(layout.guard_around(span.top - 1), None);
            }
        }
    }

    #[test]
    fn a_layout_comes_back_out_of_its_words() {
        for (layout, ..) in layouts() {
            assert_eq!(StackLayout::from_words(layout.to_words()), Some(layout));
        }
        for words in [[0, 0], [0, 1 << 20], [1 << 20, 0], [usize::MAX; 2]] {
            assert_eq!(StackLayout::from_words(words), None);
        }
    }

    #[test]
    fn neighbours_have_64_different_colours() {
        for ends in [Ends::Canary, Ends::GuardBelow] {
            let layout = StackLayout::new(SizeClass::SMALLEST, 4096, 1, ends);
            let mut colours: Vec<_> = (0..64).map(|index| layout.span(index).top % 4096).collect();
            colours.sort_unstable();
            colours.dedup();
            assert_eq!(colours.len(), 64);
            assert_eq!(layout.span(64).top % 4096, layout.span(0).top % 4096);
        }
    }

    #[test]
    fn a_region_beyond_the_address_space_is_none() {
        let layout = StackLayout::new(SizeClass::LARGEST, 1 << 40, 1, Ends::GuardBelow);
        assert_eq!(layout.region_bytes(u32::MAX), None);
    }
}
