//! A worker: a thread that takes fibers from the mesh and polls them.
//!
//! ```text
//!   thread's own stack             stack A (pooled)                stack B (pooled)
//!  ┌────────────────────┐        ┌────────────────────┐          ┌────────────────────┐
//!  │ thread::main       │ switch │ loop frame         │  switch  │ loop frame         │
//!  │  parked until the  │ ─────▶ │  dispatch          │ ───────▶ │  dispatch …        │
//!  │  worker ends       │        │   poll of fiber F  │          │                    │
//!  └────────────────────┘        │    user's frames   │          └────────────────────┘
//!                                │     wait(): parked │
//!                                └────────────────────┘
//! ```
//!
//! The loop stands on a pooled stack and polls right there. When fiber F calls `wait`, it keeps
//! stack A, with the loop frame at its foot; the worker begins a new loop on stack B. When F is
//! ready, the loop on B is abandoned where it stands and A goes on: F's poll returns into the
//! loop frame at A's foot, which now is the worker's loop, and B becomes the spare.
//!
//! # Invariants
//!
//! - [bridge.W1] A loop frame owns nothing: all that a worker has lies in its `WorkerContext`.
//!   So abandoning a loop frame loses nothing.
//! - [bridge.W2] A suspended fiber's frames are entered again only by the thread they were made
//!   on: `home` names it, and only its own pinned queue leads to it.
//! - [bridge.W4] A fiber whose stack is lent out is OWNED and in no queue: `lender` alone leads to
//!   its suspension, and only while the fiber runs that it waits for. Whoever leaves the stack that
//!   it was lent for goes back to the lender; a loop goes on only where there is none.
//! - [bridge.W3] A stack is given back, or begun anew, only after it has been left: by the code
//!   that arrives on another stack.

pub(crate) mod context;
pub(crate) mod dispatch;
pub(crate) mod handover;
pub(crate) mod running;
pub(crate) mod sleep;
pub(crate) mod stacks;
pub(crate) mod suspension;
pub(crate) mod thread;
mod thread_locals;
