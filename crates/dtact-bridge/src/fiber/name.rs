//! The name of the fiber in a cell, in two words that anyone may read while the next fiber gets its
//! own.
//!
//! # The race
//!
//! Somebody reads the name of a fiber while it ends and the next one is given its cell and another
//! name: address and length could be of two names. So the reader asks whether the fiber is still
//! there, before and after. Each word is written with release and read with acquire: who reads any
//! part of the next name sees the end of the fiber before it, which raised the generation, when it
//! asks again. A fiber gets a name once, and the bit NAMED after it, which the reader looks at
//! first: who sees the bit sees the whole name.
//!
//! | store | pairs with |
//! | --- | --- |
//! | `set`, release, both words | `get`, acquire: the end of the fiber before is visible |
//!
//! # Invariants
//!
//! - [bridge.E2] Address and length of a name that were written for the same fiber are those of a
//!   text that lives for ever.

#![allow(unsafe_code, reason = "puts names together from two words")]

use core::{ptr, slice};

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// The two words.
#[derive(Debug)]
pub(crate) struct Name {
    text: AtomicPtr<u8>,
    len: AtomicUsize,
}

impl Name {
    #[cfg(not(dtact_loom))]
    pub(crate) const fn new() -> Self {
        Self {
            text: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
        }
    }

    #[cfg(dtact_loom)]
    pub(crate) fn new() -> Self {
        Self {
            text: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
        }
    }

    /// For a fiber that is not NAMED yet: while its cell is being filled, or for its holder.
    pub(crate) fn set(&self, name: &'static str) {
        self.len.store(name.len(), Ordering::Release);
        self.text.store(name.as_ptr().cast_mut(), Ordering::Release);
    }

    /// The name of the fiber that `is_there` asks for, if it is there all the while.
    ///
    /// # Safety
    ///
    /// - The fiber was there and had its name, in the view of the caller, when this is called.
    /// - `is_there` sees that it has gone, if the caller's thread has seen anything that came after
    ///   its end.
    pub(crate) unsafe fn get(&self, is_there: impl FnOnce() -> bool) -> Option<&'static str> {
        let len = self.len.load(Ordering::Acquire);
        let text = self.text.load(Ordering::Acquire);
        if text.is_null() || !is_there() {
            return None;
        }
        // SAFETY: both words were written for this fiber [bridge.E2], see "The race".
        let bytes = unsafe { slice::from_raw_parts(text, len) };
        // SAFETY: they were a `str`.
        Some(unsafe { str::from_utf8_unchecked(bytes) })
    }
}
