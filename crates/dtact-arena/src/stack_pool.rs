//! Stacks of all sizes: the slots of each size class, permits, guards, and giving memory back.
//!
//! ```text
//!   StackPool ── permits (capacity, over all classes)
//!       ├─ 16 KiB ── region, depot, and what state each slot is in
//!       ├─ 32 KiB ── not reserved before its first use
//!       ⋮
//!       └─ 8 MiB
//! ```
//!
//! Memory goes back in two ways, both off the path of taking and giving back: [`StackPool::decay`]
//! follows demand, [`StackPool::trim`] lets everything go. A mutex that is only ever tried keeps
//! them to one thread at a time.

#![allow(unsafe_code, reason = "computes addresses of slots without checks")]

use core::ptr::NonNull;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::Instant;

use crate::error::ArenaError;
use crate::guard::{GuardBudget, GuardMethod, Guards};
use crate::layout::Ends;
use crate::permit::Permits;
use crate::size_class::SizeClass;
use crate::stack::{Stack, StackKey};
use crate::stack_builder::StackPoolBuilder;
use crate::stack_slots::{CHUNK_MAX, StackSlots};
use crate::sync::counter::{self, AtomicU32};
use crate::watermark::{Clock, Watermark};

/// A pool of stacks, from which any thread takes and to which any thread gives back.
///
/// [`take`](Self::take) and [`give_back`](Self::give_back) use no locks; a system call happens
/// only when a slot is used for the first time (its guard) and when a size class is used for the
/// first time (its address space). Memory is committed when it is touched, and goes back to the
/// system when somebody calls [`decay`](Self::decay) or [`trim`](Self::trim). Dropping the pool
/// unmaps everything, the stacks that are still out included.
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
    plan: StackPlan,
    /// The class that caches keep; none where idle stacks shall be inaccessible.
    cached_class: Option<SizeClass>,
    permits: Permits,
    live_max: AtomicU32,
    /// The default class, reserved when the pool is built.
    default_slots: StackSlots,
    /// The others, each reserved at its first use.
    other_slots: [OnceLock<StackSlots>; SizeClass::COUNT],
    idle: Mutex<Idle>,
    // Dropped after the slots: the share of the budget is returned when the guards are gone.
    guards: Guards,
}

/// What a pool is made by.
#[derive(Copy, Clone, Debug)]
pub(crate) struct StackPlan {
    pub(crate) default_class: SizeClass,
    pub(crate) capacity: u32,
    pub(crate) ends: Ends,
    pub(crate) node: Option<u32>,
    pub(crate) decay_period: Duration,
}

/// What [`StackPool::decay`] remembers.
#[derive(Debug)]
struct Idle {
    clock: Clock,
    watermarks: [Watermark; SizeClass::COUNT],
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
    /// The bytes of all stacks that may have memory: those that are out, and those that are idle
    /// and have not been given back to the system. The memory in use is at most that; what it is
    /// exactly, [`StackPool::resident_bytes`] asks the system.
    pub committed_bytes: usize,
    /// How often a pool of [`Safety2`](crate::SafetyLevel::Safety2) could not make an idle stack
    /// inaccessible, since the system refused.
    pub exposed: u32,
}

impl StackPool {
    /// The largest capacity of a pool.
    pub const CAPACITY_MAX: u32 = crate::free_list::SLOTS_MAX - StackSlots::SPARE_MAX;

    /// Starts the description of a pool.
    pub fn builder() -> StackPoolBuilder {
        StackPoolBuilder::new()
    }

    pub(crate) fn try_new(
        plan: StackPlan,
        method: GuardMethod,
        budget: &'static GuardBudget,
    ) -> Result<Self, ArenaError> {
        Ok(Self {
            id: crate::pool_id::next(),
            cached_class: (plan.ends != Ends::GuardBoth).then_some(plan.default_class),
            permits: Permits::new(plan.capacity),
            live_max: AtomicU32::new(0),
            // A capacity beyond the address space is better refused here than at the first stack.
            default_slots: StackSlots::try_new(&plan, plan.default_class)?,
            other_slots: [const { OnceLock::new() }; SizeClass::COUNT],
            idle: Mutex::new(Idle {
                clock: Clock::new(plan.decay_period),
                watermarks: [Watermark::default(); SizeClass::COUNT],
            }),
            guards: Guards::new(method, budget),
            plan,
        })
    }

    /// Takes a stack of at least `bytes_min` usable bytes, of the smallest class that has them.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::StackBytesZero`], [`ArenaError::StackBytesTooLarge`]: no such class;
    /// - [`ArenaError::StacksExhausted`]: at one moment during the call all stacks were out;
    /// - [`ArenaError::GuardsExhausted`]: the kernel has no guard advice, and the process is at its
    ///   share of `vm.max_map_count`;
    /// - [`ArenaError::NodeRefused`]: a class is used for the first time, and the system does not
    ///   let it prefer the pool's node;
    /// - [`ArenaError::Os`]: the system refused the address space, the guard or the memory.
    ///
    /// After an error nothing is taken, and a later call may succeed.
    pub fn take(&self, bytes_min: usize) -> Result<Stack, ArenaError> {
        self.take_class(class_for(bytes_min)?)
    }

    /// Gives a stack back; the next take of its class may return it.
    ///
    /// # Panics
    ///
    /// - When the stack is not from this pool.
    /// - When it has been given back already: unsafe code has made two values of one.
    /// - With [`Safety2`](crate::SafetyLevel::Safety2), when its canary is dead; the stack is
    ///   missing from the pool then.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "takes the right to the stack back"
    )]
    pub fn give_back(&self, stack: Stack) {
        self.give_back_once(&stack);
    }

    /// As [`give_back`](Self::give_back), of a value that is not used again.
    #[track_caller]
    pub(crate) fn give_back_once(&self, stack: &Stack) {
        assert!(
            stack.pool_id == self.id,
            "a stack goes back to the pool it came from"
        );
        let slots = self.taken_slots(stack.class());
        // The slot goes first: a permit means that a slot is there [arena.I4].
        if self.plan.ends == Ends::GuardBoth {
            slots.close_hidden(stack, &self.guards);
        } else {
            slots.close(&[stack.key()]);
        }
        self.permits.release(1);
    }

    /// Whether a stack has not overflowed, as far as its canary tells; true where it has none, with
    /// [`Safety1`](crate::SafetyLevel::Safety1). It costs one read.
    ///
    /// To be asked where a stack is left: at each suspension. Where the answer is no, memory below
    /// the stack has been overwritten; nothing good can come of going on.
    ///
    /// # Panics
    ///
    /// When the stack is not from this pool.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn is_canary_intact(&self, stack: &Stack) -> bool {
        assert!(
            stack.pool_id == self.id,
            "a stack is checked by the pool it came from"
        );
        StackSlots::is_canary_intact(stack)
    }

    /// Gives memory of idle stacks back to the system, as demand has fallen, and says when to call
    /// again; `None` when no idle stack has memory.
    ///
    /// A pool keeps the memory of as many stacks as were out together lately: its watermark, for
    /// each size class, rises with demand and falls by half in each quarter of the
    /// [decay period](StackPoolBuilder::decay_period). What is idle beyond it goes back, neighbours
    /// together, at most 256 stacks in one call: where there are more, the answer is zero. The
    /// addresses stay, and so do the guards.
    ///
    /// To be called with the time of now by whoever has nothing better to do, such as a worker
    /// before it sleeps, or by a thread with a timer. Taking and giving back never wait for it. Of
    /// two threads that call at once, one does nothing.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Os`]: the system refused, as Linux does for locked memory. The stacks keep
    /// their memory, and can be taken as before.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use dtact_arena::StackPool;
    ///
    /// let pool = StackPool::builder().decay_period(Duration::from_secs(1)).build()?;
    /// pool.give_back(pool.take(1)?);
    /// let mut now = Instant::now();
    /// while let Some(wait) = pool.decay(now)? {
    ///     now += wait; // A program would sleep.
    /// }
    /// assert_eq!(pool.metrics().committed_bytes, 0);
    /// # Ok::<(), dtact_arena::ArenaError>(())
    /// ```
    pub fn decay(&self, now: Instant) -> Result<Option<Duration>, ArenaError> {
        let Some(mut idle) = self.try_lock_idle() else {
            return Ok(Some(self.plan.decay_period / 4));
        };
        let idle = &mut *idle;
        let steps = idle.clock.steps(now);
        let mut is_any_idle = false;
        let mut is_more_due = false;
        let mut first_error = None;
        for (class, slots) in self.all_slots() {
            let watermark = &mut idle.watermarks[class.index()];
            if steps > 0 {
                let figures = slots.take_figures();
                watermark.pass(steps, figures.peak, figures.out);
            }
            let figures = slots.figures();
            let surplus = figures.dirty.saturating_sub(watermark.get());
            // Before the first step nothing is known about demand.
            if surplus > 0 && idle.clock.is_running() {
                match slots.release_idle(surplus) {
                    Ok((released, is_all)) => is_more_due |= !is_all && released < surplus,
                    // The other classes have their turn all the same.
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
            let figures = slots.figures();
            is_any_idle |= figures.dirty > figures.out;
        }
        match (first_error, is_more_due, is_any_idle) {
            (Some(error), ..) => Err(error),
            (None, true, _) => Ok(Some(Duration::ZERO)),
            (None, false, true) => Ok(Some(idle.clock.next_in(now))),
            (None, false, false) => Ok(None),
        }
    }

    /// Gives the memory of all idle stacks back to the system, and returns of how many. Stacks in
    /// caches are not idle. 0 as well while another thread is at it.
    ///
    /// It takes a fraction of a microsecond for each stack; [`decay`](Self::decay) is the gentle
    /// way.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Os`]: as for [`decay`](Self::decay).
    pub fn trim(&self) -> Result<u32, ArenaError> {
        let Some(_idle) = self.try_lock_idle() else {
            return Ok(0);
        };
        let mut total = 0;
        let mut first_error = None;
        for (_, slots) in self.all_slots() {
            // Bounded, where others give stacks back all the time.
            for _ in 0..=slots.figures().touched {
                match slots.release_idle(u32::MAX) {
                    Ok((released, is_all)) => {
                        total += released;
                        if is_all {
                            break;
                        }
                    }
                    Err(error) => {
                        first_error = first_error.or(Some(error));
                        break;
                    }
                }
            }
        }
        first_error.map_or(Ok(total), Err)
    }

    /// The bytes of memory that the stacks have, idle ones included. The system is asked, which
    /// takes about a millisecond for each 100 MiB of stacks that were ever taken.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Os`]: the system did not say.
    pub fn resident_bytes(&self) -> Result<usize, ArenaError> {
        self.all_slots()
            .map(|(_, slots)| slots.resident_bytes())
            .sum()
    }

    /// The bytes of the default class, which [`StackCache`](crate::StackCache) hands out.
    #[must_use]
    pub fn default_bytes(&self) -> usize {
        self.plan.default_class.bytes()
    }

    /// The stacks that can be out at once, over all size classes together.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.plan.capacity
    }

    /// The figures of now.
    #[must_use]
    pub fn metrics(&self) -> StackMetrics {
        let live = self.permits.live();
        let mut metrics = StackMetrics {
            live,
            // Relaxed: a figure for people. Whoever has just taken one may not have raised it yet.
            live_max: live.max(self.live_max.load(counter::Ordering::Relaxed)),
            touched: 0,
            mapped_bytes: 0,
            committed_bytes: 0,
            exposed: 0,
        };
        for (_, slots) in self.all_slots() {
            let figures = slots.figures();
            metrics.touched = metrics.touched.saturating_add(figures.touched);
            metrics.mapped_bytes += figures.mapped_bytes;
            metrics.committed_bytes += figures.dirty as usize * figures.slot_bytes;
            metrics.exposed = metrics.exposed.saturating_add(figures.exposed);
        }
        metrics
    }

    /// Whether caches keep stacks of a class.
    #[inline]
    pub(crate) fn is_cached(&self, class: SizeClass) -> bool {
        self.cached_class == Some(class)
    }

    /// How many stacks a cache takes at once: few beside the capacity, for cached stacks are
    /// missing to others.
    pub(crate) fn cache_chunk(&self) -> u32 {
        match self.cached_class {
            Some(_) => (self.plan.capacity / 64).max(1),
            None => 1,
        }
    }

    /// The right to a stack of the default class that a cache of this pool has kept by its number.
    ///
    /// # Safety
    ///
    /// - The key is that of a stack of this pool and of its default class.
    #[inline]
    pub(crate) unsafe fn cached_stack(&self, key: StackKey) -> Stack {
        // SAFETY: as the caller promises.
        unsafe { self.default_slots.stack(key, self.id) }
    }

    pub(crate) fn take_class(&self, class: SizeClass) -> Result<Stack, ArenaError> {
        let slots = self.slots(class)?;
        let mut key = StackKey::default();
        self.take_chunk(slots, 1, |taken| key = taken)?;
        // SAFETY: without an error one was taken, from these slots.
        Ok(unsafe { slots.stack(key, self.id) })
    }

    /// Takes one stack of the default class at least, and a few at most; the hottest comes first.
    pub(crate) fn take_for_cache(
        &self,
        wanted: u32,
        each: impl FnMut(StackKey),
    ) -> Result<(), ArenaError> {
        self.take_chunk(&self.default_slots, wanted, each)
    }

    /// Takes one stack at least and `wanted` at most, up to [`CHUNK_MAX`]; the hottest comes first.
    #[inline]
    fn take_chunk(
        &self,
        slots: &StackSlots,
        wanted: u32,
        mut each: impl FnMut(StackKey),
    ) -> Result<(), ArenaError> {
        let exhausted = ArenaError::StacksExhausted {
            capacity: self.capacity(),
        };
        let (granted, live) = self.permits.acquire(wanted.min(CHUNK_MAX));
        if granted == 0 {
            return Err(exhausted);
        }
        let mut indices = [0; CHUNK_MAX as usize];
        let count = slots.take(&mut indices[..granted as usize]);
        debug_assert!(count > 0, "a permit finds a slot in any depot [arena.I4]");
        let indices = &indices[..count];
        let mut opened = 0;
        let mut result = if count == 0 { Err(exhausted) } else { Ok(()) };
        for &index in indices {
            match slots.open(index, &self.guards, self.capacity()) {
                Ok(key) => each(key),
                Err(error) => {
                    // Enough if there is one.
                    result = if opened == 0 { Err(error) } else { Ok(()) };
                    break;
                }
            }
            opened += 1;
        }
        // The slots go first: a permit means that a slot is there [arena.I4].
        slots.put_back(&indices[opened..]);
        let unused = granted - u32::try_from(opened).expect("at most 32");
        if unused > 0 {
            self.permits.release(unused);
        }
        // Relaxed: a figure for people. The load spares the exchange in steady state.
        let live = live - unused;
        if live > self.live_max.load(counter::Ordering::Relaxed) {
            self.live_max.fetch_max(live, counter::Ordering::Relaxed);
        }
        result
    }

    /// Gives stacks of the default class back, which a cache has kept.
    #[track_caller]
    pub(crate) fn give_back_cached(&self, stacks: &[StackKey]) {
        let slots = &self.default_slots;
        for chunk in stacks.chunks(CHUNK_MAX as usize) {
            // The slots go first: a permit means that a slot is there [arena.I4].
            slots.close(chunk);
            self.permits
                .release(u32::try_from(chunk.len()).expect("at most 32"));
        }
    }

    /// The slots of a class of which stacks have been taken, or of the default class.
    fn taken_slots(&self, class: SizeClass) -> &StackSlots {
        if class == self.plan.default_class {
            return &self.default_slots;
        }
        self.other_slots[class.index()]
            .get()
            .expect("the class of a stack of this pool is reserved")
    }

    /// The lowest byte of the guard below a stack of this pool; where there is none, its bottom.
    ///
    /// # Panics
    ///
    /// When the stack is not from this pool.
    #[must_use]
    #[track_caller]
    pub fn lowest(&self, stack: &Stack) -> NonNull<u8> {
        assert!(
            stack.pool_id == self.id,
            "a stack is described by the pool it came from"
        );
        self.taken_slots(stack.class()).lowest(stack.index())
    }

    /// The slots of a class, reserved at its first use.
    fn slots(&self, class: SizeClass) -> Result<&StackSlots, ArenaError> {
        if class == self.plan.default_class {
            return Ok(&self.default_slots);
        }
        let place = &self.other_slots[class.index()];
        if let Some(slots) = place.get() {
            return Ok(slots);
        }
        let fresh = StackSlots::try_new(&self.plan, class)?;
        // Where two threads come here at once, the slower one's reservation is released unused.
        Ok(place.get_or_init(|| fresh))
    }

    /// The slots of every class that is in use.
    fn all_slots(&self) -> impl Iterator<Item = (SizeClass, &StackSlots)> {
        let others = self.other_slots.iter().filter_map(OnceLock::get);
        core::iter::once(&self.default_slots)
            .chain(others)
            .map(|slots| (slots.class(), slots))
    }

    /// What `decay` remembers, unless another thread is at it.
    fn try_lock_idle(&self) -> Option<MutexGuard<'_, Idle>> {
        match self.idle.try_lock() {
            Ok(idle) => Some(idle),
            // It holds numbers, all of which are good.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
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
mod fault_tests;
#[cfg(all(test, not(dtact_loom)))]
mod tests;
