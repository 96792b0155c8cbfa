//! Fibers for other languages: by number, with values that are bytes.
//!
//! A [`JoinHandle`](crate::JoinHandle) is a value of Rust, of a type, and there is one. C has
//! numbers, and copies them as it likes. So there a fiber's own name is its [`Handle`]: runtime,
//! cell and generation in one word. Whoever has it may join the fiber, one at a time ([`Claim`]),
//! cancel it, or wait for its end; one that was used up is found out by the generation, however
//! late. Nothing is looked up and nothing is locked for it.
//!
//! ```text
//!   spawn_closure ──▶ Handle ──▶ claim ──▶ Claim ──▶ take: the value's bytes, or a JoinError
//!                       │ ▲                  │
//!                       │ └── dropped ───────┘
//!                       ├──▶ detach, cancel, is_finished, outcome, info
//!                       └──▶ ended: any number may wait
//! ```
//!
//! What a fiber returns to C is a [`CValue`].

mod claim;
mod handle;
mod outcome;
mod spawn;
mod value;

pub use claim::{Claim, Ending};
pub use handle::{Handle, HandleError};
pub use outcome::{FiberOutcome, cancel, dtact_await, fiber_info, outcome};
pub use spawn::{export_async, export_fiber, export_local, launch_on, spawn_closure_on};
pub use value::{Argument, CValue};
