//! What a coroutine asks of the memory that it runs on.
#![allow(
    unsafe_code,
    reason = "whether memory can be a stack is a promise of the one who brings it"
)]

use core::ptr::NonNull;

use crate::StackBounds;

/// A block of memory to run on.
///
/// ```text
///   top ─►    ┌──────────────┐  one past the highest byte
///             │ grows down   │
///             │      ▼       │
///   bottom ─► ├──────────────┤  the lowest byte that may be used
///             │ guard        │  inaccessible
///             └──────────────┘
/// ```
///
/// # Safety
///
/// From the moment that a coroutine is given the value until the value is dropped, or handed back
/// by the coroutine:
///
/// * [`top`](Self::top), [`bottom`](Self::bottom) and [`bounds`](Self::bounds) answer the same each
///   time, also after the value was moved, and agree with each other. `top` is a multiple of
///   [`Context::STACK_ALIGN`](crate::Context::STACK_ALIGN), and not below `bottom`.
/// * The bytes from `bottom` to `top` are valid for reads and writes through the pointer that `top`
///   returns. Nothing else uses them, and another value does not describe any of them.
/// * Below `bottom` lies a guard that faults, and that code cannot step over; or whoever makes the
///   value promises that nothing which ever runs on it, signal handlers included, overflows it.
/// * If the value is forgotten, all this holds forever: the memory is never used for anything else.
pub unsafe trait Stack {
    /// One past the highest byte.
    fn top(&self) -> NonNull<u8>;

    /// The lowest byte that may be used.
    fn bottom(&self) -> NonNull<u8>;

    /// All that a context may need to know. The guard belongs into it, if it is to do more than to
    /// fault: see [`StackBounds::with_guard`].
    #[inline]
    fn bounds(&self) -> StackBounds {
        StackBounds::new(self.top(), self.bottom())
    }
}

// SAFETY: the same memory as that of the value behind the reference, which nobody else can reach
// while the reference is alive. Forgotten, a reference of limited lifetime would free the value
// for others: so constructors that are safe ask for `'static`, and the others for a promise.
unsafe impl<S: Stack + ?Sized> Stack for &mut S {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        (**self).top()
    }

    #[inline]
    fn bottom(&self) -> NonNull<u8> {
        (**self).bottom()
    }

    #[inline]
    fn bounds(&self) -> StackBounds {
        (**self).bounds()
    }
}
