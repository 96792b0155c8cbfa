//! Waiting for room: what `spawn` does while all cells of the size that it needs are taken.
//!
//! It looks again after pauses that grow. So whoever frees a cell, which is done for each fiber,
//! need not ask whether somebody waits for one; and a wait is late by one pause at most.
//!
//! # Who waits for whom
//!
//! Fibers that wait for room hold cells themselves. If as many waited as there are cells, each
//! would wait for the others, so the last of them is refused: it goes on, ends some day, and makes
//! room. Where a wait blocks its thread, half of the threads that can be had beside the workers may
//! do so; the others go on running what makes room.

use std::time::{Duration, Instant};

use crate::{
    error::{SpawnError, TrySpawnError},
    join::JoinHandle,
    runtime::{Runtime, Shared},
    spawn,
    sync::{AtomicU32, Ordering},
    time::Sleep,
    wait::wait,
    worker::context,
};

/// The first and the longest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Calls `spawn`, which may be refused for want of room: then again, until there is some, or the
/// time is over. In a fiber that is a [`wait`](crate::wait()), which unwinds where it is cancelled.
#[inline]
#[cfg_attr(debug_assertions, track_caller)]
pub(crate) fn spawn_when_there_is<W, T>(
    what: W,
    timeout: impl FnOnce() -> Duration,
    mut spawn: impl FnMut(W) -> Result<JoinHandle<T>, TrySpawnError<W>>,
) -> JoinHandle<T> {
    match spawn(what) {
        Ok(handle) => handle,
        Err(refused) => wait_for_room(refused, timeout, spawn),
    }
}

/// The time that the runtime at hand gives.
#[cold]
pub(crate) fn timeout_at_hand() -> Duration {
    match spawn::at_hand() {
        Some(shared) => shared.spawn_timeout,
        None => Runtime::global().map_or(Duration::ZERO, |runtime| runtime.shared().spawn_timeout),
    }
}

#[cold]
#[cfg_attr(debug_assertions, track_caller)]
fn wait_for_room<W, T>(
    mut refused: TrySpawnError<W>,
    timeout: impl FnOnce() -> Duration,
    mut spawn: impl FnMut(W) -> Result<JoinHandle<T>, TrySpawnError<W>>,
) -> JoinHandle<T> {
    let begin = Instant::now();
    let timeout = timeout();
    let Some(_waiting) = Waiting::begin() else {
        return JoinHandle::failed(refused.error);
    };
    let mut pause = PAUSE_MIN;
    while matches!(refused.error, SpawnError::Exhausted { .. }) {
        let Some(left) = timeout
            .checked_sub(begin.elapsed())
            .filter(|it| !it.is_zero())
        else {
            break;
        };
        // By the system's clock: one that a test moves may stand still.
        wait(Sleep::by_the_system(pause.min(left)));
        pause = (2 * pause).min(PAUSE_MAX);
        match spawn(refused.rejected) {
            Ok(handle) => return handle,
            Err(again) => refused = again,
        }
    }
    JoinHandle::failed(refused.error)
}

/// One that waits for room; counted if it is a fiber.
struct Waiting<'runtime>(Option<&'runtime AtomicU32>);

impl Waiting<'_> {
    /// `None`: it may not wait, see "Who waits for whom".
    fn begin() -> Option<Self> {
        let fiber = context::current().filter(|context| context.fiber.get().is_some());
        let Some(context) = fiber else {
            return Some(Self(None));
        };
        let shared = &*context.shared;
        let waiting = Self(Some(&shared.room_waiters));
        // Relaxed: a count of its own, which orders nothing. It counts this one.
        let count = 1 + shared.room_waiters.fetch_add(1, Ordering::Relaxed);
        (count < limit(shared)).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Fewer fibers than this may wait at a time.
fn limit(shared: &Shared) -> u32 {
    let capacity = shared.cells.capacity_per_class();
    if shared.is_stackful {
        return capacity;
    }
    let config = shared.mesh.config();
    let spares = (config.workers_max - config.workers).div_ceil(2) + 1;
    capacity.min(u32::try_from(spares).unwrap_or(u32::MAX))
}
