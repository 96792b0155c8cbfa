//! One stack: the right to run on it.
#![allow(unsafe_code, reason = "sends addresses between threads")]

use core::ptr::NonNull;

use crate::error::ArenaError;
use crate::size_class::SizeClass;
use crate::sys::{Platform, System};

/// A stack taken from a [`StackPool`](crate::StackPool).
///
/// ```text
///   guard │ bottom ................................ top │
///         └── usable_bytes() ── grows this way ◄─────────┘
/// ```
///
/// It is the right to run on the memory between [`bottom`](Self::bottom) and [`top`](Self::top):
/// while it is out, the pool gives the same memory to nobody else. The memory is mapped until the
/// pool is dropped; whoever dereferences the addresses or runs on them sees to it that the pool
/// lives on. What the memory holds is not specified: zeroes at first, later what earlier users
/// left there, or zeroes again.
///
/// There is no `Drop`: a stack that is forgotten is missing from its pool, and that is all. So a
/// runtime can keep it in raw places. Give it back with
/// [`StackPool::give_back`](crate::StackPool::give_back), once: unsafe code that has made a second
/// value of one stack meets a panic when it gives that back too.
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dtact_arena::Stack>();
/// ```
#[derive(Debug)]
#[must_use = "a stack that is not given back is missing from its pool"]
pub struct Stack {
    pub(crate) top: NonNull<u8>,
    pub(crate) bottom: NonNull<u8>,
    pub(crate) pool_id: u64,
    /// Which slot it has, and what of it. One word: of several fields the compiler takes one along
    /// in a register, and copies what remains in pieces that overlap, for which the processor has
    /// to wait until they were written.
    slot: u64,
}

/// ```text
///   63      56 55      48 47              32 31              0
///  ┌──────────┬──────────┬──────────────────┬────────────────┐
///  │ canaries │ class    │ generation       │ index          │
///  └──────────┴──────────┴──────────────────┴────────────────┘
/// ```
const GENERATION_SHIFT: u32 = 32;
const CLASS_SHIFT: u32 = 48;
const CANARY_SHIFT: u32 = 56;

/// The right to a stack of a known pool and class, by its number: eight bytes, from which the
/// addresses are computed anew. A `Stack` is four times as large, and copying one in and out of
/// memory costs more than that.
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct StackKey {
    pub(crate) index: u32,
    pub(crate) generation: u16,
}

// SAFETY: a stack is two addresses and some numbers. Its methods read none of the memory, and
// whoever does uses the exclusive right that the value stands for, on any thread.
unsafe impl Send for Stack {}
// SAFETY: a shared stack gives out copies of its addresses and numbers, nothing more.
unsafe impl Sync for Stack {}

#[expect(
    clippy::cast_possible_truncation,
    reason = "takes fields out of a word"
)]
impl Stack {
    #[inline]
    pub(crate) fn new(
        (bottom, top): (NonNull<u8>, NonNull<u8>),
        pool_id: u64,
        key: StackKey,
        class: SizeClass,
        has_canary: bool,
    ) -> Self {
        Self {
            top,
            bottom,
            pool_id,
            slot: u64::from(key.index)
                | u64::from(key.generation) << GENERATION_SHIFT
                | (class.index() as u64) << CLASS_SHIFT
                | u64::from(has_canary) << CANARY_SHIFT,
        }
    }

    #[inline]
    pub(crate) const fn key(&self) -> StackKey {
        StackKey {
            index: self.slot as u32,
            generation: (self.slot >> GENERATION_SHIFT) as u16,
        }
    }

    /// Whether there is a canary between the guard and the bottom.
    #[inline]
    pub(crate) const fn has_canary(&self) -> bool {
        self.slot >> CANARY_SHIFT != 0
    }

    /// One past the highest byte, where the first frame goes; a multiple of 64.
    #[inline]
    #[must_use]
    pub fn top(&self) -> NonNull<u8> {
        self.top
    }

    /// The lowest byte; a multiple of 64. Below it is the guard; where there is a canary, that is
    /// between the two.
    #[inline]
    #[must_use]
    pub fn bottom(&self) -> NonNull<u8> {
        self.bottom
    }

    /// The bytes between bottom and top: at least the bytes asked for and those of the class.
    #[inline]
    #[must_use]
    pub fn usable_bytes(&self) -> usize {
        self.top.addr().get() - self.bottom.addr().get()
    }

    /// The number of the stack in its class; below the capacity of the pool and an eighth more.
    #[inline]
    #[must_use]
    pub fn index(&self) -> u32 {
        self.key().index
    }

    /// The size class.
    #[inline]
    #[must_use]
    pub fn class(&self) -> SizeClass {
        SizeClass::of_place((self.slot >> CLASS_SHIFT) as u8)
    }

    /// How deep the stack has been, from its top down to the lowest page that was ever touched, in
    /// bytes; 0 for one that was not.
    ///
    /// It counts all users of the memory since it last went back to the system. To measure one,
    /// take the stack from a fresh pool, or call [`StackPool::trim`](crate::StackPool::trim) first.
    /// The answer is exact to a page. Nothing is written to the stack to find out; the system is
    /// asked, which takes microseconds.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Os`]: the system did not say; also where the pool is gone.
    ///
    /// ```
    /// use dtact_arena::StackPool;
    ///
    /// let pool = StackPool::builder().build()?;
    /// let stack = pool.take(64 * 1024)?;
    /// assert!(stack.high_water_bytes()? <= stack.usable_bytes());
    /// # Ok::<(), dtact_arena::ArenaError>(())
    /// ```
    pub fn high_water_bytes(&self) -> Result<usize, ArenaError> {
        let page_bytes = System::page_bytes();
        let start = self.bottom.addr().get() / page_bytes * page_bytes;
        let end = self.top.addr().get().next_multiple_of(page_bytes);
        let below = self.bottom.addr().get() - start;
        let pages = NonNull::new(self.bottom.as_ptr().wrapping_sub(below));
        let touched = System::touched(pages.unwrap_or(self.bottom), end - start);
        let touched = touched.map_err(|errno| ArenaError::Os {
            op: "asking which pages of a stack were touched",
            errno,
        })?;
        Ok(touched.lowest.map_or(0, |lowest| {
            let lowest = (start + lowest).max(self.bottom.addr().get());
            self.top.addr().get().saturating_sub(lowest)
        }))
    }
}
