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
    pub(crate) index: u32,
    /// Tells this taking of the slot from others.
    pub(crate) generation: u16,
    pub(crate) class: SizeClass,
    /// 0 or 1. No `bool`: `Option<Stack>` would keep its tag in the unused values of this byte, and
    /// copy stacks in pieces that overlap.
    pub(crate) canary_count: u8,
}

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

impl Stack {
    #[inline]
    pub(crate) fn key(&self) -> StackKey {
        StackKey {
            index: self.index,
            generation: self.generation,
        }
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
        self.index
    }

    /// The size class.
    #[inline]
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.class
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
