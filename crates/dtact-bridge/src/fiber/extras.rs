//! What few fibers have: a name, fiber-local values, a scope. A table beside the cells, made piece
//! by piece when a piece is first used, so that fibers without any of it cost nothing.
//!
//! # Who reads and writes
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `name`, `scope_id` | whoever fills the cell, or the holder, once | anyone, who checks the generation after: see `name.rs` |
//! | `born` | whoever fills the cell, in runtimes with spawn times | anyone, who checks the generation after |
//! | `woken` | whoever takes hold of the fiber by a wake, in runtimes that measure | the holder |
//! | `locals`, `scope`, `span` | whoever fills the cell, then the holder | the same |
//!
//! # Invariants
//!
//! - [bridge.E1] `locals`, `scope` and the span are touched by whoever holds the fiber [bridge.S1],
//!   or fills its cell, alone.

#![allow(unsafe_code, reason = "shares what has one holder at a time")]

use core::{cell::UnsafeCell, time::Duration};

use dtact_arena::{CellClass, CellIndex};

use crate::{
    fiber::{Header, local::Locals, name::Name, traits},
    scope::ScopeState,
    spans::TaskSpan,
    sync::{Arc, AtomicU64, OnceLock, Ordering},
};

/// How many cells one piece of the table is for.
const PIECE: usize = 512;

/// The pieces for the cells of one class.
type Pieces = Box<[OnceLock<Box<[Extra]>>]>;

/// What belongs to one cell.
#[derive(Debug)]
pub(crate) struct Extra {
    name: Name,
    scope_id: AtomicU64,
    /// When the fiber was spawned: nanoseconds since its runtime was started, and one.
    born: AtomicU64,
    /// When it was woken, until it runs: as above, and 0 where it was not.
    woken: AtomicU64,
    scope: UnsafeCell<Option<Arc<ScopeState>>>,
    locals: UnsafeCell<Locals>,
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "there is none"))]
    span: TaskSpan,
}

// As `Builder::spawn_times` and `Builder::wake_latencies` say.
#[cfg(all(target_pointer_width = "64", not(feature = "tracing")))]
const _: () = assert!(size_of::<Extra>() == 72);

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
            name: Name::new(),
            scope_id: AtomicU64::new(0),
            born: AtomicU64::new(0),
            woken: AtomicU64::new(0),
            scope: UnsafeCell::new(None),
            locals: UnsafeCell::new(Locals::new()),
            span: TaskSpan::new(),
        }
    }

    /// For a fiber that is not NAMED yet: while its cell is being filled, or for its holder.
    pub(crate) fn set_name(&self, name: &'static str) {
        self.name.set(name);
    }

    /// While the cell is being filled: `since_start` is when.
    pub(crate) fn set_born(&self, since_start: Duration) {
        let nanos = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        // Release: as the words of a name, see `name.rs`.
        self.born.store(nanos.saturating_add(1), Ordering::Release);
    }

    /// For whoever has just taken hold of the fiber by a wake: `since_start` is when.
    pub(crate) fn set_woken(&self, since_start: Duration) {
        let nanos = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed: it is passed on with the fiber [bridge.S1].
        self.woken.store(nanos.saturating_add(1), Ordering::Relaxed);
    }

    /// When it was woken, for its holder, who is told once.
    pub(crate) fn take_woken(&self) -> Option<Duration> {
        // Relaxed, both: as above.
        let nanos = self.woken.load(Ordering::Relaxed).checked_sub(1)?;
        self.woken.store(0, Ordering::Relaxed);
        Some(Duration::from_nanos(nanos))
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

    /// The span, which is the holder's but for its id.
    #[cfg(feature = "tracing")]
    pub(crate) const fn span(&self) -> &TaskSpan {
        &self.span
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
        // SAFETY: it was there, with the bit that comes after the name; its end raises the
        // generation before the cell gets to whoever names the next.
        unsafe { self.get(cell)?.name.get(is_there) }
    }

    /// When the fiber of this generation was spawned, if it is still there and that was noted.
    pub(crate) fn born(
        &self,
        cell: CellIndex,
        header: &Header,
        generation: u32,
    ) -> Option<Duration> {
        // Acquire: who sees the time of the next fiber sees the generation rise.
        let nanos = self
            .get(cell)?
            .born
            .load(Ordering::Acquire)
            .checked_sub(1)?;
        let is_there = header.state.live_generation() == Some(generation);
        is_there.then(|| Duration::from_nanos(nanos))
    }
}
