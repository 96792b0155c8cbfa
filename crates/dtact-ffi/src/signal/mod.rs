//! A descriptor that can be made readable: for `poll` and its like.
//!
//! One file for each kind, with the same functions: `new`, `raise`, `clear`, `descriptor`.

#[cfg(target_os = "linux")]
mod eventfd;
// Linux has it as well, so that its test runs there.
#[cfg(any(test, not(target_os = "linux")))]
mod pipe;

#[cfg(target_os = "linux")]
pub(crate) use eventfd::Signal;
#[cfg(not(target_os = "linux"))]
pub(crate) use pipe::Signal;

#[cfg(all(test, not(miri)))]
mod tests {
    #![allow(unsafe_code, reason = "polls")]

    use super::{eventfd, pipe};

    fn is_readable(descriptor: i32) -> bool {
        let mut poll = libc::pollfd {
            fd: descriptor,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure, which is there.
        let count = unsafe { libc::poll(&raw mut poll, 1, 0) };
        assert!(count >= 0);
        poll.revents & libc::POLLIN != 0
    }

    #[test]
    fn an_event_descriptor_is_readable_from_raise_to_clear() {
        let signal = eventfd::Signal::new().expect("a descriptor");
        for _ in 0..3 {
            assert!(!is_readable(signal.descriptor()));
            signal.raise();
            signal.raise();
            assert!(is_readable(signal.descriptor()));
            signal.clear();
            signal.clear();
        }
    }

    #[test]
    fn a_pipe_is_readable_from_raise_to_clear() {
        let signal = pipe::Signal::new().expect("a pipe");
        for _ in 0..3 {
            assert!(!is_readable(signal.descriptor()));
            signal.raise();
            assert!(is_readable(signal.descriptor()));
            signal.clear();
            signal.clear();
        }
    }
}
