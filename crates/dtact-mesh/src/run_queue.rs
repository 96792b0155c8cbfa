//! Owns a worker's run queue: a bounded ring that its owner fills and empties, and that any other
//! worker may take half of.
//!
//! ```text
//!            head (CAS, anyone)                 tail (store, owner)
//!              v                                  v
//!   ... taken  | i | i+1 | ...          ... | t-1 |  free ...
//!              ^------- published ----------------^
//!
//!   chunk (private.rs): tasks the owner took from the head at once
//! ```
//!
//! `head` and `tail` are 64-bit counts that never wrap; a position's slot is its low bits. Slots
//! are atomics, so a copy made too late reads a wrong number, never undefined behaviour.
//!
//! # Invariants
//! - `[ring.I1]` `head <= tail <= head + CAPACITY`, and both only grow.
//! - `[ring.I2]` A slot is written only by the owner, and only while its position is in
//!   `tail..head + CAPACITY` for a `head` that the owner has read.
//! - `[ring.I3]` A position is taken by the one CAS that moves `head` past it.
//!
//! # Why a copy followed by a CAS takes each task once
//! A taker reads `head = h`, then `tail`, copies the slots of `h..h + n`, and moves `head` from `h`
//! to `h + n` by CAS. Let the CAS succeed. `head` never returns to a value it had (`[ring.I1]`), so
//! nobody else took these positions, and `[ring.I3]` gives "at most once". The copies are right:
//! - *not too old*: `tail > p` was read with Acquire from a Release store made after slot `p` was
//!   written, so that write happens before the copy;
//! - *not too new*: the owner reuses the slot of `p` only after reading, with Acquire, a `head`
//!   beyond `p` (`[ring.I2]`). That value is our Release CAS or a later RMW in its release
//!   sequence, so our copies happen before the reuse, and cannot see it.
//!
//! The owner takes by the same CAS, so its own pop needs no further argument. If the CAS fails, the
//! copies are thrown away.
//!
//! # Ordering
//! | access | order | pairs with |
//! |---|---|---|
//! | `tail` store, owner | Release | takers' `tail` load: slots before it are visible |
//! | `tail` load, taker | Acquire | the above |
//! | `head` CAS, anyone | AcqRel | `head` load of the owner: copies end before slots are reused |
//! | `head` load | Acquire | the above; and a `tail` read afterwards is not below it |
//! | slots | Relaxed | ordered by the two counts |
//!
//! # Chunks
//! The owner's CAS is the price of being stolen from. It takes up to [`CHUNK_MAX`] tasks with one
//! CAS when the ring is long, and at least seven eighths of the ring remain for thieves. Tasks in
//! the chunk are the owner's alone, until it blocks or stands still.
//!
//! # Steps
//! The owner of a long ring has more to do than push: it says how loaded it is, passes tasks on, or
//! makes room. So that a push costs one comparison all the same, there is one `limit`, at which it
//! fails; the owner then does what is due, and sets the next limit, a step or less further on.

use core::cell::Cell;

use crossbeam_utils::CachePadded;

use crate::{
    private::{CHUNK_MAX, Chunk},
    sync::{Arc, AtomicU32, AtomicU64, Ordering},
    task::{NIL, Tagged, TaskIndex},
};

/// How many tasks a ring holds. The models use a tiny ring so that it is full and wraps soon.
pub(crate) const CAPACITY: usize = if cfg!(dtact_loom) {
    4
} else if cfg!(dtact_shuttle) {
    16
} else {
    1024
};
const MASK: u64 = CAPACITY as u64 - 1;
const _: () = assert!(CAPACITY.is_power_of_two());

/// The owner takes one task in so many of the ring at once.
const CHUNK_DIVISOR: u64 = if CAPACITY < 1024 { 2 } else { 8 };
/// The most that a thief, or a visit to a shared queue, takes at once.
pub(crate) const BATCH_MAX: usize = if CAPACITY < 1024 { CAPACITY / 2 } else { 128 };
/// The most that is passed on at once.
pub(crate) const PARCEL_MAX: usize = 32;
/// A load is published in units of so many tasks.
pub(crate) const STEP: u64 = if CAPACITY < 1024 {
    1
} else {
    CAPACITY as u64 / 16
};

/// The shared part: what thieves see.
#[derive(Debug)]
pub(crate) struct RunQueue {
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    slots: Box<[AtomicU32]>,
}

impl RunQueue {
    pub(crate) fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicU64::new(0)),
            tail: CachePadded::new(AtomicU64::new(0)),
            slots: (0..CAPACITY).map(|_| AtomicU32::new(NIL)).collect(),
        }
    }

    /// Whether nothing is published. Two relaxed loads: a hint, unless a fence came first.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) >= self.tail.load(Ordering::Relaxed)
    }

    /// How many tasks are published. Two relaxed loads: a hint.
    pub(crate) fn len_hint(&self) -> u64 {
        let head = self.head.load(Ordering::Relaxed);
        self.tail.load(Ordering::Relaxed).saturating_sub(head)
    }

    /// The task at the head. A hint: it may have been taken, and the slot been used again.
    pub(crate) fn front(&self) -> Option<TaskIndex> {
        let head = self.head.load(Ordering::Acquire);
        // Acquire: the slots before this tail are written.
        (head < self.tail.load(Ordering::Acquire))
            .then(|| Tagged::from_slot(self.slot(head).load(Ordering::Relaxed)).task())
    }

    /// How many tasks have ever been taken, by anyone, unless nothing is published now. Two relaxed
    /// loads: a hint.
    pub(crate) fn taken_count_unless_empty(&self) -> Option<u64> {
        let head = self.head.load(Ordering::Relaxed);
        (head < self.tail.load(Ordering::Relaxed)).then_some(head)
    }

    #[inline]
    fn slot(&self, position: u64) -> &AtomicU32 {
        &self.slots[(position & MASK) as usize]
    }

    /// Moves `head` from `from` to `to`: takes what lies between. True if nobody was faster.
    #[inline]
    fn take(&self, from: u64, to: u64) -> bool {
        // AcqRel: see the module's table. Acquire on failure is the next round's load.
        self.head
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// The one-thread end: pushes, pops, and is where a thief puts its loot.
#[derive(Debug)]
pub(crate) struct Owner {
    queue: Arc<RunQueue>,
    /// A lower bound of `head`, so that a push need not touch the line that thieves write.
    head_seen: Cell<u64>,
    /// How many there may be before a push fails, at most the capacity.
    limit: Cell<u64>,
}

impl Owner {
    /// The owner of `queue`. There must be one at a time, or tasks are lost.
    pub(crate) fn new(queue: Arc<RunQueue>) -> Self {
        let head = queue.head.load(Ordering::Acquire);
        Self {
            queue,
            head_seen: Cell::new(head),
            limit: Cell::new(CAPACITY as u64),
        }
    }

    /// Makes a push fail that finds so many tasks, or more.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.set(limit.min(CAPACITY as u64));
    }

    /// Whether the ring is empty.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many tasks are published, exactly now.
    pub(crate) fn len(&self) -> u64 {
        // Acquire: what takers before this `head` copied, they copied before we reuse the slots.
        self.head_seen.set(self.queue.head.load(Ordering::Acquire));
        self.tail() - self.head_seen.get()
    }

    /// The task at the head. A hint.
    pub(crate) fn front(&self) -> Option<TaskIndex> {
        self.queue.front()
    }

    /// How many more the ring takes, at most `wanted` (so that `head` is read only if needed).
    #[inline]
    pub(crate) fn free(&self, wanted: u64) -> u64 {
        let free = self.head_seen.get() + CAPACITY as u64 - self.tail();
        if free >= wanted {
            return wanted;
        }
        (CAPACITY as u64 - self.len()).min(wanted)
    }

    /// Puts a task at the tail; `Err` gives it back if the limit is reached.
    #[inline]
    pub(crate) fn push(&self, task: Tagged) -> Result<(), Tagged> {
        let tail = self.tail();
        if tail - self.head_seen.get() >= self.limit.get() {
            return Err(task);
        }
        self.queue.slot(tail).store(task.raw(), Ordering::Relaxed);
        self.publish(tail + 1);
        Ok(())
    }

    /// As `push`, whatever the limit; `Err` gives it back if the ring is full.
    pub(crate) fn push_over_limit(&self, task: Tagged) -> Result<(), Tagged> {
        if self.free(1) == 0 {
            return Err(task);
        }
        let tail = self.tail();
        self.queue.slot(tail).store(task.raw(), Ordering::Relaxed);
        self.publish(tail + 1);
        Ok(())
    }

    /// The task at the head, and how many there were. Others that it takes at once become the
    /// chunk, which must be empty and the caller's.
    #[inline]
    pub(crate) fn pop(&self, chunk: &Chunk) -> Option<(TaskIndex, u64)> {
        self.pop_if(chunk, |_| true)
    }

    /// As `pop`, if the task at the head is one that is wanted.
    #[inline]
    pub(crate) fn pop_if(
        &self,
        chunk: &Chunk,
        is_wanted: impl Fn(TaskIndex) -> bool,
    ) -> Option<(TaskIndex, u64)> {
        let tail = self.tail();
        loop {
            let head = self.queue.head.load(Ordering::Acquire);
            if head == tail {
                self.head_seen.set(head);
                return None;
            }
            let length = tail - head;
            let count = (length / CHUNK_DIVISOR).clamp(1, CHUNK_MAX as u64);
            let first = self.queue.slot(head).load(Ordering::Relaxed);
            if !is_wanted(Tagged::from_slot(first).task()) {
                return None;
            }
            for offset in 1..count {
                let copy = self.queue.slot(head + offset).load(Ordering::Relaxed);
                chunk.put(offset - 1, copy);
            }
            if self.queue.take(head, head + count) {
                self.head_seen.set(head + count);
                chunk.set_length(count - 1);
                return Some((Tagged::from_slot(first).task(), length));
            }
        }
    }

    /// The task at the head alone.
    pub(crate) fn pop_one(&self) -> Option<Tagged> {
        let mut one = [NIL];
        (self.take_oldest(&mut one) == 1).then(|| Tagged::from_slot(one[0]))
    }

    /// Takes the oldest tasks, as many as there are and fit.
    pub(crate) fn take_oldest(&self, into: &mut [u32]) -> usize {
        let tail = self.tail();
        loop {
            let head = self.queue.head.load(Ordering::Acquire);
            let count = (tail - head).min(into.len() as u64);
            for (position, copy) in (head..head + count).zip(into.iter_mut()) {
                *copy = self.queue.slot(position).load(Ordering::Relaxed);
            }
            if count == 0 || self.queue.take(head, head + count) {
                self.head_seen.set(head + count);
                #[expect(clippy::cast_possible_truncation, reason = "at most what fits")]
                return count as usize;
            }
        }
    }

    /// Takes the oldest tasks up to `wanted`, which comes last, if it is among as many as fit.
    /// Gives how many that are, 0 if it is not.
    pub(crate) fn take_up_to(&self, wanted: TaskIndex, into: &mut [u32]) -> usize {
        let tail = self.tail();
        loop {
            let head = self.queue.head.load(Ordering::Acquire);
            let places = (head..tail).zip(into.iter_mut());
            let mut copies = places.map(|(position, copy)| {
                *copy = self.queue.slot(position).load(Ordering::Relaxed);
                Tagged::from_slot(*copy).task()
            });
            let Some(before) = copies.position(|task| task == wanted) else {
                return 0;
            };
            let count = before + 1;
            if self.queue.take(head, head + count as u64) {
                self.head_seen.set(head + count as u64);
                return count;
            }
        }
    }

    /// Takes the older half of the ring, oldest first, for a ring that is full.
    ///
    /// Gives how many it wrote to `into`: 0 if thieves made room in the meantime.
    pub(crate) fn take_half(&self, into: &mut [u32; CAPACITY / 2]) -> usize {
        let tail = self.tail();
        let head = self.queue.head.load(Ordering::Acquire);
        self.head_seen.set(head);
        let count = into.len() as u64;
        if tail - head < count {
            return 0;
        }
        for (position, copy) in (head..head + count).zip(into.iter_mut()) {
            *copy = self.queue.slot(position).load(Ordering::Relaxed);
        }
        if !self.queue.take(head, head + count) {
            return 0;
        }
        self.head_seen.set(head + count);
        into.len()
    }

    /// Takes half of `victim`, at most [`BATCH_MAX`], but only up to the first task that is not
    /// `allowed`: one to run, the others into this ring.
    ///
    /// Gives the task and how many more came with it. `None`: there is nothing for us.
    #[inline]
    pub(crate) fn steal(
        &self,
        victim: &RunQueue,
        allowed: impl Fn(TaskIndex) -> bool,
    ) -> Option<(TaskIndex, u64)> {
        let tail = self.tail();
        loop {
            let victim_head = victim.head.load(Ordering::Acquire);
            // Acquire: the slots before this tail are written. Read after `head`, never below it.
            let victim_tail = victim.tail.load(Ordering::Acquire);
            let length = victim_tail.saturating_sub(victim_head);
            if length == 0 {
                return None;
            }
            let half = length.div_ceil(2).min(BATCH_MAX as u64);
            let wanted = 1 + self.free(half - 1);
            let first = victim.slot(victim_head).load(Ordering::Relaxed);
            if !allowed(Tagged::from_slot(first).task()) {
                return None;
            }
            let mut count = 1;
            while count < wanted {
                let copy = victim.slot(victim_head + count).load(Ordering::Relaxed);
                if !allowed(Tagged::from_slot(copy).task()) {
                    break;
                }
                // Beyond our tail: nobody reads these until they are published below.
                let slot = self.queue.slot(tail + count - 1);
                slot.store(copy, Ordering::Relaxed);
                count += 1;
            }
            if victim.take(victim_head, victim_head + count) {
                self.publish(tail + count - 1);
                return Some((Tagged::from_slot(first).task(), count - 1));
            }
        }
    }

    #[inline]
    fn tail(&self) -> u64 {
        // Relaxed: only the owner writes it.
        self.queue.tail.load(Ordering::Relaxed)
    }

    #[inline]
    fn publish(&self, tail: u64) {
        // Release: pairs with the thieves' Acquire load; the slots before it are written.
        self.queue.tail.store(tail, Ordering::Release);
    }
}
