//! Owns the blocking of one thread: the only file that asks the system to put a thread to sleep.
//!
//! A parker is a token that is there or not. [`Parker::unpark`] leaves one, [`Parker::park`] waits
//! for one and takes it. A token is never lost; two left before one is taken are one.
//!
//! ```text
//!               unpark                    park
//!   EMPTY ----------------> NOTIFIED ----------------> EMPTY
//!     | park                   ^  unpark: wakes
//!     +--------> PARKED -------+
//! ```
//!
//! On Linux the state is a futex word. Elsewhere, under the model checker and in the Miri
//! interpreter it is a mutex and a condition variable with the same meaning.

#[cfg(not(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle)))))]
use self::condvar as imp;
#[cfg(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle))))]
use self::futex as imp;

use core::time::Duration;
use std::time::Instant;

/// A token that a thread can sleep for. Any thread may leave it; one thread at a time may wait.
///
/// ```
/// use std::{sync::Arc, thread, time::Duration};
///
/// use dtact_mesh::Parker;
///
/// let parker = Arc::new(Parker::new());
/// let other = Arc::clone(&parker);
/// let waker = thread::spawn(move || other.unpark());
/// parker.park();
/// waker.join().expect("unpark does not panic");
/// assert!(!parker.park_timeout(Duration::from_millis(1)));
/// ```
#[derive(Debug)]
pub struct Parker(imp::Token);

impl Parker {
    /// A parker without a token.
    #[must_use]
    pub fn new() -> Self {
        Self(imp::Token::new())
    }

    /// Sleeps until there is a token, and takes it. What came before the [`unpark`](Self::unpark)
    /// that left it is visible afterwards.
    pub fn park(&self) {
        self.0.wait();
    }

    /// As [`park`](Self::park), for at most `timeout`. True if it took a token.
    pub fn park_timeout(&self, timeout: Duration) -> bool {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.park_until(deadline),
            None => {
                self.park();
                true
            }
        }
    }

    /// As [`park`](Self::park), but returns when `deadline` has come, never before. True if it took
    /// a token.
    pub fn park_until(&self, deadline: Instant) -> bool {
        self.0.wait_until(deadline)
    }

    /// Leaves a token, and wakes who sleeps for it.
    pub fn unpark(&self) {
        self.0.leave();
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle))))]
mod futex {
    //! The token as a futex word.

    use std::time::Instant;

    use crate::sync::{AtomicU32, Ordering};

    use rustix::thread::futex::{self, Flags, Timespec};

    const EMPTY: u32 = 0;
    const NOTIFIED: u32 = 1;
    /// One below [`EMPTY`]: a thread that comes to wait subtracts one, whichever it finds.
    const PARKED: u32 = u32::MAX;

    #[derive(Debug)]
    pub(super) struct Token(AtomicU32);

    impl Token {
        pub(super) fn new() -> Self {
            Self(AtomicU32::new(EMPTY))
        }

        /// NOTIFIED becomes EMPTY (true: taken), EMPTY becomes PARKED.
        fn arrive(&self) -> bool {
            // Acquire: pairs with the Release swap in `leave`.
            self.0.fetch_sub(1, Ordering::Acquire) == NOTIFIED
        }

        fn is_left(&self) -> bool {
            // Acquire: as in `arrive`. Fails only for PARKED, a wake-up without a token.
            let exchange =
                self.0
                    .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed);
            exchange.is_ok()
        }

        pub(super) fn wait(&self) {
            if self.arrive() {
                return;
            }
            loop {
                // Every way to return (woken, changed, interrupted) means: look again.
                let _ = futex::wait(&self.0, Flags::PRIVATE, PARKED, None);
                if self.is_left() {
                    return;
                }
            }
        }

        pub(super) fn wait_until(&self, deadline: Instant) -> bool {
            if self.arrive() {
                return true;
            }
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // Acquire: as in `arrive`. The token may have come at the last moment.
                    return self.0.swap(EMPTY, Ordering::Acquire) == NOTIFIED;
                }
                let span = Timespec {
                    tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                };
                let _ = futex::wait(&self.0, Flags::PRIVATE, PARKED, Some(&span));
                if self.is_left() {
                    return true;
                }
            }
        }

        pub(super) fn leave(&self) {
            // Release: pairs with the Acquire of the thread that takes the token.
            if self.0.swap(NOTIFIED, Ordering::Release) == PARKED {
                // Fails only for a bad address, which a reference is not.
                let _ = futex::wake(&self.0, Flags::PRIVATE, 1);
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, dtact_loom, dtact_shuttle)))))]
mod condvar {
    //! The token as a flag under a mutex.

    use std::time::Instant;

    use crate::sync::{Condvar, Mutex};

    #[derive(Debug)]
    pub(super) struct Token {
        left: Mutex<bool>,
        changed: Condvar,
    }

    impl Token {
        pub(super) fn new() -> Self {
            Self {
                left: Mutex::new(false),
                changed: Condvar::new(),
            }
        }

        pub(super) fn wait(&self) {
            let mut left = self.left.lock();
            while !*left {
                left = self.changed.wait(left);
            }
            *left = false;
        }

        #[cfg(not(any(dtact_loom, dtact_shuttle)))]
        pub(super) fn wait_until(&self, deadline: Instant) -> bool {
            let mut left = self.left.lock();
            while !*left {
                let span = deadline.saturating_duration_since(Instant::now());
                if span.is_zero() {
                    return false;
                }
                left = self.changed.wait_timeout(left, span);
            }
            *left = false;
            true
        }

        /// The model has no clock: every timeout is over at once.
        #[cfg(any(dtact_loom, dtact_shuttle))]
        pub(super) fn wait_until(&self, _deadline: Instant) -> bool {
            core::mem::replace(&mut *self.left.lock(), false)
        }

        pub(super) fn leave(&self) {
            *self.left.lock() = true;
            self.changed.notify_one();
        }
    }
}
