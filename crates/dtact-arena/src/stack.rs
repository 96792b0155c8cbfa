//! One stack: the right to run on it.
#![allow(unsafe_code, reason = "sends addresses between threads")]

use core::ptr::NonNull;

use crate::size_class::SizeClass;

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
/// left there.
///
/// There is no `Drop`: a stack that is forgotten is missing from its pool, and that is all. So a
/// runtime can keep it in raw places. Give it back with
/// [`StackPool::give_back`](crate::StackPool::give_back).
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
    pub(crate) class: SizeClass,
}

// SAFETY: a stack is two addresses and three numbers. Its methods read none of the memory, and
// whoever does uses the exclusive right that the value stands for, on any thread.
unsafe impl Send for Stack {}
// SAFETY: a shared stack gives out copies of its addresses and numbers, nothing more.
unsafe impl Sync for Stack {}

impl Stack {
    /// One past the highest byte, where the first frame goes; a multiple of 64.
    #[inline]
    #[must_use]
    pub fn top(&self) -> NonNull<u8> {
        self.top
    }

    /// The lowest byte; the guard ends here, at a page boundary.
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

    /// The number of the stack in its class; below the capacity of the pool.
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
}
