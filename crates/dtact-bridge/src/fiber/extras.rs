//! What few fibers have: a name, fiber-local values, a scope. A table beside the cells, made piece
//! by piece when a piece is first used, so that fibers without any of it cost nothing.
//!
//! # Who reads and writes
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `name`, `scope_id` | whoever fills the cell, or the holder, once | anyone, who checks the generation after |
//! | `locals`, `scope` | whoever fills the cell, then the holder | the same |
//!
//! # The race
//!
//! Somebody reads the name of a fiber while it ends and the next one is given its cell and another
//! name: address and length could be of two names. So the reader looks at the generation before
//! and after. Each field is written with release and read with acquire: who reads any part of the
//! next name sees the end of the fiber before it, which raised the generation, at the second look.
//! A fiber gets a name once, and the bit NAMED after it, which the reader looks at first: who sees
//! the bit sees the whole name.
//!
//! # Invariants
//!
//! - [bridge.E1] `locals` and `scope` are touched by whoever holds the fiber [bridge.S1], or fills
//!   its cell, alone.
//! - [bridge.E2] Address and length of a name that were written for the same fiber are those of a
//!   text that lives for ever.

#![allow(
    unsafe_code,
    reason = "puts names together from two words, and shares what has one holder"
)]

use core::{cell::UnsafeCell, ptr, slice};

use dtact_arena::{CellClass, CellIndex};

use crate::{
    fiber::{Header, local::Locals, traits},
    scope::ScopeState,
    sync::{Arc, AtomicPtr, AtomicU64, AtomicUsize, OnceLock, Ordering},
};

/// How many cells one piece of the table is for.
const PIECE: usize = 512;

/// The pieces for the cells of one class.
type Pieces = Box<[OnceLock<Box<[Extra]>>]>;

/// What belongs to one cell.
#[derive(Debug)]
pub(crate) struct Extra {
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
    scope_id: AtomicU64,
    scope: UnsafeCell<Option<Arc<ScopeState>>>,
    locals: UnsafeCell<Locals>,
}

// SAFETY: the plain fields have one holder at a time, which is passed on with the fiber
// [bridge.E1]; what they hold is `Send`.
unsafe impl Sync for Extra {}

/// The table of a runtime.
#[derive(Debug)]
pub(crate) struct Extras {
    classes: Box<[OnceLock<Pieces>]>,
    pieces_per_class: usize,
}

impl Extra {
    const fn new() -> Self {
        Self {
            name: AtomicPtr::new(ptr::null_mut()),
            name_len: AtomicUsize::new(0),
            scope_id: AtomicU64::new(0),
            scope: UnsafeCell::new(None),
            locals: UnsafeCell::new(Locals::new()),
        }
    }

    /// For a fiber that is not NAMED yet: while its cell is being filled, or for its holder.
    pub(crate) fn set_name(&self, name: &'static str) {
        self.name_len.store(name.len(), Ordering::Release);
        self.name.store(name.as_ptr().cast_mut(), Ordering::Release);
    }

    /// While the cell is being filled.
    ///
    /// # Safety
    ///
    /// - The caller has just taken the cell.
    pub(crate) unsafe fn set_scope(&self, scope: Arc<ScopeState>) {
        self.scope_id.store(scope.id(), Ordering::Release);
        // SAFETY: the cell, and with it this field, is the caller's alone [bridge.E1].
        unsafe { *self.scope.get() = Some(scope) };
    }

    /// The scope of the fiber, which has none afterwards.
    ///
    /// # Safety
    ///
    /// - The caller holds the fiber [bridge.S1].
    pub(crate) unsafe fn take_scope(&self) -> Option<Arc<ScopeState>> {
        // SAFETY: the holder alone touches it [bridge.E1].
        unsafe { (*self.scope.get()).take() }
    }

    /// Which scope the fiber belongs to: a hint, until the generation was checked.
    pub(crate) fn scope_id(&self) -> u64 {
        self.scope_id.load(Ordering::Acquire)
    }

    /// The fiber-local values.
    ///
    /// # Safety
    ///
    /// - The caller holds the fiber, or is its code, as long as the reference lives [bridge.S1].
    pub(crate) unsafe fn locals(&self) -> &Locals {
        // SAFETY: the holder alone touches them [bridge.E1].
        unsafe { &*self.locals.get() }
    }
}

impl Extras {
    pub(crate) fn new(capacity_per_class: u32) -> Self {
        Self {
            classes: CellClass::all().map(|_| OnceLock::new()).collect(),
            pieces_per_class: (capacity_per_class as usize).div_ceil(PIECE),
        }
    }

    /// What belongs to a cell; made if need be.
    pub(crate) fn get_or_make(&self, cell: CellIndex) -> &Extra {
        let slot = cell.slot() as usize;
        let pieces = self.classes[cell.class().index()].get_or_init(|| {
            (0..self.pieces_per_class)
                .map(|_| OnceLock::new())
                .collect()
        });
        let piece = pieces[slot / PIECE].get_or_init(|| (0..PIECE).map(|_| Extra::new()).collect());
        &piece[slot % PIECE]
    }

    /// What belongs to a cell, if anything ever did.
    pub(crate) fn get(&self, cell: CellIndex) -> Option<&Extra> {
        let slot = cell.slot() as usize;
        let pieces = self.classes[cell.class().index()].get()?;
        Some(&pieces[slot / PIECE].get()?[slot % PIECE])
    }

    /// The name of the fiber of this generation, if it is still there and has one.
    pub(crate) fn name(
        &self,
        cell: CellIndex,
        header: &Header,
        generation: u32,
    ) -> Option<&'static str> {
        let is_there = || header.state.live_generation() == Some(generation);
        if !is_there() || header.traits_with_what_they_announce() & traits::NAMED == 0 {
            return None;
        }
        let extra = self.get(cell)?;
        let len = extra.name_len.load(Ordering::Acquire);
        let name = extra.name.load(Ordering::Acquire);
        // See "The race".
        if name.is_null() || !is_there() {
            return None;
        }
        // SAFETY: both words were written for this fiber [bridge.E2].
        let bytes = unsafe { slice::from_raw_parts(name, len) };
        // SAFETY: they were a `str`.
        Some(unsafe { str::from_utf8_unchecked(bytes) })
    }
}
