//! A fiber by its name.

use core::{fmt, task::Waker};

use dtact_arena::CellIndex;

use super::Claim;
use crate::{
    fiber::{
        Cell,
        id::{self, Ended},
        state,
    },
    fiber_ref::FiberRef,
    join::{self, JoinHandle},
    registry::RUNTIMES,
    runtime::{
        Shared,
        dump::{self, FiberDump},
    },
    worker::context,
};

/// A fiber by number: `dtact_handle_t`. Any number is one, and one that names no fiber is found
/// out.
///
/// It is copied freely, and keeps the outcome of its fiber, until one of those who have it has
/// joined or detached the fiber: one has to, or the fiber's cell stays taken.
///
/// Fibers that were launched ([`launch_on`](super::launch_on)) have no outcome: their handles
/// cannot be joined or detached, and need not be. To wait for one that has ended is no error.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, foreign::{Handle, HandleError}};
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { 7 }).into_handle();
/// let again = Handle::from_raw(handle.raw());
/// dtact_bridge::wait(again.ended()?);
/// assert_eq!(again.is_finished(), Ok(true));
/// assert_eq!(handle.detach(), Ok(()));
/// assert_eq!(again.is_finished(), Err(HandleError::Stale));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(u64);

/// Why a handle leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// It names no fiber: the fiber was joined or detached, or the number was never given out.
    Stale,
    /// Somebody else is joining the fiber: one at a time can.
    Busy,
    /// The wait could never end: the fiber is the one that waits, or could only go on on the thread
    /// that the wait would block.
    Deadlock,
}

/// The bits of a name where the class of the cell is. There is no class of all ones: launched
/// fibers have that, and are in cells of class 0.
const CLASS_MASK: u64 = 7 << 21;

impl Handle {
    /// The handle of no fiber: 0.
    pub const NONE: Self = Self(0);

    /// Any number as a handle.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The handle as a number.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    pub(crate) const fn new(fiber: FiberRef) -> Self {
        Self(fiber.word())
    }

    /// Of a fiber without an outcome, in a cell of class 0.
    pub(crate) fn launched(fiber: FiberRef) -> Self {
        debug_assert_eq!(fiber.word() & CLASS_MASK, 0, "the class is 0");
        Self(fiber.word() | CLASS_MASK)
    }

    const fn is_launched(self) -> bool {
        self.0 & CLASS_MASK == CLASS_MASK
    }

    pub(crate) const fn fiber(self) -> FiberRef {
        FiberRef::from_word(if self.is_launched() {
            self.0 & !CLASS_MASK
        } else {
            self.0
        })
    }

    /// Takes the right to join the fiber.
    ///
    /// # Errors
    ///
    /// All of [`HandleError`].
    #[inline]
    pub fn claim(self) -> Result<Claim, HandleError> {
        if self.is_launched() {
            return Err(HandleError::Stale);
        }
        let fiber = self.fiber();
        on_cell(fiber, |cell| {
            let state = &cell.header().state;
            let is_done = state
                .look_by_name(fiber.generation())
                .ok_or(HandleError::Stale)?;
            if !is_done && join::is_deadlock(fiber) {
                return Err(HandleError::Deadlock);
            }
            claimed(fiber, cell)
        })
        .unwrap_or(Err(HandleError::Stale))
    }

    /// Gives the fiber up. It goes on; its outcome is dropped.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`] and [`HandleError::Busy`].
    pub fn detach(self) -> Result<(), HandleError> {
        if self.is_launched() {
            return Err(HandleError::Stale);
        }
        let fiber = self.fiber();
        let claim = on_cell(fiber, |cell| claimed(fiber, cell));
        claim.unwrap_or(Err(HandleError::Stale))?.detach();
        Ok(())
    }

    /// As [`claim`](Self::claim), for one that only looks at what an ended fiber has left: `None`
    /// while it has not.
    pub(super) fn claim_unless_running(self) -> Result<Option<Claim>, HandleError> {
        if !self.is_finished()? {
            return Ok(None);
        }
        self.claim().map(Some)
    }

    /// Asks the fiber to end: see [`JoinHandle::abort`](crate::JoinHandle::abort).
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`].
    pub fn cancel(self) -> Result<(), HandleError> {
        let fiber = self.fiber();
        if !self.is_finished()? {
            id::with_runtime(fiber, |shared| {
                shared.cancel(context::current_of(shared), fiber);
            });
        }
        Ok(())
    }

    /// Whether the fiber has ended, in whichever way.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`].
    pub fn is_finished(self) -> Result<bool, HandleError> {
        let fiber = self.fiber();
        let found = on_cell(fiber, |cell| {
            cell.header().state.look_by_name(fiber.generation())
        });
        found
            .flatten()
            .map_or_else(|| self.has_gone().map(|()| true), Ok)
    }

    /// A future of the fiber's end, for any number of those who wait. Whoever has the outcome is
    /// not concerned.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`], and [`HandleError::Deadlock`] for the fiber's own.
    pub fn ended(self) -> Result<Ended, HandleError> {
        let fiber = self.fiber();
        if self.is_current() {
            return Err(HandleError::Deadlock);
        }
        // Where it has ended, the future finds that out.
        if !self.is_finished()? {
            on_cell(fiber, |cell| {
                cell.header().state.make_known_by_name(fiber.generation())
            });
        }
        Ok(Ended::of(fiber))
    }

    /// Leaves a waker to be woken once the fiber has ended, by the worker that ended it. Returns
    /// `false` where it has ended: the waker is then not used.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`].
    pub fn wake_at_end(self, waker: &Waker) -> Result<bool, HandleError> {
        let fiber = self.fiber();
        if self.is_finished()? {
            return Ok(false);
        }
        let left = id::with_runtime(fiber, |shared| {
            let state = &shared.cell(fiber.cell_raw())?.header().state;
            if !state.make_known_by_name(fiber.generation()) {
                return None;
            }
            let is_alive = || state.running_generation() == Some(fiber.generation());
            shared.waiters.leave(fiber, 0, waker, is_alive)
        });
        Ok(left.flatten().is_some())
    }

    /// Whether it is the handle of the fiber that runs this.
    #[must_use]
    pub fn is_current(self) -> bool {
        let own = context::current_or_blocked().and_then(|context| context.fiber.get());
        own == Some(self.fiber())
    }

    /// What is known of the fiber, at this moment.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stale`], also for a launched fiber that has ended.
    pub fn info(self) -> Result<FiberDump, HandleError> {
        let fiber = self.fiber();
        let index = CellIndex::from_raw(fiber.cell_raw()).ok_or(HandleError::Stale)?;
        let is_there = |shared: &Shared| {
            let state = &shared.cell(fiber.cell_raw())?.header().state;
            state.look_by_name(fiber.generation())
        };
        let info = id::with_runtime(fiber, |shared| {
            is_there(shared)?;
            let info = dump::fiber(shared, index)?;
            // Again: the cell may have got another fiber meanwhile.
            is_there(shared).map(|_| info)
        });
        info.flatten().ok_or(HandleError::Stale)
    }

    /// `Ok` for a launched fiber that is no longer there.
    #[cold]
    fn has_gone(self) -> Result<(), HandleError> {
        let fiber = self.fiber();
        if !self.is_launched() || fiber.generation() == 0 {
            return Err(HandleError::Stale);
        }
        let generation_now = id::with_runtime(fiber, |shared| {
            let cell = shared.cell(fiber.cell_raw());
            let generation = cell.map_or(0, |cell| cell.header().state.generation());
            generation.max(shared.generation_min)
        });
        let generation_now = generation_now.unwrap_or_else(|| {
            match RUNTIMES[usize::from(fiber.runtime())].generation_min() {
                // Its runtime is ending at this moment.
                0 => u32::MAX,
                of_the_next => of_the_next,
            }
        });
        if fiber.generation() < generation_now {
            Ok(())
        } else {
            Err(HandleError::Stale)
        }
    }
}

/// Calls `body` with the cell of a name, if there is one: of the same fiber or another.
#[inline]
fn on_cell<R>(fiber: FiberRef, body: impl FnOnce(Cell) -> R) -> Option<R> {
    id::with_runtime(fiber, |shared| shared.cell(fiber.cell_raw()).map(body)).flatten()
}

/// The claim of the fiber, which is in this cell, or was.
#[inline]
fn claimed(fiber: FiberRef, cell: Cell) -> Result<Claim, HandleError> {
    match cell.header().state.claim(fiber.generation()) {
        state::Claim::Claimed => Ok(Claim::new(fiber, cell)),
        state::Claim::Busy => Err(HandleError::Busy),
        state::Claim::Stale => Err(HandleError::Stale),
    }
}

impl<T: Send + 'static> From<JoinHandle<T>> for Handle {
    fn from(handle: JoinHandle<T>) -> Self {
        handle.into_handle()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:#x})", self.0)
    }
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => {
                "the handle names no fiber: it was joined or detached, or never given out"
            }
            Self::Busy => "the fiber is being joined by somebody else: only one can",
            Self::Deadlock => {
                "the fiber can only go on when this wait has ended: wait for it elsewhere"
            }
        })
    }
}

impl core::error::Error for HandleError {}
