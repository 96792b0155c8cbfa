//! A stack of things that live for ever: anyone pushes one, somebody takes all.
//!
//! Taking all at once needs no comparison with what is below, so that no thing which goes and comes
//! back in between is mistaken (there is no ABA).
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `push` | release exchange | the acquire swap in `take_all`: the thing and its link are visible |

#![allow(unsafe_code, reason = "turns addresses back into references")]

use core::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// What can be in a stack: it has a link, which belongs to whoever has the thing.
pub(crate) trait Linked: Sized + 'static {
    /// The one below.
    fn link(&self) -> &AtomicPtr<Self>;
}

/// The stack.
#[derive(Debug)]
pub(crate) struct Stack<T>(AtomicPtr<T>);

impl<T: Linked> Stack<T> {
    #[cfg(not(dtact_loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(dtact_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Whether nothing is there. A hint.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Puts a thing on top. It is the caller's until then.
    pub(crate) fn push(&self, thing: &'static T) {
        let mut top = self.0.load(Ordering::Relaxed);
        loop {
            // Relaxed: the exchange publishes it.
            thing.link().store(top, Ordering::Relaxed);
            match self.0.compare_exchange_weak(
                top,
                ptr::from_ref(thing).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Takes all; they are the caller's. The last that was pushed comes first.
    pub(crate) fn take_all(&self) -> Chain<T> {
        let first = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: null, or made of a `&'static T` in `push`.
        Chain(unsafe { first.as_ref() })
    }
}

/// What was in a stack.
pub(crate) struct Chain<T: 'static>(Option<&'static T>);

impl<T: Linked> Chain<T> {
    pub(crate) const fn empty() -> Self {
        Self(None)
    }

    /// Puts a thing of the caller's first.
    pub(crate) fn push(&mut self, thing: &'static T) {
        let below = self.0.replace(thing);
        let below = below.map_or(ptr::null_mut(), |below| ptr::from_ref(below).cast_mut());
        thing.link().store(below, Ordering::Relaxed);
    }
}

impl<T: Linked> Iterator for Chain<T> {
    type Item = &'static T;

    fn next(&mut self) -> Option<&'static T> {
        let first = self.0?;
        let below = first.link().load(Ordering::Relaxed);
        // SAFETY: null, or made of a `&'static T` in one of the `push`; the acquire of `take_all`
        // has made what it points to visible.
        self.0 = unsafe { below.as_ref() };
        Some(first)
    }
}
