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

/// The first pause between two looks, and the longest of a few that wait.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Calls `spawn`, which may be refused for want of room: then again, until there is some, or the
/// time is over. In a fiber that is a [`wait`](crate::wait()), which unwinds where it is cancelled.
#[inline]
#[cfg_attr(debug_assertions, track_caller)]
pub(crate) fn spawn_when_there_is<W, T>(
    mut what: W,
    timeout: impl Fn() -> Duration,
    mut spawn: impl FnMut(W) -> Result<JoinHandle<T>, TrySpawnError<W>>,
) -> JoinHandle<T> {
    let mut search = None;
    // One call, so that it is compiled into this place.
    loop {
        let refused = match spawn(what) {
            Ok(handle) => return handle,
            Err(refused) => refused,
        };
        if !goes_on(&mut search, refused.error, &timeout) {
            return JoinHandle::failed(refused.error);
        }
        what = refused.rejected;
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

/// Pauses before the next look. `false`: there will be none.
#[cold]
#[cfg_attr(debug_assertions, track_caller)]
fn goes_on(
    search: &mut Option<Search<'_>>,
    refusal: SpawnError,
    timeout: &dyn Fn() -> Duration,
) -> bool {
    if !matches!(refusal, SpawnError::Exhausted { .. }) {
        return false;
    }
    if search.is_none() {
        *search = Search::begin(timeout());
    }
    let Some(search) = search else { return false };
    let Some(left) = search.timeout.checked_sub(search.begin.elapsed()) else {
        return false;
    };
    if left.is_zero() {
        return false;
    }
    // By the system's clock: one that a test moves may stand still.
    wait(Sleep::by_the_system(search.pause.min(left)));
    search.pause = (2 * search.pause).min(search.waiting.longest_pause());
    true
}

/// What is known of a search for room.
struct Search<'runtime> {
    begin: Instant,
    timeout: Duration,
    pause: Duration,
    waiting: Waiting<'runtime>,
}

impl Search<'_> {
    /// `None`: it may not wait.
    fn begin(timeout: Duration) -> Option<Self> {
        Some(Self {
            begin: Instant::now(),
            timeout,
            pause: PAUSE_MIN,
            waiting: Waiting::begin()?,
        })
    }
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

    /// The longer the more there are that look: together they look as often as a few would.
    fn longest_pause(&self) -> Duration {
        // Relaxed: as above.
        let count = self.0.map_or(0, |count| count.load(Ordering::Relaxed));
        PAUSE_MAX * (1 + count / 4)
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
