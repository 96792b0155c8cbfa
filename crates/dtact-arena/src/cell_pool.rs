//! Cells of all sizes: one dense region and one depot for each class.
//!
//! ```text
//!   address = bottom(class) + slot × bytes(class)
//! ```
#![allow(
    unsafe_code,
    reason = "computes addresses without checks where the caller has checked"
)]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::cell::{CLASS_BYTES, CLASS_COUNT, CellClass, CellIndex, SLOTS_MAX};
use crate::cell_builder::CellPoolBuilder;
use crate::depot::Depot;
use crate::error::ArenaError;
use crate::region::Region;
use crate::stack_builder::check_capacity;
use crate::sys::{Platform, System};
use crate::table::Table;

/// The most cells that go between a depot and a cache in one step.
pub(crate) const CHUNK_MAX: u32 = 32;

/// A pool of small aligned blocks, each named by a [`CellIndex`].
///
/// The pool never reads or writes a cell. A cell that is taken for the first time is zero; later it
/// holds what its last user left, so a generation kept in the cell survives. Address space for all
/// cells is reserved at the start; memory is committed page by page as cells are touched. Dropping
/// the pool unmaps everything.
///
/// # Whose a cell is
///
/// A cell belongs to the one who took it, until they give it back: once, and to this pool. Safe
/// code can break that by giving an index back twice, and then two users are given one cell; that
/// is harmless to the pool, but unsafe code that turns addresses into references leans on it.
///
/// ```
/// use dtact_arena::CellPool;
///
/// let pool = CellPool::new(100)?;
/// let class = CellPool::class_for(200).unwrap();
/// let cell = pool.take(class)?;
/// let address = pool.address(cell).unwrap();
/// assert_eq!(address.addr().get() % 64, 0);
/// pool.give_back(cell);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[doc(alias = "Arena")]
#[derive(Debug)]
pub struct CellPool {
    pub(crate) id: u64,
    /// The cells of each class.
    pub(crate) capacity: u32,
    /// How many cells a cache takes or gives back in one step.
    pub(crate) chunk: u32,
    /// How many cells of a class a cache keeps.
    pub(crate) cache_limit: u32,
    /// The cells of all classes, one class after the other.
    region: Region,
    /// How far above its bottom those of a class begin.
    offsets: [usize; CLASS_COUNT],
    depots: [Depot; CLASS_COUNT],
}

impl CellPool {
    /// The bytes of a cell, by class.
    pub const CLASSES: [usize; CLASS_COUNT] = CLASS_BYTES;

    /// The most cells of one class.
    pub const CAPACITY_MAX: u32 = SLOTS_MAX;

    /// A pool of `capacity_per_class` cells of each class, with all else as
    /// [`builder`](Self::builder) has it.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::CapacityZero`], [`ArenaError::CapacityTooLarge`]: not from 1 to
    ///   [`CAPACITY_MAX`](Self::CAPACITY_MAX);
    /// - [`ArenaError::Os`]: the system refused the address space.
    pub fn new(capacity_per_class: u32) -> Result<Self, ArenaError> {
        Self::builder().capacity(capacity_per_class).build()
    }

    /// Starts the description of a pool.
    pub fn builder() -> CellPoolBuilder {
        CellPoolBuilder::new()
    }

    pub(crate) fn try_new(builder: &CellPoolBuilder) -> Result<Self, ArenaError> {
        let capacity = builder.capacity;
        check_capacity(capacity, Self::CAPACITY_MAX)?;
        if builder.has_huge_pages && System::are_huge_pages_off() {
            return Err(ArenaError::HugePagesOff);
        }
        let mut bytes_of_all = 0;
        let offsets = CLASS_BYTES.map(|cell_bytes| {
            let offset = bytes_of_all;
            bytes_of_all += cell_bytes * capacity as usize;
            offset
        });
        // Caches hold back cells that others may need: a 64th of a class at a time and a 32nd in
        // all, which for the smallest pools is none.
        Ok(Self {
            id: crate::pool_id::next(),
            capacity,
            chunk: (capacity / 64).clamp(1, CHUNK_MAX),
            cache_limit: (capacity / 32).min(2 * CHUNK_MAX),
            region: region(offsets, bytes_of_all, builder)?,
            offsets,
            depots: Table::try_new([capacity; CLASS_COUNT])?.map(Depot::new),
        })
    }

    /// The smallest class of at least `bytes`; `None` above the largest.
    #[must_use]
    pub const fn class_for(bytes: usize) -> Option<CellClass> {
        CellClass::for_bytes(bytes)
    }

    /// The cells of each class.
    #[must_use]
    pub fn capacity_per_class(&self) -> u32 {
        self.capacity
    }

    /// Where a cell lies; `None` when the pool has no such cell.
    ///
    /// A multiple of 64. The bytes of the class are mapped from there on until the pool is dropped.
    #[inline]
    #[must_use]
    pub fn address(&self, index: CellIndex) -> Option<NonNull<u8>> {
        if index.slot() >= self.capacity {
            return None;
        }
        // SAFETY: the slot was just checked.
        Some(unsafe { self.address_unchecked(index) })
    }

    /// Where a cell lies, as [`address`](Self::address), unchecked.
    ///
    /// # Safety
    ///
    /// - `index` is one that `address` answers with `Some`, such as one taken from this pool.
    #[inline]
    #[must_use]
    pub unsafe fn address_unchecked(&self, index: CellIndex) -> NonNull<u8> {
        debug_assert!(
            index.slot() < self.capacity,
            "the caller has checked the index"
        );
        let class = index.class();
        // SAFETY: a class is below 7 [arena.I6].
        let offset = unsafe { *self.offsets.get_unchecked(class.index()) };
        let offset = offset + index.slot() as usize * class.bytes();
        // SAFETY: the slot is below the capacity, and from the offset of the class on the region
        // has the bytes of the class for each slot below the capacity [arena.I1].
        unsafe { self.region.bottom().add(offset) }
    }

    /// Takes a cell from the depot.
    ///
    /// # Errors
    ///
    /// [`ArenaError::CellsExhausted`]: at one moment during the call all cells of the class were
    /// out. Those in a [`CellCache`](crate::CellCache) are out.
    pub fn take(&self, class: CellClass) -> Result<CellIndex, ArenaError> {
        let slot = self.depots[class.index()].take();
        slot.map(|slot| CellIndex::new(class, slot))
            .ok_or_else(|| self.exhausted(class))
    }

    /// Gives a cell back to the depot, by the one who took it, once.
    ///
    /// # Panics
    ///
    /// When the pool has no such cell.
    #[track_caller]
    pub fn give_back(&self, index: CellIndex) {
        self.check(index);
        self.depots[index.class().index()].give_back(&[index.slot()]);
    }

    /// The slots `0..touched` of a class have been taken at least once, by a user or a cache.
    ///
    /// All others are zero, and need no teardown. So are those that a cache took and handed to
    /// nobody.
    #[must_use]
    pub fn touched(&self, class: CellClass) -> u32 {
        self.depots[class.index()].touched()
    }

    /// The cells of a class that have been taken at least once: see [`touched`](Self::touched).
    pub fn touched_cells(&self, class: CellClass) -> impl Iterator<Item = CellIndex> + use<> {
        (0..self.touched(class)).map(move |slot| CellIndex::new(class, slot))
    }

    pub(crate) fn depot(&self, class: CellClass) -> &Depot {
        &self.depots[class.index()]
    }

    #[track_caller]
    pub(crate) fn check(&self, index: CellIndex) {
        assert!(
            index.slot() < self.capacity,
            "a cell goes back to the pool it came from"
        );
    }

    #[cold]
    pub(crate) fn exhausted(&self, class: CellClass) -> ArenaError {
        ArenaError::CellsExhausted {
            cell_bytes: class.bytes(),
            capacity: self.capacity,
        }
    }
}

/// The cells of all classes, of which each begins at its offset.
fn region(
    offsets: [usize; CLASS_COUNT],
    bytes: usize,
    builder: &CellPoolBuilder,
) -> Result<Region, ArenaError> {
    let bytes = NonZeroUsize::new(bytes).expect("a capacity that was checked is not 0");
    let region = Region::try_new_uncommitted(bytes)?;
    // One class after the other: Linux, of which Wine asks it, promises no more at a time than the
    // machine has.
    let page = System::page_bytes();
    let ends = offsets[1..].iter().copied().chain([region.bytes()]);
    for (offset, end) in offsets.into_iter().zip(ends) {
        let (from, to) = (offset / page * page, end.next_multiple_of(page));
        region
            .commit(from, to - from)
            .map_err(|errno| ArenaError::Os {
                op: "committing memory for cells",
                errno,
            })?;
    }
    if builder.has_huge_pages {
        region
            .request_huge_pages()
            .map_err(|errno| ArenaError::Os {
                op: "asking for huge pages for cells",
                errno,
            })?;
    }
    if let Some(node) = builder.node {
        region.prefer_node(node)?;
    }
    Ok(region)
}

#[cfg(all(test, not(dtact_loom)))]
mod tests;
