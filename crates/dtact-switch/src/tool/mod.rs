//! Checkers are told of stacks and switches; without one, this is the assembly and nothing else.
//!
//! A checker that follows the stack pointer takes a switch for a bug in the program. So each can be
//! told, by calls or instructions of its own, at four moments:
//!
//! | event       | when                                       | ASan             | TSan         | Valgrind   |
//! |-------------|--------------------------------------------|------------------|--------------|------------|
//! | `made`      | a context is built on a stack              | clears poison    | –            | registers  |
//! | `leave_for` | just before the switch, on the old stack   | names the next   | changes over | –          |
//! | `arrived`   | just after it, on the new one              | completes        | –            | –          |
//! | `given_up`  | a context is dropped: it never runs again  | frees the frames | destroys     | forgets    |
//!
//! ```text
//!   Context                         Record (heap)                   stack
//!  ┌─────────┐  with a tool        ┌────────────────────────┐      ┌───────────┐
//!  │ pointer │ ──────────────────► │ frame ─────────────────│────► │ frame     │
//!  └─────────┘                     │ bounds, what the tool  │      │ …         │
//!       │       without            │ keeps for the stack    │      └───────────┘
//!       │                          └────────────────────────┘           ▲
//!       └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! # Which one
//!
//! One of `--cfg dtact_asan`, `--cfg dtact_tsan` and `--cfg dtact_valgrind` in `RUSTFLAGS`, which
//! `cargo xtask asan`, `tsan` and `valgrind` set. Every crate of a program is built with the same.
//!
//! | file          | is                                                   |
//! |---------------|------------------------------------------------------|
//! | `none.rs`     | the assembly as it is                                |
//! | `told.rs`     | the assembly behind the same names, with the events  |
//! | `asan.rs`, …  | what one tool wants to hear at each of them          |

#[cfg(not(any(dtact_asan, dtact_tsan, dtact_valgrind)))]
mod none;
#[cfg(not(any(dtact_asan, dtact_tsan, dtact_valgrind)))]
pub(crate) use none::*;

#[cfg(any(dtact_asan, dtact_tsan, dtact_valgrind))]
mod told;
#[cfg(any(dtact_asan, dtact_tsan, dtact_valgrind))]
pub(crate) use told::*;

#[cfg(dtact_asan)]
#[path = "asan.rs"]
mod chosen;
#[cfg(dtact_tsan)]
#[path = "tsan.rs"]
mod chosen;
#[cfg(dtact_valgrind)]
#[path = "valgrind.rs"]
mod chosen;
