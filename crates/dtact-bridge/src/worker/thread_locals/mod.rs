//! The thread-locals of a worker's thread, and whether one of them points into a stack.
//!
//! A thread-local that points into the stack of the fiber which runs is a "scoped" one, mostly: it
//! is set for the time of a closure, and put back afterwards in the order of calls. If the fiber
//! were suspended meanwhile, others on the thread would find the pointer there, and put it back in
//! another order. So nothing is suspended while there is one.
//!
//! ```text
//!   static thread-locals of the thread     stack of the fiber that wants to wait
//!  ┌──────────┬────────────┐              ┌──────────────────────────────────────┐
//!  │ program  │ libraries  │              │ free │ frames in use                 │ top
//!  └──────────┴────────────┘              └──────────────────────────────────────┘
//!     each aligned word: is it an address in here? ▶ ◀──────────────────────────▶
//! ```
//!
//! The frames in use reach from the scan's own frame to the top. The loop's frame at the foot is
//! among them: it holds the `Context` that the fiber is polled with, to which a scoped thread-local
//! may point as well. The runtime's own thread-locals point to what lies on the thread's own stack,
//! or on the heap.
//!
//! # What it does not see
//!
//! - Pointers to what lies elsewhere: on the heap, or on the stack of another fiber.
//! - Thread-locals of libraries that the program has loaded by itself (`dlopen`): theirs come and
//!   go. What was loaded with the program is looked at, as it was when the thread began.
//! - Those of the C library, which calls nobody back while one of them points into a stack; where
//!   it is linked into the program, they are looked at with that.
//! - Keys of the system (`pthread_getspecific`), and anything that is packed or hidden.
//!
//! A word that happens to look like such an address, or an address that was left behind when its
//! scope ended, costs a blocked thread where a suspension would have done, and no more.

#[cfg(all(target_os = "linux", not(miri)))]
mod scan;
#[cfg(all(target_os = "linux", not(miri)))]
#[path = "linux.rs"]
mod system;
#[cfg(not(all(target_os = "linux", not(miri))))]
#[path = "none.rs"]
mod system;

pub(crate) use system::ThreadLocals;
