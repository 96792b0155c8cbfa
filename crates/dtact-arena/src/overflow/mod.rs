//! What is said when a stack overflows, before the process ends.
//!
//! A guard turns an overflow into a signal, which by itself says nothing. [`install`] puts a
//! handler before the ones there are:
//!
//! ```text
//!   SIGSEGV, SIGBUS
//!        │
//!        ▼
//!   is the address in the guard of a stack of a pool?  (registry.rs: numbers, no locks)
//!        │ yes                              │ no
//!        ▼                                  │
//!   one message, by one write (message.rs)  │
//!        │                                  │
//!        ▼                                  ▼
//!   the handler that was there ◀────────────┘
//!        │ returns, or there is none
//!        ▼
//!   the default: the access is made again, and ends the process by its signal
//! ```
//!
//! ```text
//! dtact: fiber 128/0 generation 1 has overflowed its stack
//! dtact:   stack: 65600 bytes from 0x7fd1a3a5d000 to 0x7fd1a3a6d040, used: 65616 bytes
//! dtact:   fault: at 0x7fd1a3a5cff0, 16 bytes below the bottom
//! dtact:   to do: ask for a stack of 131072 bytes or more, by `spawn_with_stack`
//! ```
//!
//! Exit status and core dump are those of the access itself. Other faults go to the handler that
//! was there, as they would have without this one.
//!
//! # What each thread does
//!
//! A handler cannot run on a stack that is full. A thread that runs on pooled stacks has an
//! [`AlternateStack`], and says who runs on it by [`set_occupant`], where the message shall name
//! somebody. Without the former there is no message, without the latter no name.
//!
//! # Platforms
//!
//! Unix, and Windows, where the handler is a vectored exception handler: it says what it knows and
//! leaves the exception to others. There is no alternate stack there; the system opens a part of
//! the guard instead, where whoever runs on the stack has told it of top, bottom and lowest byte.
//! Under Miri [`install`] answers [`ArenaError::Unsupported`].

mod alternate_stack;
#[cfg(not(any(miri, dtact_loom)))]
#[cfg_attr(windows, path = "handler_windows.rs")]
mod handler;
mod message;
mod note;
mod occupant;
pub(crate) mod registry;

use core::ptr;

use crate::error::ArenaError;
use crate::sync::counter::{AtomicPtr, Ordering};

pub use alternate_stack::AlternateStack;
pub use note::Note;
pub use occupant::{Occupant, OccupantKind};

/// The regions of this process.
#[cfg(not(dtact_loom))]
static REGISTRY: registry::Registry<{ registry::BLOCK_SLOTS }> = registry::Registry::new();

/// A region whose guards the handler knows, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    #[cfg(not(dtact_loom))]
    _registration: registry::Registration<'static>,
}

/// Makes the guards of a region known to the handler, before one of its stacks is handed out.
#[cfg_attr(
    dtact_loom,
    expect(unused_variables, reason = "models have registries of their own")
)]
pub(crate) fn register(record: registry::RegionRecord) -> Registered {
    Registered {
        #[cfg(not(dtact_loom))]
        _registration: REGISTRY.add(record),
    }
}

thread_local! {
    // No destructor and no lazy initialiser: reading it is one load, also in a signal handler.
    static OCCUPANT: AtomicPtr<Occupant> = const { AtomicPtr::new(ptr::null_mut()) };
}

/// Puts the handler before the ones that are installed, for the rest of the process's life.
///
/// Call it after others that want to be first have installed theirs, and before stacks overflow;
/// further calls do nothing. A handler that is installed later, and does not pass on what it does
/// not know, takes the messages away.
///
/// On Unix the handler that was there runs as it would have: with one argument or three, with its
/// own signals blocked, once only where it asked for that (`SA_RESETHAND`). It always runs on the
/// alternate stack.
///
/// ```
/// use dtact_arena::{ArenaError, overflow};
///
/// match overflow::install() {
///     Ok(()) | Err(ArenaError::Unsupported { .. }) => {}
///     Err(error) => panic!("{error}"),
/// }
/// ```
///
/// # Errors
///
/// - [`ArenaError::Unsupported`]: under Miri;
/// - [`ArenaError::Os`]: the system refused.
pub fn install() -> Result<(), ArenaError> {
    #[cfg(not(any(miri, dtact_loom)))]
    return handler::install();
    #[cfg(any(miri, dtact_loom))]
    Err(ArenaError::Unsupported {
        what: "a message about stack overflows",
    })
}

/// Says who runs on this thread from now on; `None`: nobody who has a name. It costs one store.
///
/// # Safety
///
/// - `occupant` stays where it is until the next call on this thread, or the end of the thread.
#[inline]
#[allow(unsafe_code, reason = "keeps a reference longer than its lifetime")]
pub unsafe fn set_occupant(occupant: Option<&Occupant>) {
    let occupant = occupant.map_or(ptr::null_mut(), |occupant| {
        ptr::from_ref(occupant).cast_mut()
    });
    // Relaxed: read by this thread, in its signal handler at most.
    OCCUPANT.with(|place| place.store(occupant, Ordering::Relaxed));
}

/// Who runs on this thread. To be called in its signal handler.
#[cfg(not(any(miri, dtact_loom)))]
#[allow(unsafe_code, reason = "reads what `set_occupant` has kept")]
fn occupant<'handler>() -> Option<&'handler Occupant> {
    let occupant = OCCUPANT.with(|place| place.load(Ordering::Relaxed));
    // SAFETY: null, or one that stays until this thread says otherwise, by the contract of
    // `set_occupant`; the thread says nothing while its handler runs.
    unsafe { occupant.as_ref() }
}
