//! Owns a pair of memory barriers of which the frequent side costs nothing: the rare side has the
//! system make every processor that runs a thread of this process pass a barrier.
//!
//! Two threads that each store, pass a barrier, and load what the other stores cannot both miss
//! the other: as with two SeqCst fences, but one of them is a note to the compiler.
//!
//! On Linux the rare side is `membarrier(2)`, `MEMBARRIER_CMD_PRIVATE_EXPEDITED`. Where the system
//! lacks it, [`is_available`] says so, and nobody may rely on the pair. Under the model checkers
//! and Miri both sides are SeqCst fences.

#[cfg(any(miri, dtact_loom, dtact_shuttle))]
use self::fences as imp;
#[cfg(not(any(target_os = "linux", miri, dtact_loom, dtact_shuttle)))]
use self::missing as imp;
#[cfg(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle))))]
use self::system as imp;

/// The frequent side.
#[inline]
pub(crate) fn light() {
    imp::light();
}

/// The rare side: some microseconds.
pub(crate) fn heavy() {
    imp::heavy();
}

/// Whether there is such a pair. The first call may ask the system.
pub(crate) fn is_available() -> bool {
    imp::is_available()
}

#[cfg(any(miri, dtact_loom, dtact_shuttle))]
mod fences {
    use crate::sync::{Ordering, fence};

    pub(super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
    }

    pub(super) const fn is_available() -> bool {
        true
    }
}

#[cfg(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle))))]
mod system {
    use crate::sync::{
        OnceLock,
        counter::{Ordering, compiler_fence},
    };

    use rustix::thread::{MembarrierCommand, membarrier};

    #[inline]
    pub(super) fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() {
        // Cannot fail once the process is registered.
        let done = membarrier(MembarrierCommand::PrivateExpedited);
        debug_assert!(done.is_ok(), "{done:?}");
    }

    pub(super) fn is_available() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| {
            membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
                && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        })
    }
}

#[cfg(not(any(target_os = "linux", miri, dtact_loom, dtact_shuttle)))]
mod missing {
    #[inline]
    pub(super) fn light() {}

    pub(super) fn heavy() {}

    pub(super) const fn is_available() -> bool {
        false
    }
}
