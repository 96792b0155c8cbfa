//! The stacks of one size class: where they lie, and what is done to one when it goes out, comes
//! back, or is idle.
//!
//! ```text
//!             fresh ──┐
//!        ┌─ recycled ─┼─► open: guards, shown, canary, generation ─► out
//!        │  released ─┘                                               │
//!        │     ▲                                                      │
//!        │     └──────────── hidden (guards at both ends) ◄── close ◄─┤
//!        └──► discard, when the watermark falls ─► released           │
//!        ▲                                                            │
//!        └────────────────────────────────────────────────────────────┘
//! ```
//!
//! # Invariants
//!
//! - [arena.I5] A stack leaves a pool with guards only with its guards in place. The guard of a
//!   slot is made once and stays: guards are shared by neighbours, and nothing lives in them.
//!
//! # Access
//!
//! `states.word(i)` belongs to the holder of slot i [arena.I2], and the depot orders one holder
//! after the other. The bit `GUARDED` alone is also set by others, who have made the guard. The
//! holder overwrites the word, so it may undo that; but only where it did not see the bit, and then
//! it has made the guard itself.
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | `GUARDED`, set | `Release` | load of the state | the next holder could run on a stack whose guard is not there yet |
//! | state, load in `open` | `Acquire` | `GUARDED`, set | as above |
#![allow(unsafe_code, reason = "guards, hides and discards slots")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::canary;
use crate::depot::{Depot, Source};
use crate::error::ArenaError;
use crate::guard::{Guards, Hidden};
use crate::layout::{Ends, GUARD_BYTES_MIN, StackLayout};
use crate::overflow::registry::RegionRecord;
use crate::overflow::{self, Registered};
use crate::region::Region;
use crate::size_class::SizeClass;
use crate::stack::{Stack, StackKey};
use crate::stack_pool::StackPlan;
use crate::sync::counter::{self, AtomicU32};
use crate::sync::{Ordering, OwnLine};
use crate::sys::{OUT_OF_MEMORY, PageRange, Platform, System};
use crate::table::Table;

/// The slot has its guard.
const GUARDED: u32 = 1;
/// The slot's pages can be used, as far as the system counts promises.
const COMMITTED: u32 = 1 << 1;
/// The idle stack is inaccessible by advice.
const HIDDEN_BY_ADVICE: u32 = 1 << 2;
/// The idle stack is inaccessible by protection.
const HIDDEN_BY_PROTECTION: u32 = 1 << 3;
/// The bits above hold the generation, which changes when the slot goes out and when it is back.
const GENERATION_SHIFT: u32 = 16;

/// The most guards made in one call. Their ranges lie on the stack of the caller, which may be one
/// of ours.
const GUARDS_AHEAD_MAX: u32 = 64;

/// The most slots whose memory is given back in one step: [arena.I4].
const RELEASE_MAX: u32 = 256;

/// The most stacks that are taken or given back in one step.
pub(crate) const CHUNK_MAX: u32 = 32;

/// The slots of one size class.
#[derive(Debug)]
pub(crate) struct StackSlots {
    /// Where there are guards. Dropped first: the handler does not know a region that is gone.
    _known_to_handler: Option<Registered>,
    class: SizeClass,
    region: Region,
    layout: StackLayout,
    depot: Depot,
    /// The slots beyond the capacity of the pool [arena.I4].
    spare_count: u32,
    /// One for each slot, and one for the guard above the last.
    states: Table,
    counts: OwnLine<Counts>,
}

/// Figures that steer what is given back; nothing is unsound where one is stale.
#[derive(Default, Debug)]
struct Counts {
    /// The slots that are with their users or in caches.
    out: AtomicU32,
    /// The largest `out` since the watermark last fell.
    peak: AtomicU32,
    /// The slots that may have memory: out or recycled.
    dirty: AtomicU32,
    /// The idle slots that should be inaccessible, and are not because the system refused.
    exposed: AtomicU32,
}

impl StackSlots {
    /// The most slots that a class has beyond the capacity of its pool.
    pub(crate) const SPARE_MAX: u32 = RELEASE_MAX;

    /// The slots that a pool of `capacity` stacks has beyond its capacity, for giving memory back:
    /// those whose memory is on its way to the system are missing to nobody [arena.I4].
    fn spare_count(capacity: u32) -> u32 {
        (capacity / 8).clamp(1, RELEASE_MAX)
    }

    pub(crate) fn try_new(plan: &StackPlan, class: SizeClass) -> Result<Self, ArenaError> {
        let capacity = plan.capacity;
        let layout = StackLayout::new(class, System::page_bytes(), GUARD_BYTES_MIN, plan.ends);
        let spare_count = Self::spare_count(capacity);
        let slot_count = capacity + spare_count;
        let bytes = layout.region_bytes(slot_count).and_then(NonZeroUsize::new);
        let refused = ArenaError::Os {
            op: "reserving address space",
            errno: OUT_OF_MEMORY,
        };
        let region = Region::try_new_uncommitted(bytes.ok_or(refused)?)?;
        region.refuse_huge_pages();
        if let Some(node) = plan.node {
            region.prefer_node(node)?;
        }
        let record = RegionRecord {
            bottom: region.bottom().addr().get(),
            bytes: region.bytes(),
            layout,
        };
        let [links, states] = Table::try_new([slot_count, slot_count + 1])?;
        Ok(Self {
            _known_to_handler: plan.ends.has_guards().then(|| overflow::register(record)),
            class,
            region,
            layout,
            depot: Depot::new(links),
            spare_count,
            states,
            counts: OwnLine(Counts::default()),
        })
    }

    /// The size class.
    pub(crate) fn class(&self) -> SizeClass {
        self.class
    }

    /// Takes up to `out.len()` slots for a caller who has a permit for each, and returns how many.
    pub(crate) fn take(&self, out: &mut [u32]) -> usize {
        let (count, source) = self.depot.take_chunk(out);
        let taken = u32::try_from(count).expect("a chunk is small");
        let counts = &self.counts.0;
        if source != Source::Recycled {
            // Relaxed, as all the figures.
            counts.dirty.fetch_add(taken, counter::Ordering::Relaxed);
        }
        let out = counts.out.fetch_add(taken, counter::Ordering::Relaxed) + taken;
        // The load spares the exchange in steady state.
        if out > counts.peak.load(counter::Ordering::Relaxed) {
            counts.peak.fetch_max(out, counter::Ordering::Relaxed);
        }
        count
    }

    /// Puts slots back that [`take`](Self::take) returned.
    #[track_caller]
    pub(crate) fn put_back(&self, slots: &[u32]) {
        self.depot.give_back(slots);
        self.come_back(slots.len());
    }

    fn come_back(&self, count: usize) {
        let count = u32::try_from(count).expect("a chunk is small");
        // Relaxed, as all the figures.
        let before = self
            .counts
            .0
            .out
            .fetch_sub(count, counter::Ordering::Relaxed);
        debug_assert!(before >= count, "what comes back was out");
    }

    /// Makes a slot that the caller holds a stack to run on.
    pub(crate) fn open(
        &self,
        index: u32,
        guards: &Guards,
        capacity: u32,
    ) -> Result<StackKey, ArenaError> {
        // Acquire: pairs with the release of who made the guard.
        let word = self.states.word(index);
        let mut state = word.load(Ordering::Acquire);
        if state & COMMITTED == 0 {
            let (offset, bytes) = self.layout.used_pages(index);
            let committed = self.region.commit(offset, bytes);
            committed.map_err(|errno| ArenaError::Os {
                op: "committing memory for a stack",
                errno,
            })?;
            state |= COMMITTED;
        }
        if self.layout.ends().has_guards() {
            self.ensure_guards(index, guards, capacity)?;
            state |= GUARDED;
        }
        let hidden = match state & (HIDDEN_BY_ADVICE | HIDDEN_BY_PROTECTION) {
            0 => None,
            HIDDEN_BY_ADVICE => Some(Hidden::ByAdvice),
            _ => Some(Hidden::ByProtection),
        };
        if let Some(hidden) = hidden {
            // SAFETY: the pages of the slot, whole and inside the region by the layout.
            unsafe { hidden.undo(self.pages(index)) }?;
            state &= !(HIDDEN_BY_ADVICE | HIDDEN_BY_PROTECTION);
        }
        let state = next_generation(state);
        // Relaxed: the holder's.
        word.store(state, Ordering::Relaxed);
        if self.layout.ends().has_canary() {
            // SAFETY: by the layout, the line below the bottom is inside the region, and no
            // stack's.
            unsafe { canary::put(self.region.at(self.layout.span(index).bottom)) }
        }
        Ok(StackKey {
            index,
            generation: generation_of(state),
        })
    }

    /// The right to run on a slot that the caller holds, of that generation.
    ///
    /// # Safety
    ///
    /// - The slot is one of this class.
    #[inline]
    pub(crate) unsafe fn stack(&self, key: StackKey, pool_id: u64) -> Stack {
        let index = key.index;
        debug_assert!(index < self.states.len() - 1, "a slot of this class");
        let span = self.layout.span(index);
        // SAFETY: by the layout, the slot's span lies inside the region [arena.I1].
        let top = unsafe { self.region.bottom().add(span.top) };
        // SAFETY: as above.
        let bottom = unsafe { self.region.bottom().add(span.bottom) };
        let has_canary = self.layout.ends().has_canary();
        Stack::new((bottom, top), pool_id, key, self.class, has_canary)
    }

    /// Takes stacks back, up to [`CHUNK_MAX`].
    ///
    /// # Panics
    ///
    /// When one of them has been given back already; nothing is taken back then.
    #[track_caller]
    pub(crate) fn close(&self, stacks: &[StackKey]) {
        let mut indices = [0; CHUNK_MAX as usize];
        let indices = &mut indices[..stacks.len()];
        for (index, key) in indices.iter_mut().zip(stacks) {
            *index = key.index;
            // Relaxed: the holder's.
            let state = self.states.word(key.index).load(Ordering::Relaxed);
            self.check_generation(*key, generation_of(state) == key.generation);
        }
        for &index in &*indices {
            let word = self.states.word(index);
            // Relaxed: the holder's.
            let state = word.load(Ordering::Relaxed);
            word.store(next_generation(state), Ordering::Relaxed);
        }
        self.put_back(indices);
    }

    #[inline]
    #[track_caller]
    fn check_generation(&self, key: StackKey, is_right: bool) {
        assert!(
            is_right,
            "stack {} of {:?} has been given back already",
            key.index, self.class
        );
    }

    /// Takes one stack back that shall be inaccessible while it is idle.
    ///
    /// # Panics
    ///
    /// When it has been given back already, or its canary is dead.
    #[track_caller]
    pub(crate) fn close_hidden(&self, stack: &Stack, guards: &Guards) {
        let key = stack.key();
        let word = self.states.word(key.index);
        // Relaxed: the holder's. An exchange, so that of two who give it back at once one fails.
        let state = word.load(Ordering::Relaxed);
        let closed = word.compare_exchange(
            (state & 0xffff) | (u32::from(key.generation) << GENERATION_SHIFT),
            next_generation(state),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        self.check_generation(key, closed.is_ok());
        assert!(
            Self::is_canary_intact(stack),
            "stack {} of {:?} has overflowed: its canary is dead",
            key.index,
            self.class
        );
        // SAFETY: the pages of the slot, whole and inside the region by the layout. Nobody has the
        // stack, since it was just given back.
        let bit = match unsafe { guards.hide(self.pages(key.index)) } {
            Some(Hidden::ByAdvice) => HIDDEN_BY_ADVICE,
            Some(Hidden::ByProtection) => HIDDEN_BY_PROTECTION,
            None => {
                // Relaxed, as all the figures.
                self.counts
                    .0
                    .exposed
                    .fetch_add(1, counter::Ordering::Relaxed);
                return self.put_back(&[key.index]);
            }
        };
        // Relaxed: the holder's.
        word.fetch_or(bit, Ordering::Relaxed);
        // Relaxed, as all the figures.
        self.counts.0.dirty.fetch_sub(1, counter::Ordering::Relaxed);
        self.depot.give_back_released(&[key.index]);
        self.come_back(1);
    }

    /// Whether the canary of a stack of the caller's pool is alive; true where it has none.
    #[inline]
    pub(crate) fn is_canary_intact(stack: &Stack) -> bool {
        // SAFETY: the caller's pool has the stack, so the line below its bottom is inside the
        // region, and no stack's; `open` has put a canary there.
        !stack.has_canary() || unsafe { canary::is_intact(stack.bottom) }
    }

    /// Gives the memory of up to `max` idle stacks back, and returns of how many, and whether they
    /// were all there are. One thread at a time calls it [arena.I4].
    pub(crate) fn release_idle(&self, max: u32) -> Result<(u32, bool), ArenaError> {
        let mut slots = [0; RELEASE_MAX as usize];
        let batch = max.min(self.spare_count) as usize;
        let count = self.depot.take_recycled(&mut slots[..batch]);
        let slots = &mut slots[..count];
        // Neighbours in one range, and the lowest to be taken first again.
        slots.sort_unstable();
        let mut ranges = [PageRange {
            bottom: self.region.bottom(),
            bytes: 0,
        }; RELEASE_MAX as usize];
        let mut range_count = 0;
        for run in slots.chunk_by(|one, other| one + 1 == *other) {
            let (offset, bytes) = self.layout.idle_pages(run[0], run[run.len() - 1]);
            ranges[range_count] = self.region.range(offset, bytes);
            range_count += 1;
        }
        // SAFETY: whole pages inside the region by the layout. This thread holds the slots, and
        // what lies between them is guards, which stay, and canaries that `open` puts there again.
        if let Err(errno) = unsafe { System::discard(&ranges[..range_count]) } {
            self.depot.give_back(slots);
            return Err(ArenaError::Os {
                op: "giving the memory of idle stacks back",
                errno,
            });
        }
        let released = u32::try_from(count).expect("a batch is small");
        // Relaxed, as all the figures.
        self.counts
            .0
            .dirty
            .fetch_sub(released, counter::Ordering::Relaxed);
        self.depot.give_back_released(slots);
        Ok((released, count < batch))
    }

    /// The figures, and the largest `out` since this was last asked.
    pub(crate) fn take_figures(&self) -> Figures {
        let figures = self.figures();
        // Relaxed, as all the figures.
        let peak = self
            .counts
            .0
            .peak
            .swap(figures.out, counter::Ordering::Relaxed);
        Figures { peak, ..figures }
    }

    /// The figures of now.
    pub(crate) fn figures(&self) -> Figures {
        // Relaxed, as all the figures.
        let read = |count: &AtomicU32| count.load(counter::Ordering::Relaxed);
        let counts = &self.counts.0;
        Figures {
            out: read(&counts.out),
            peak: read(&counts.peak),
            dirty: read(&counts.dirty),
            exposed: read(&counts.exposed),
            touched: self.depot.touched(),
            mapped_bytes: self.region.bytes(),
            slot_bytes: self.layout.stride_bytes() - self.layout.guard_bytes(),
        }
    }

    /// The bytes of stacks that the system has memory for.
    pub(crate) fn resident_bytes(&self) -> Result<usize, ArenaError> {
        let bytes = self.layout.span(self.depot.touched()).guard;
        let touched = self.region.touched(0, bytes);
        touched
            .map(|touched| touched.resident_bytes)
            .map_err(|errno| ArenaError::Os {
                op: "asking which pages of a pool were touched",
                errno,
            })
    }

    /// The lowest byte of a slot, its guard included.
    pub(crate) fn lowest(&self, index: u32) -> NonNull<u8> {
        self.region.at(self.layout.span(index).guard)
    }

    /// The pages of a slot, without its guard.
    fn pages(&self, index: u32) -> PageRange {
        let span = self.layout.span(index);
        self.region.range(span.pages, span.end - span.pages)
    }

    /// The guard below slot `index`, or above the last.
    fn guard(&self, index: u32) -> PageRange {
        let offset = self.layout.span(index).guard;
        self.region.range(offset, self.layout.guard_bytes())
    }

    /// Makes the guards of a slot that the caller holds, unless they are there.
    #[inline]
    fn ensure_guards(&self, index: u32, guards: &Guards, capacity: u32) -> Result<(), ArenaError> {
        let last = match self.layout.ends() {
            Ends::GuardBoth => index + 1,
            Ends::Canary | Ends::GuardBelow => index,
        };
        // Acquire: pairs with the release of who made the guard.
        let is_guarded = |index| self.states.word(index).load(Ordering::Acquire) & GUARDED != 0;
        if (index..=last).all(is_guarded) {
            return Ok(());
        }
        self.make_guards(index, last, guards, capacity)
    }

    #[cold]
    fn make_guards(
        &self,
        first: u32,
        last: u32,
        guards: &Guards,
        capacity: u32,
    ) -> Result<(), ArenaError> {
        // An eighth of what there is already: a small pool makes few that nobody needs.
        let ahead = (self.depot.touched() / 8).min(GUARDS_AHEAD_MAX - 2);
        let end = (last + ahead + 1).min(self.states.len() - 1).max(last + 1);
        let mut ranges = [self.guard(first); GUARDS_AHEAD_MAX as usize];
        for (range, index) in ranges.iter_mut().zip(first..end) {
            *range = self.guard(index);
        }
        let ranges = &ranges[..(end - first) as usize];
        // SAFETY: by the layout guards are whole pages inside the region, and no stack reaches
        // into one.
        if unsafe { guards.install_all(ranges) } {
            for index in first..end {
                self.note_guard(index);
            }
            return Ok(());
        }
        for index in first..=last {
            // Acquire: as in `ensure_guards`.
            if self.states.word(index).load(Ordering::Acquire) & GUARDED == 0 {
                // SAFETY: as above.
                unsafe { guards.install(self.guard(index), capacity) }?;
                self.note_guard(index);
            }
        }
        Ok(())
    }

    fn note_guard(&self, index: u32) {
        // Release: the guard is there before whoever sees the bit runs on the stack.
        self.states.word(index).fetch_or(GUARDED, Ordering::Release);
    }
}

/// What [`StackSlots::figures`] tells.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) out: u32,
    pub(crate) peak: u32,
    pub(crate) dirty: u32,
    pub(crate) exposed: u32,
    pub(crate) touched: u32,
    pub(crate) mapped_bytes: usize,
    /// The bytes of a slot without its guard.
    pub(crate) slot_bytes: usize,
}

const fn generation_of(state: u32) -> u16 {
    (state >> GENERATION_SHIFT) as u16
}

const fn next_generation(state: u32) -> u32 {
    state.wrapping_add(1 << GENERATION_SHIFT)
}
