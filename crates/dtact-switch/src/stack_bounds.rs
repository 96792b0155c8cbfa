//! Where a stack lies, for a fresh context.

use core::ptr::NonNull;

/// Where a stack lies.
///
/// ```text
///   top ─►    ┌──────────────┐  one past the highest byte
///             │ grows down   │
///             │      ▼       │
///   bottom ─► ├──────────────┤  the lowest byte that may be used
///             │ guard        │  what an overflow meets, if anything
///   lowest ─► └──────────────┘  the lowest byte that belongs to the stack
/// ```
///
/// Execution needs the top alone. The rest is for systems that keep a note of the stack which a
/// thread runs on, as Windows does: there a new context carries these numbers, and elsewhere they
/// are dropped by the compiler. They are numbers here; that they are true is a promise of who makes
/// the context.
///
/// ```
/// use dtact_switch::StackBounds;
///
/// let mut block = vec![0_u128; 4096];
/// let bounds = StackBounds::of_block(&mut block);
/// assert_eq!(bounds.top().addr().get() - bounds.bottom().addr().get(), 64 * 1024);
/// assert_eq!(bounds, StackBounds::new(bounds.top(), bounds.bottom()));
/// assert_eq!(bounds.lowest(), bounds.bottom(), "no guard");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackBounds {
    top: NonNull<u8>,
    bottom: NonNull<u8>,
    lowest: NonNull<u8>,
    overflow_bytes: u32,
}

impl StackBounds {
    /// The stack from `bottom` up to `top`, with nothing that belongs to it below.
    #[inline]
    #[must_use]
    pub const fn new(top: NonNull<u8>, bottom: NonNull<u8>) -> Self {
        Self {
            top,
            bottom,
            lowest: bottom,
            overflow_bytes: 0,
        }
    }

    /// All of a block, whose element type gives the alignment of a top.
    #[inline]
    #[must_use]
    pub const fn of_block(block: &mut [u128]) -> Self {
        let range = block.as_mut_ptr_range();
        let (Some(top), Some(bottom)) = (
            NonNull::new(range.end.cast()),
            NonNull::new(range.start.cast()),
        ) else {
            unreachable!()
        };
        Self::new(top, bottom)
    }

    /// The same stack with a guard from `lowest` up to the bottom, of which `overflow_bytes` are
    /// opened to the handler of an overflow.
    ///
    /// On Windows `lowest` is the lowest byte of the reservation, and `overflow_bytes` is what
    /// `SetThreadStackGuarantee` calls the guarantee: the pages directly above the lowest one have
    /// `PAGE_GUARD`, and there are that many bytes of them. Elsewhere neither has an effect.
    #[inline]
    #[must_use]
    pub const fn with_guard(self, lowest: NonNull<u8>, overflow_bytes: u32) -> Self {
        Self {
            lowest,
            overflow_bytes,
            ..self
        }
    }

    /// The same stack, of which what lies above `top` is in use for something else.
    #[inline]
    #[must_use]
    pub const fn below(self, top: NonNull<u8>) -> Self {
        Self { top, ..self }
    }

    /// One past the highest byte.
    #[inline]
    #[must_use]
    pub const fn top(&self) -> NonNull<u8> {
        self.top
    }

    /// The lowest byte that may be used.
    #[inline]
    #[must_use]
    pub const fn bottom(&self) -> NonNull<u8> {
        self.bottom
    }

    /// The lowest byte that belongs to the stack, its guard included.
    #[inline]
    #[must_use]
    pub const fn lowest(&self) -> NonNull<u8> {
        self.lowest
    }

    /// The bytes of the guard that are opened to the handler of an overflow, on Windows.
    #[inline]
    #[must_use]
    pub const fn overflow_bytes(&self) -> u32 {
        self.overflow_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_say_what_they_were_told() {
        let mut block = [0_u8; 64];
        let lowest = NonNull::from(&mut block).cast::<u8>();
        let at = |offset: usize| {
            NonNull::new(lowest.as_ptr().wrapping_byte_add(offset)).expect("inside the block")
        };
        let plain = StackBounds::new(at(64), at(16));
        assert_eq!((plain.lowest(), plain.overflow_bytes()), (at(16), 0));
        let guarded = plain.with_guard(lowest, 8).below(at(48));
        assert_eq!((guarded.top(), guarded.bottom()), (at(48), at(16)));
        assert_eq!((guarded.lowest(), guarded.overflow_bytes()), (lowest, 8));
    }
}
