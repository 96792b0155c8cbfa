//! By a handler that writes one byte to a pipe.
//!
//! The pipe is made once and stays: a handler that has begun may write at any later time.

#![allow(unsafe_code, reason = "a signal handler, and calls of the C library")]

use core::{ffi::c_int, mem::MaybeUninit, ptr};
use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _, pipe, stderr},
    os::fd::AsRawFd as _,
};

#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(not(target_os = "linux"))]
use libc::__error as errno_location;

use super::DumpSignalError;
use crate::{
    registry::RUNTIMES,
    runtime::{dump, signals},
    sync::{AtomicI32, Mutex, Ordering, Thread, lock},
};

/// What the thread is told instead of a signal, which none has as its number.
const LOOK_WHETHER_TO_END: u8 = 0;

/// The writing end, and the process in which a byte there is meant for its thread: a child by
/// `fork` has the pipe, but not the thread.
static WRITER: AtomicI32 = AtomicI32::new(-1);
static PROCESS: AtomicI32 = AtomicI32::new(0);

static LISTENING: Mutex<Listening> = Mutex::new(Listening {
    pipe: None,
    has_thread: false,
    signals: Vec::new(),
});

struct Listening {
    pipe: Option<(PipeReader, PipeWriter)>,
    has_thread: bool,
    signals: Vec<Caught>,
}

/// A signal that has our handler.
struct Caught {
    signal: c_int,
    /// How many runtimes want that.
    count: usize,
    /// What there was before.
    before: libc::sigaction,
}

/// A runtime's part in a signal; the handler of before is back when the last has gone.
#[derive(Debug)]
pub(crate) struct DumpSignal {
    signal: c_int,
}

impl DumpSignal {
    /// Installs the handler of a signal, unless it is there.
    pub(crate) fn install(signal: c_int) -> Result<Self, DumpSignalError> {
        let mut listening = lock(&LISTENING);
        let before = signals::action_of(signal).ok_or(DumpSignalError::Unusable { signal })?;
        if signals::is_fault(signal) || u8::try_from(signal).is_err() {
            return Err(DumpSignalError::Unusable { signal });
        }
        let is_ours = before.sa_sigaction == on_signal as *const () as usize;
        if !is_ours && ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction) {
            return Err(DumpSignalError::Taken { signal });
        }
        listening.begin().map_err(DumpSignalError::Refused)?;
        let known = listening
            .signals
            .iter_mut()
            .find(|caught| caught.signal == signal);
        match known {
            Some(caught) if is_ours => caught.count += 1,
            Some(_) => return Err(DumpSignalError::Taken { signal }),
            None => {
                if !set_ours(signal) {
                    // Such as SIGKILL. A thread that nobody needs ends.
                    listening.end_if_unused();
                    return Err(DumpSignalError::Unusable { signal });
                }
                listening.signals.push(Caught {
                    signal,
                    count: 1,
                    before,
                });
            }
        }
        drop(listening);
        Ok(Self { signal })
    }

    /// Its number.
    pub(crate) const fn signal(&self) -> c_int {
        self.signal
    }
}

impl Drop for DumpSignal {
    fn drop(&mut self) {
        let mut listening = lock(&LISTENING);
        let signals = &mut listening.signals;
        let place = signals
            .iter()
            .position(|caught| caught.signal == self.signal);
        let Some(place) = place else { return };
        signals[place].count -= 1;
        if signals[place].count != 0 {
            return;
        }
        let caught = signals.swap_remove(place);
        let now = signals::action_of(caught.signal).map(|action| action.sa_sigaction);
        // A handler that somebody has installed over ours stays, and may call ours, which does no
        // harm.
        if now == Some(on_signal as *const () as usize) {
            // SAFETY: what the system has told of this signal before.
            let put_back = unsafe {
                libc::sigaction(caught.signal, &raw const caught.before, ptr::null_mut())
            };
            debug_assert_eq!(put_back, 0, "it was there before");
        }
        listening.end_if_unused();
    }
}

impl Listening {
    /// Makes the pipe and starts the thread, unless they are there.
    fn begin(&mut self) -> io::Result<()> {
        let (reader, writer) = match &self.pipe {
            Some(both) => both,
            None => {
                let both = pipe()?;
                let fd = both.1.as_raw_fd();
                // SAFETY: an open descriptor. A handler must not wait for room in the pipe.
                if unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) } != 0 {
                    return Err(io::Error::last_os_error());
                }
                WRITER.store(fd, Ordering::Relaxed);
                self.pipe.insert(both)
            }
        };
        debug_assert_eq!(writer.as_raw_fd(), WRITER.load(Ordering::Relaxed));
        PROCESS.store(process(), Ordering::Relaxed);
        if !self.has_thread {
            let reader = reader.try_clone()?;
            let thread = Thread::new().name("dtact-dump".to_owned());
            drop(thread.spawn(move || listen(reader))?);
            self.has_thread = true;
        }
        Ok(())
    }

    /// Whether the thread ends, which then calls this no more.
    fn end_thread(&mut self, is_broken: bool) -> bool {
        self.has_thread = !(is_broken || self.signals.is_empty());
        !self.has_thread
    }

    fn end_if_unused(&self) {
        if self.signals.is_empty() && self.has_thread {
            note(LOOK_WHETHER_TO_END);
        }
    }
}

/// Prints what it is asked for, until no runtime is left that may ask.
fn listen(mut reader: PipeReader) {
    let mut bytes = [0; 64];
    loop {
        let count = match reader.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        // Many of one signal are one.
        let asked = &mut bytes[..count];
        asked.sort_unstable();
        for same in asked.chunk_by(PartialEq::eq) {
            if same[0] != LOOK_WHETHER_TO_END {
                print_all(c_int::from(same[0]));
            }
        }
        if lock(&LISTENING).end_thread(count == 0) {
            return;
        }
    }
}

/// Prints the dump of each runtime that asked for this signal.
fn print_all(signal: c_int) {
    for (number, slot) in RUNTIMES.iter().enumerate() {
        // Pinned no longer than it takes: printing may take its time.
        let dump = slot.pin().and_then(|shared| {
            let is_asked = {
                let own = lock(&shared.dump_signal);
                own.as_ref().is_some_and(|own| own.signal() == signal)
            };
            is_asked.then(|| dump::dump(&shared))
        });
        if let Some(dump) = dump {
            let text = format!("runtime {number}: {dump}");
            // Where nobody reads it there is nobody to be told.
            drop(stderr().lock().write_all(text.as_bytes()));
        }
    }
}

/// Async-signal-safe: atomics, and system calls that POSIX lists as such.
extern "C" fn on_signal(signal: c_int) {
    // SAFETY: it asks for nothing.
    let errno = unsafe { errno_location() };
    // SAFETY: the address of this thread's `errno`.
    let before = unsafe { errno.read() };
    if PROCESS.load(Ordering::Relaxed) == process() {
        note(u8::try_from(signal).unwrap_or(LOOK_WHETHER_TO_END));
    }
    // SAFETY: as above; code that was interrupted between a call and its look at `errno` finds it.
    unsafe { errno.write(before) };
}

/// Tells the thread. Where the pipe is full it is told enough already.
fn note(what: u8) {
    let fd = WRITER.load(Ordering::Relaxed);
    // SAFETY: one byte to a pipe that is never closed.
    let _written = unsafe { libc::write(fd, (&raw const what).cast(), 1) };
}

fn process() -> c_int {
    // SAFETY: it asks for nothing.
    unsafe { libc::getpid() }
}

/// Installs the handler. `false`: the system does not allow one.
fn set_ours(signal: c_int) -> bool {
    // SAFETY: zeroes are a valid action: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_signal as *const () as usize;
    // The stack that the fiber stands on may be small, and nearly full.
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler may be called at any time: see there.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0 }
}
