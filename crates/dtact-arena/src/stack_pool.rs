//! Stacks of all sizes: regions by size class, depots, guards, permits.
//!
//! ```text
//!   StackPool ── permits (capacity, over all classes)
//!       ├─ 16 KiB ── region of `capacity` slots, depot, which slots have their guard
//!       ├─ 32 KiB ── not reserved before its first use
//!       ⋮
//!       └─ 8 MiB
//! ```
//!
//! # Invariants
//!
//! - [arena.I5] A stack leaves a pool of `SafetyLevel::Safety1` only with its guard in place.
//!   The guard of a slot is made once, by the first who takes the slot, and stays.
//!
//! # Access
//!
//! `guarded.word(i)` is read and written by the holder of slot i alone [arena.I2]; `Relaxed` does,
//! since the depot orders one holder after the other.
#![allow(unsafe_code, reason = "guards the slots of its regions")]

use core::num::NonZeroUsize;
use std::sync::OnceLock;

use crate::depot::Depot;
use crate::error::{ArenaError, Errno};
use crate::guard::{GuardBudget, GuardMethod, Guards};
use crate::layout::{GUARD_BYTES_MIN, StackLayout};
use crate::permit::Permits;
use crate::region::Region;
use crate::size_class::SizeClass;
use crate::stack::Stack;
use crate::stack_builder::StackPoolBuilder;
use crate::sync::Ordering;
use crate::sync::counter::{self, AtomicU32};
use crate::sys::{Platform, System};
use crate::table::Table;

/// A pool of stacks, from which any thread takes and to which any thread gives back.
///
/// [`take`](Self::take) and [`give_back`](Self::give_back) use no locks; a system call happens
/// only when a slot is used for the first time (its guard) and when a size class is used for the
/// first time (its address space). Memory is committed when it is touched. Dropping the pool unmaps
/// everything, the stacks that are still out included.
///
/// ```
/// use dtact_arena::StackPool;
///
/// let pool = StackPool::builder().stack_bytes(64 * 1024).capacity(10).build()?;
/// let stack = pool.take(100_000)?;
/// assert!(stack.usable_bytes() >= 100_000);
/// assert_eq!(pool.metrics().live, 1);
/// pool.give_back(stack);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Debug)]
pub struct StackPool {
    pub(crate) id: u64,
    default_class: SizeClass,
    permits: Permits,
    live_max: AtomicU32,
    classes: [OnceLock<Class>; SizeClass::COUNT],
    // Dropped after the classes: the share of the budget is returned when the guards are gone.
    guards: Guards,
}

/// The slots of one size class.
#[derive(Debug)]
struct Class {
    region: Region,
    layout: StackLayout,
    depot: Depot,
    /// Not 0 where the slot has its guard [arena.I5].
    guarded: Table,
}

/// Figures of a [`StackPool`], each read at a moment of its own.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[non_exhaustive]
pub struct StackMetrics {
    /// The stacks out of the depot: taken and not given back *to the pool*. Stacks that sit in a
    /// [`StackCache`](crate::StackCache) are among them, since nobody else can take those.
    pub live: u32,
    /// The largest `live` there has been.
    pub live_max: u32,
    /// The stacks that have been out at least once, over all size classes.
    pub touched: u32,
    /// The address space reserved for stacks and guards, in bytes. It is not memory in use.
    pub mapped_bytes: usize,
}

impl StackPool {
    /// The largest capacity of a pool.
    pub const CAPACITY_MAX: u32 = crate::free_list::SLOTS_MAX;

    /// Starts the description of a pool.
    pub fn builder() -> StackPoolBuilder {
        StackPoolBuilder::new()
    }

    pub(crate) fn try_new(
        default_class: SizeClass,
        capacity: u32,
        method: GuardMethod,
        budget: &'static GuardBudget,
    ) -> Result<Self, ArenaError> {
        let pool = Self {
            id: crate::pool_id::next(),
            default_class,
            permits: Permits::new(capacity),
            live_max: AtomicU32::new(0),
            classes: [const { OnceLock::new() }; SizeClass::COUNT],
            guards: Guards::new(method, budget),
        };
        // A capacity beyond the address space is better refused here than at the first stack.
        pool.class(default_class)?;
        Ok(pool)
    }

    /// Takes a stack of at least `bytes_min` usable bytes, of the smallest class that has them.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::StackBytesZero`], [`ArenaError::StackBytesTooLarge`]: no such class;
    /// - [`ArenaError::StacksExhausted`]: at one moment during the call all stacks were out;
    /// - [`ArenaError::GuardsExhausted`]: the kernel has no guard advice, and the process is at its
    ///   share of `vm.max_map_count`;
    /// - [`ArenaError::Os`]: the system refused the address space or the guard.
    ///
    /// After an error nothing is taken, and a later call may succeed.
    pub fn take(&self, bytes_min: usize) -> Result<Stack, ArenaError> {
        self.take_class(class_for(bytes_min)?)
    }

    /// Gives a stack back; the next take of its class may return it.
    ///
    /// # Panics
    ///
    /// When the stack is not from this pool.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "takes the right to the stack back"
    )]
    pub fn give_back(&self, stack: Stack) {
        self.give_back_chunk(core::slice::from_ref(&stack));
    }

    /// The bytes of the default class, which [`StackCache`](crate::StackCache) hands out.
    #[must_use]
    pub fn default_bytes(&self) -> usize {
        self.default_class.bytes()
    }

    /// The stacks that can be out at once, over all size classes together.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.permits.capacity()
    }

    /// The figures of now.
    #[must_use]
    pub fn metrics(&self) -> StackMetrics {
        let classes = self.classes.iter().filter_map(OnceLock::get);
        let (mut touched, mut mapped_bytes) = (0_u32, 0);
        for class in classes {
            touched = touched.saturating_add(class.depot.touched());
            mapped_bytes += class.region.bytes();
        }
        StackMetrics {
            live: self.permits.live(),
            // Relaxed: a figure for people.
            live_max: self.live_max.load(counter::Ordering::Relaxed),
            touched,
            mapped_bytes,
        }
    }

    pub(crate) fn default_class(&self) -> SizeClass {
        self.default_class
    }

    pub(crate) fn take_class(&self, class: SizeClass) -> Result<Stack, ArenaError> {
        let slots = self.class(class)?;
        let exhausted = ArenaError::StacksExhausted {
            capacity: self.capacity(),
        };
        let live = self.permits.acquire().ok_or(exhausted)?;
        let Some(index) = slots.depot.take() else {
            debug_assert!(
                false,
                "a permit without a slot finds one in any depot [arena.I4]"
            );
            self.permits.release(1);
            return Err(exhausted);
        };
        if let Err(error) = self.guard(slots, index) {
            slots.depot.give_back(&[index]);
            self.permits.release(1);
            return Err(error);
        }
        // Relaxed: a figure for people. The load spares the exchange in steady state.
        if live > self.live_max.load(counter::Ordering::Relaxed) {
            self.live_max.fetch_max(live, counter::Ordering::Relaxed);
        }
        let span = slots.layout.span(index);
        Ok(Stack {
            top: slots.region.at(span.top),
            bottom: slots.region.at(span.bottom),
            pool_id: self.id,
            index,
            class,
        })
    }

    /// Gives stacks of one class back, those of `chunk[0]`.
    #[track_caller]
    pub(crate) fn give_back_chunk(&self, chunk: &[Stack]) {
        const CHUNK_MAX: usize = 32;
        for chunk in chunk.chunks(CHUNK_MAX) {
            let mut indices = [0; CHUNK_MAX];
            for (index, stack) in indices.iter_mut().zip(chunk) {
                assert!(
                    stack.pool_id == self.id,
                    "a stack goes back to the pool it came from"
                );
                assert!(
                    stack.class == chunk[0].class,
                    "a chunk is of one size class"
                );
                *index = stack.index;
            }
            let slots = self.classes[chunk[0].class.index()].get();
            let slots = slots.expect("the class of a stack of this pool is reserved");
            // The slots go first: a permit means that a slot is there [arena.I4].
            slots.depot.give_back(&indices[..chunk.len()]);
            self.permits
                .release(u32::try_from(chunk.len()).expect("at most 32"));
        }
    }

    /// The slots of a class, reserved at its first use.
    fn class(&self, class: SizeClass) -> Result<&Class, ArenaError> {
        let place = &self.classes[class.index()];
        if let Some(class) = place.get() {
            return Ok(class);
        }
        let fresh = Class::try_new(class, self.capacity(), self.guards.are_wanted())?;
        // Where two threads come here at once, the slower one's reservation is released unused.
        Ok(place.get_or_init(|| fresh))
    }

    /// Makes the guard of a slot that the caller holds, unless it has one.
    fn guard(&self, slots: &Class, index: u32) -> Result<(), ArenaError> {
        if !self.guards.are_wanted() {
            return Ok(());
        }
        // Relaxed: only the holder of the slot comes here.
        let guarded = slots.guarded.word(index);
        if guarded.load(Ordering::Relaxed) != 0 {
            return Ok(());
        }
        let offset = slots.layout.span(index).guard;
        let bytes = slots.layout.guard_bytes();
        // SAFETY: the layout keeps guards to whole pages inside the slot, and no stack reaches
        // into one: each begins where its guard ends.
        unsafe {
            self.guards
                .install(&slots.region, offset, bytes, self.capacity())
        }?;
        guarded.store(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Class {
    fn try_new(class: SizeClass, capacity: u32, guarded: bool) -> Result<Self, ArenaError> {
        let layout = StackLayout::new(class, System::page_bytes(), GUARD_BYTES_MIN);
        let bytes = layout.region_bytes(capacity).and_then(NonZeroUsize::new);
        let refused = ArenaError::Os {
            op: "reserving address space",
            errno: Errno(12),
        };
        let region = Region::try_new(bytes.ok_or(refused)?)?;
        region.refuse_huge_pages();
        Ok(Self {
            region,
            layout,
            depot: Depot::try_new(capacity)?,
            guarded: Table::try_new(if guarded { capacity } else { 0 })?,
        })
    }
}

/// The class for a request, or why there is none.
pub(crate) fn class_for(bytes: usize) -> Result<SizeClass, ArenaError> {
    if bytes == 0 {
        return Err(ArenaError::StackBytesZero);
    }
    let bytes_max = SizeClass::LARGEST.bytes();
    SizeClass::for_bytes(bytes).ok_or(ArenaError::StackBytesTooLarge { bytes, bytes_max })
}

#[cfg(all(test, not(dtact_loom)))]
mod tests;
