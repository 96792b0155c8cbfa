//! The right to join a fiber that is known by its name.

#![allow(
    unsafe_code,
    reason = "moves the outcome out of a cell, and keeps a pointer to it"
)]

use core::{
    fmt,
    future::Future,
    mem::{ManuallyDrop, MaybeUninit},
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

use crate::{
    error::JoinError,
    fiber::{
        Cell, Outcome,
        body::{self, VTable},
    },
    fiber_ref::FiberRef,
    join, wait,
    worker::handover,
};

/// The right to join a fiber, taken by [`Handle::claim`](super::Handle::claim): one at a time has
/// it. Dropping it gives it back, and the handle stays what it was.
///
/// # Invariants
///
/// - [bridge.N1] The state of the cell has JOINING set for this claim: the fiber's cell is in use
///   and its memory mapped, and its outcome, once it is there, the claim's [bridge.S2].
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, foreign::spawn_closure_on, spawn_with, wait};
///
/// let runtime = Runtime::new()?;
/// let handle = spawn_closure_on(&runtime, spawn_with(), || 42_u16)?;
/// let mut claim = handle.claim()?;
/// wait(claim.ending());
/// assert_eq!(claim.value_size(), Some(2));
/// claim.take(&mut [])?;
/// assert!(handle.claim().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it gives the right to join back"]
pub struct Claim {
    fiber: FiberRef,
    cell: Cell,
}

// SAFETY: a claim is a name and the right to a cell, which goes with it; an outcome that is not
// `Send` has a handle that is not, and that cannot be given up for a name.
unsafe impl Send for Claim {}
// SAFETY: what can be done by a shared claim is to look at the state, which anyone may.
unsafe impl Sync for Claim {}

impl Claim {
    /// The caller has set JOINING.
    #[inline]
    pub(super) const fn new(fiber: FiberRef, cell: Cell) -> Self {
        Self { fiber, cell }
    }

    fn vtable(&self) -> &'static VTable {
        self.cell.header().vtable.get().expect("set by spawn")
    }

    /// Whether the fiber has ended.
    #[inline]
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.cell.header().state.is_done()
    }

    /// How many bytes the fiber's value has, if C can have it.
    #[must_use]
    pub fn value_size(&self) -> Option<usize> {
        self.vtable().value_size()
    }

    /// Waits until the fiber has ended, as [`wait`](crate::wait()) does.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn wait(&mut self) {
        handover::run_first(self.fiber);
        if !self.is_ended() {
            let of = Some(self.fiber);
            wait::wait_or(self.ending(), of, || None);
        }
    }

    /// Waits until the fiber has ended, as [`wait_shielded`](crate::wait_shielded) does.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn wait_shielded(&mut self) {
        handover::run_first(self.fiber);
        if !self.is_ended() {
            let of = Some(self.fiber);
            wait::wait_shielded_of(self.ending(), of);
        }
    }

    /// A future of the fiber's end.
    pub const fn ending(&mut self) -> Ending<'_> {
        Ending(self)
    }

    /// Takes the outcome of the ended fiber. Its value is copied to `to`, or, where that is empty,
    /// dropped.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    ///
    /// # Panics
    ///
    /// If the fiber has not ended, or `to` is neither empty nor of the size of its value.
    #[inline]
    pub fn take(self, to: &mut [MaybeUninit<u8>]) -> Result<(), JoinError> {
        assert!(self.is_ended(), "the fiber has not ended");
        let vtable = self.vtable();
        assert!(
            to.is_empty() || vtable.value_size() == Some(to.len()),
            "the value is of another size"
        );
        let to = if to.is_empty() {
            ptr::null_mut()
        } else {
            to.as_mut_ptr().cast()
        };
        // SAFETY: the fiber has ended, so the outcome is the claim's [bridge.N1], which is used up
        // below; `to` is null or of the size of the value.
        let taken = unsafe { vtable.take_bytes(self.cell, to) };
        self.release();
        taken
    }

    /// Gives the fiber up: it goes on, and its outcome is dropped.
    pub fn detach(self) {
        // SAFETY: the cell is that of the claim's fiber [bridge.N1], and the claim is given up.
        if unsafe { join::detach(self.cell) } {
            let vtable = self.vtable();
            // SAFETY: the fiber has ended and the outcome is the claim's [bridge.N1].
            unsafe { (vtable.drop_outcome)(self.cell) };
            self.release();
        } else {
            let _ = ManuallyDrop::new(self);
        }
    }

    /// How the fiber ended, if it has; and the message of its panic, if it has one.
    pub(super) fn look(&self) -> Option<(Outcome, Option<String>)> {
        if !self.is_ended() {
            return None;
        }
        let outcome = self.cell.outcome();
        // SAFETY: the fiber has ended and the outcome is the claim's [bridge.N1].
        let message = unsafe { body::panic_message(self.cell) };
        Some((outcome, message.map(str::to_owned)))
    }

    /// Frees the cell, whose outcome has been taken.
    #[inline]
    fn release(self) {
        let this = ManuallyDrop::new(self);
        join::release(this.fiber, this.cell);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A waker that was left in the join slot stays there, for the next claim to replace.
        self.cell.header().state.give_up_claim();
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("is_ended", &self.is_ended())
            .finish_non_exhaustive()
    }
}

/// The future of [`Claim::ending`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited or waited for"]
pub struct Ending<'claim>(&'claim mut Claim);

impl Future for Ending<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_ended() || join::register(self.0.cell, cx.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
