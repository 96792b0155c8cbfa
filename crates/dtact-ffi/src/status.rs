//! The numbers of the ABI and their texts.
//!
//! A number, once released, keeps its meaning for ever; one that goes out of use is not used
//! again. 1 to 99 are for everything; later ranges are for later parts of the API.

#![allow(unsafe_code, reason = "exports a symbol")]

use core::ffi::{CStr, c_char};

/// What a call came to: `dtact_status_t`, on the side of C an `int32_t`.
///
/// # Examples
///
/// ```
/// use dtact_ffi::DtactStatus;
///
/// assert_eq!(DtactStatus::Ok as i32, 0);
/// assert_eq!(DtactStatus::from_number(8), Some(DtactStatus::StaleHandle));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(i32)]
pub enum DtactStatus {
    /// It succeeded.
    Ok = 0,
    /// An argument is null or out of range.
    InvalidArgument = 1,
    /// All fibers or stacks that were configured are in use, or memory is.
    Exhausted = 2,
    /// The runtime is shutting down, or has.
    ShutDown = 3,
    /// The runtime of the process has started already.
    AlreadyStarted = 4,
    /// The runtime of the process has not been started, or has ended.
    NotStarted = 5,
    /// The calling fiber is cancelled and shall return.
    Cancelled = 6,
    /// Rust code panicked.
    Panicked = 7,
    /// The handle names no fiber, or no longer does.
    StaleHandle = 8,
    /// The time was over first.
    TimedOut = 9,
    /// The handle is being joined by somebody else.
    Busy = 10,
    /// The joined fiber was cancelled before it began.
    FiberCancelled = 11,
    /// Not from here: a finalizer must not wait, and a process has one C++ runtime.
    NotAllowed = 12,
    /// The operating system refused a thread, or a descriptor.
    System = 13,
    /// The header is not of this library's version, nor of one that it can stand in for.
    IncompatibleVersion = 14,
}

impl DtactStatus {
    /// Every status there is, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::InvalidArgument,
        Self::Exhausted,
        Self::ShutDown,
        Self::AlreadyStarted,
        Self::NotStarted,
        Self::Cancelled,
        Self::Panicked,
        Self::StaleHandle,
        Self::TimedOut,
        Self::Busy,
        Self::FiberCancelled,
        Self::NotAllowed,
        Self::System,
        Self::IncompatibleVersion,
    ];

    /// The status of this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| *status as i32 == number)
    }

    /// The name of its constant in `dtact.h`.
    #[must_use]
    pub const fn c_name(self) -> &'static str {
        match self {
            Self::Ok => "DTACT_OK",
            Self::InvalidArgument => "DTACT_INVALID_ARGUMENT",
            Self::Exhausted => "DTACT_EXHAUSTED",
            Self::ShutDown => "DTACT_SHUT_DOWN",
            Self::AlreadyStarted => "DTACT_ALREADY_STARTED",
            Self::NotStarted => "DTACT_NOT_STARTED",
            Self::Cancelled => "DTACT_CANCELLED",
            Self::Panicked => "DTACT_PANICKED",
            Self::StaleHandle => "DTACT_STALE_HANDLE",
            Self::TimedOut => "DTACT_TIMED_OUT",
            Self::Busy => "DTACT_BUSY",
            Self::FiberCancelled => "DTACT_FIBER_CANCELLED",
            Self::NotAllowed => "DTACT_NOT_ALLOWED",
            Self::System => "DTACT_SYSTEM",
            Self::IncompatibleVersion => "DTACT_INCOMPATIBLE_VERSION",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn message(self) -> &'static CStr {
        match self {
            Self::Ok => c"success",
            Self::InvalidArgument => c"an argument is null or out of range",
            Self::Exhausted => c"all fibers, stacks or memory there may be are in use",
            Self::ShutDown => c"the runtime is shutting down, or has",
            Self::AlreadyStarted => c"the runtime of the process has started already",
            Self::NotStarted => c"the runtime of the process has not been started",
            Self::Cancelled => c"the calling fiber is cancelled and shall return",
            Self::Panicked => c"Rust code panicked",
            Self::StaleHandle => c"the handle names no fiber, or no longer does",
            Self::TimedOut => c"the time was over first",
            Self::Busy => c"the handle is being joined by somebody else",
            Self::FiberCancelled => c"the joined fiber was cancelled before it began",
            Self::NotAllowed => c"not allowed here",
            Self::System => c"the operating system refused a thread or a descriptor",
            Self::IncompatibleVersion => c"header and library are of versions that do not fit",
        }
    }
}

/// The text of a status: static, never null, also for numbers that mean nothing.
///
/// # Examples
///
/// ```
/// use std::ffi::CStr;
///
/// use dtact_ffi::dtact_status_message;
///
/// // SAFETY: the text is static and ends with a zero.
/// let text = unsafe { CStr::from_ptr(dtact_status_message(0)) };
/// assert_eq!(text, c"success");
/// ```
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_status_message(status: i32) -> *const c_char {
    DtactStatus::from_number(status)
        .map_or(c"this number is not a status", DtactStatus::message)
        .as_ptr()
}

#[cfg(test)]
mod tests {
    use super::DtactStatus;

    #[test]
    fn numbers_are_dense_and_lead_back_to_their_statuses() {
        for (number, status) in (0..).zip(DtactStatus::ALL) {
            assert_eq!(status as i32, number);
            assert_eq!(DtactStatus::from_number(number), Some(status));
        }
    }

    #[test]
    fn what_is_no_status_has_none() {
        for number in [-1, 15, i32::MIN, i32::MAX] {
            assert_eq!(DtactStatus::from_number(number), None);
        }
    }
}
