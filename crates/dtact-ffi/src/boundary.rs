//! The line between C and Rust: no panic crosses it, and errors become statuses.
//!
//! It keeps the message of the last failure of each thread.

#![allow(unsafe_code, reason = "exports a symbol")]

use core::{
    any::Any,
    cell::{Cell, RefCell},
    ffi::{CStr, c_char},
    future::Future,
    mem::ManuallyDrop,
    panic::AssertUnwindSafe,
};
use std::{ffi::CString, panic::catch_unwind};

use crate::{error::Error, status::DtactStatus, thread_state::Taken};

thread_local! {
    /// The message of the last failure on this thread.
    ///
    /// It is borrowed only within a function of this module, never across a switch.
    static MESSAGE: RefCell<Option<CString>> = const { RefCell::new(None) };
    /// What runs on this thread.
    ///
    /// It stays with the thread, not with the fiber: what is refused every wait is over before
    /// another fiber runs here.
    static GUEST: Cell<Guest> = const { Cell::new(Guest::Code) };
}

/// Code that calls this library, as far as it is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Any.
    Code,
    /// What is told of a fiber's end. It must not wait, but may take what has ended.
    Completion,
    /// A finalizer, which may be run by anything. It must not even look as if it waited.
    Finalizer,
}

/// Runs the body of an exported function [ffi.B1].
#[inline]
pub(crate) fn enter(body: impl FnOnce() -> Result<(), Error>) -> DtactStatus {
    let run = || match body() {
        Ok(()) => DtactStatus::Ok,
        Err(error) => failed(&error),
    };
    // Unwind safe: what is shared behind the boundary is behind locks that are never left with
    // half of a change, or in the runtime, which catches panics itself.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked)
}

/// The same for a function that has a value to return: on failure it is the one given.
pub(crate) fn enter_or<T>(otherwise: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    let mut value = None;
    enter(|| {
        value = Some(body()?);
        Ok(())
    });
    value.unwrap_or(otherwise)
}

/// Keeps the message of an error, and gives its number. Out of the way of what succeeds.
#[cold]
#[inline(never)]
fn failed(error: &Error) -> DtactStatus {
    record(error);
    error.status()
}

#[cold]
#[inline(never)]
fn panicked(payload: Box<dyn Any + Send>) -> DtactStatus {
    let message = message_of(&*payload)
        .unwrap_or("of unknown kind")
        .to_owned();
    discard(payload);
    failed(&Error::Panicked(message))
}

/// Waits for a future: the fiber, or, outside of one, the thread. A cancellation of the fiber
/// comes out as an error, and not as unwinding [ffi.B2].
///
/// # Errors
///
/// [`Error::Cancelled`] if the calling fiber is cancelled and the future not ready, and
/// [`Error::InFinalizer`].
pub(crate) fn interruptible<F: Future>(future: F) -> Result<F::Output, Error> {
    waiting(|| dtact::wait(future))
}

/// As [`interruptible`], but a cancellation of the fiber does not cut it short.
///
/// # Errors
///
/// [`Error::InFinalizer`].
pub(crate) fn shielded<F: Future>(future: F) -> Result<F::Output, Error> {
    waiting(|| dtact::wait_shielded(future))
}

/// Runs what waits, with nothing of the fiber's left on the thread, and catches what unwinds.
///
/// # Errors
///
/// As of [`interruptible`], or, where what waits is not cut short, of [`shielded`].
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> Result<T, Error> {
    may_wait()?;
    let taken = Taken::from_thread();
    let waited = catch_unwind(AssertUnwindSafe(wait));
    drop(taken);
    waited.map_err(|payload| {
        let error = if dtact::is_cancellation(&*payload) {
            Error::Cancelled
        } else {
            Error::Panicked(
                message_of(&*payload)
                    .unwrap_or("of unknown kind")
                    .to_owned(),
            )
        };
        discard(payload);
        error
    })
}

/// Whether the caller is allowed to wait at all.
///
/// # Errors
///
/// [`Error::InFinalizer`].
pub(crate) fn may_wait() -> Result<(), Error> {
    match GUEST.get() {
        Guest::Code => Ok(()),
        Guest::Completion | Guest::Finalizer => Err(Error::InFinalizer),
    }
}

/// Whether the caller is allowed to join a fiber that has ended, or has not.
///
/// # Errors
///
/// [`Error::InFinalizer`].
#[inline]
pub(crate) fn may_join(is_ended: impl FnOnce() -> bool) -> Result<(), Error> {
    match GUEST.get() {
        Guest::Code => Ok(()),
        Guest::Completion if is_ended() => Ok(()),
        Guest::Completion | Guest::Finalizer => Err(Error::InFinalizer),
    }
}

/// Runs what must not wait: it is refused to, and its panic ends here.
pub(crate) fn host(guest: Guest, body: impl FnOnce()) {
    struct Restore(Guest);
    impl Drop for Restore {
        fn drop(&mut self) {
            GUEST.set(self.0);
        }
    }
    let restore = Restore(GUEST.replace(guest));
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        discard(payload);
    }
    drop(restore);
}

fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Drops a payload. If its destructor panics, and that with anything but a message, the second
/// payload is left alone: it could go on like that for ever.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
        && message_of(&*second).is_none()
    {
        let _ = ManuallyDrop::new(second);
    }
}

fn record(error: &Error) {
    let mut text = error.to_string().into_bytes();
    // The message of a panic can contain anything.
    text.retain(|byte| *byte != 0);
    let text = CString::new(text).unwrap_or_default();
    // A thread that is ending has its thread-locals no more, and nobody to read the message.
    let _: Result<(), _> = MESSAGE.try_with(|message| *message.borrow_mut() = Some(text));
}

/// The message of the last call that failed on this thread: never null, empty where none has.
///
/// It is the library's, and valid until the next failing call on the same thread.
///
/// # Examples
///
/// ```
/// use std::{ffi::CStr, ptr};
///
/// use dtact_ffi::{DtactStatus, dtact_last_error_message, dtact_fiber_join};
///
/// // SAFETY: a result is not asked for.
/// let status = unsafe { dtact_fiber_join(0, ptr::null_mut()) };
/// assert_eq!(status, DtactStatus::StaleHandle);
/// // SAFETY: it is valid until the next call that fails.
/// let message = unsafe { CStr::from_ptr(dtact_last_error_message()) };
/// assert_eq!(message, c"the handle is 0, which names no fiber");
/// ```
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_last_error_message() -> *const c_char {
    const NONE: &CStr = c"";
    MESSAGE
        .try_with(|message| {
            // Borrowed elsewhere only while it is replaced, and that calls nothing.
            message
                .try_borrow()
                .ok()
                .and_then(|message| message.as_ref().map(|text| text.as_ptr()))
        })
        .ok()
        .flatten()
        .unwrap_or(NONE.as_ptr())
}

#[cfg(test)]
mod tests {
    use core::ffi::CStr;
    use std::{panic::panic_any, thread};

    use super::{Guest, dtact_last_error_message, enter, host, interruptible, may_join};
    use crate::{error::Error, status::DtactStatus};

    fn message() -> String {
        let text = dtact_last_error_message();
        // SAFETY: it is valid until the next failure on this thread.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_str().expect("messages are UTF-8").to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let status = enter(|| panic!("wro\0ng"));
        assert_eq!(status, DtactStatus::Panicked);
        assert_eq!(message(), "Rust code panicked: wrong");
    }

    #[test]
    fn a_payload_whose_destructor_panics_does_no_harm() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the destructor of a payload");
            }
        }
        let status = enter(|| panic_any(Bomb));
        assert_eq!(status, DtactStatus::Panicked);
        assert_eq!(message(), "Rust code panicked: of unknown kind");
    }

    #[test]
    fn each_thread_has_its_own_message() {
        assert_eq!(message(), "");
        assert_eq!(enter(|| Err(Error::Cancelled)), DtactStatus::Cancelled);
        thread::spawn(|| assert_eq!(message(), ""))
            .join()
            .expect("no message there");
        assert_ne!(message(), "");
    }

    #[test]
    fn success_leaves_the_message_alone() {
        assert_eq!(
            enter(|| Err(Error::Null("out"))),
            DtactStatus::InvalidArgument
        );
        assert_eq!(enter(|| Ok(())), DtactStatus::Ok);
        assert_eq!(message(), "`out` is null: pass a pointer");
    }

    #[test]
    fn a_wait_is_refused_in_a_finalizer_and_allowed_after_it() {
        let mut refused = false;
        host(Guest::Finalizer, || {
            refused = matches!(interruptible(async {}), Err(Error::InFinalizer))
                && matches!(may_join(|| true), Err(Error::InFinalizer));
        });
        assert!(refused);
        host(Guest::Finalizer, || panic!("in a finalizer"));
        assert!(interruptible(async {}).is_ok());
    }

    #[test]
    fn a_completion_may_join_what_has_ended_and_runs_its_finalizer_after() {
        let mut held = false;
        host(Guest::Completion, || {
            host(Guest::Finalizer, || ());
            held = may_join(|| true).is_ok()
                && may_join(|| false).is_err()
                && interruptible(async {}).is_err();
        });
        assert!(held);
    }
}
