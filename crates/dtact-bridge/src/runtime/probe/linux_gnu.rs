//! By a signal to the thread, and the unwinder of the C library in its handler.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | state, number of a thread of `look_at` | `Release` | state, to WALKING | frames could be written before those of the last look were read |
//! | state, to WALKING of the handler | `Acquire` | state, number of a thread | as above |
//! | state, DONE of the handler | `Release` | state, load of `look_at` | frames could be read before they are written |
//! | state, load of `look_at` | `Acquire` | state, DONE | as above |

#![allow(unsafe_code, reason = "a signal handler, and calls of the C library")]

use core::{
    ffi::{CStr, c_int, c_void},
    fmt,
    mem::MaybeUninit,
    ptr,
    time::Duration,
};
use std::time::Instant;

use super::{FRAMES_MAX, StackSignalError, StackTrace, ThreadId};
use crate::{
    runtime::signals,
    sync::{AtomicI32, AtomicUsize, Mutex, Ordering, lock, sleep},
};

// Nobody is asked: 0. A thread is asked: its number, which is positive. The others are negative.
const IDLE: i32 = 0;
const WALKING: i32 = -1;
const DONE: i32 = -2;

static STATE: AtomicI32 = AtomicI32::new(IDLE);
static FRAMES: [AtomicUsize; FRAMES_MAX] = [const { AtomicUsize::new(0) }; FRAMES_MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// One look at a time; and installing.
static LOOK: Mutex<()> = Mutex::new(());

/// For how long a thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn this_thread() -> ThreadId {
    // SAFETY: it asks for nothing.
    unsafe { libc::gettid() }
}

pub(super) fn install(signal: c_int) -> Result<(), StackSignalError> {
    let _one = lock(&LOOK);
    // SAFETY: the name is a C string.
    let finder = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    if finder.is_null() {
        return Err(StackSignalError::Unsupported);
    }
    let before = signals::action_of(signal).filter(|_| !signals::is_fault(signal));
    let before = before.ok_or(StackSignalError::Unusable { signal })?;
    let ours = on_signal as *const () as usize;
    if before.sa_sigaction == ours {
        return Ok(());
    }
    if ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction) {
        return Err(StackSignalError::Taken { signal });
    }
    // The unwinder sets itself up when it is first used: not in a handler.
    let mut nothing = Walk { count: None };
    walk(&mut nothing);
    // SAFETY: zeroes are a valid action: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ours;
    // The stack that the fiber stands on may be small, and nearly full.
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler may be called at any time: see there.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        // Such as SIGKILL.
        _ => Err(StackSignalError::Unusable { signal }),
    }
}

pub(super) fn look_at(signal: c_int, thread: ThreadId) -> Option<StackTrace> {
    let _one = lock(&LOOK);
    // A handler that has not come to its end still has the frames. One that came late has not.
    if STATE.load(Ordering::Acquire) == WALKING {
        return None;
    }
    STATE.store(thread, Ordering::Release);
    // SAFETY: it asks for nothing.
    let process = unsafe { libc::getpid() };
    // SAFETY: a signal to a thread of this process, whose handler is there. If the thread has
    // ended meanwhile and another has its number, that one's handler sees that it is asked, and
    // answers: no harm is done.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    let asked = Instant::now();
    while sent == 0 && STATE.load(Ordering::Acquire) != DONE && asked.elapsed() < PATIENCE {
        sleep(Duration::from_micros(50));
    }
    // One that comes late finds that it is not asked any more.
    let withdrawn = STATE.compare_exchange(thread, IDLE, Ordering::Relaxed, Ordering::Relaxed);
    if withdrawn.is_ok() || STATE.load(Ordering::Acquire) != DONE {
        return None;
    }
    let count = COUNT.load(Ordering::Relaxed);
    let mut frames = [0; FRAMES_MAX];
    for (frame, seen) in frames[..count].iter_mut().zip(&FRAMES) {
        *frame = seen.load(Ordering::Relaxed);
    }
    STATE.store(IDLE, Ordering::Relaxed);
    Some(StackTrace { frames, count })
}

/// Async-signal-safe: system calls without locks, atomics, and the unwinder, which has been set up
/// and finds its tables without a lock.
extern "C" fn on_signal(_signal: c_int) {
    // SAFETY: it asks for nothing.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the address of this thread's `errno`.
    let before = unsafe { errno.read() };
    if STATE
        .compare_exchange(this_thread(), WALKING, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
    {
        let mut interrupted = Walk { count: None };
        walk(&mut interrupted);
        COUNT.store(interrupted.count.unwrap_or(0), Ordering::Relaxed);
        STATE.store(DONE, Ordering::Release);
    }
    // SAFETY: as above; code that was interrupted between a call and its look at `errno` finds it.
    unsafe { errno.write(before) };
}

/// How many frames were kept; none before the one that the signal interrupted was seen.
struct Walk {
    count: Option<usize>,
}

fn walk(walk: &mut Walk) {
    // SAFETY: `step` expects a `Walk`, and does not unwind.
    let _why_it_ended = unsafe { _Unwind_Backtrace(step, ptr::from_mut(walk).cast()) };
}

/// Keeps one frame.
extern "C" fn step(context: *mut Context, data: *mut c_void) -> c_int {
    /// `_URC_NO_REASON`: go on.
    const GO_ON: c_int = 0;
    /// `_URC_END_OF_STACK`: that is enough.
    const ENOUGH: c_int = 5;

    // SAFETY: what `walk` passed, borrowed by nobody else meanwhile.
    let walk = unsafe { &mut *data.cast::<Walk>() };
    let mut is_interrupted = 0;
    // SAFETY: the unwinder's own context, and a place for a number.
    let address = unsafe { _Unwind_GetIPInfo(context, &raw mut is_interrupted) };
    // The frames of the handler come first. What a signal has interrupted has not called anybody:
    // its address is that of an instruction that has not run yet.
    if walk.count.is_none() && is_interrupted == 0 {
        return GO_ON;
    }
    let count = walk.count.unwrap_or(0);
    let frame = FRAMES.get(count);
    // The root of a fiber's stack returns nowhere.
    let Some(frame) = frame.filter(|_| address != 0) else {
        return ENOUGH;
    };
    frame.store(address, Ordering::Relaxed);
    walk.count = Some(count + 1);
    GO_ON
}

pub(super) fn describe(frame: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for, and there is a place for the answer.
    let found = unsafe { libc::dladdr(ptr::without_provenance(frame), info.as_mut_ptr()) };
    if found == 0 {
        return Ok(());
    }
    // SAFETY: success has written it.
    let info = unsafe { info.assume_init() };
    if info.dli_fname.is_null() {
        return Ok(());
    }
    // SAFETY: a C string, which stays as long as the file is loaded.
    let file = unsafe { CStr::from_ptr(info.dli_fname) };
    let offset = frame.wrapping_sub(info.dli_fbase.addr());
    write!(f, " {} {offset:#x}", file.to_string_lossy())
}

/// The unwinder's view of a frame.
#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

// The unwinder that the standard library links (Itanium C++ ABI, "Exception Handling", 1.5).
unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut Context, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, is_interrupted: *mut c_int) -> usize;
}

#[cfg(test)]
mod tests {
    use core::ffi::c_int;

    use super::{StackSignalError, install, look_at, on_signal, this_thread};
    use crate::sync::{Arc, AtomicBool, AtomicI32, Ordering};

    extern "C" fn other(_signal: c_int) {}

    fn set_handler(signal: c_int, handler: extern "C" fn(c_int)) {
        // SAFETY: nothing else in these tests uses the signal, and the handler does nothing.
        let before = unsafe { libc::signal(signal, handler as *const () as usize) };
        assert_ne!(before, libc::SIG_ERR);
    }

    #[test]
    fn a_signal_that_has_a_handler_is_left_to_it() {
        set_handler(libc::SIGUSR2, other);
        let signal = libc::SIGUSR2;
        assert_eq!(install(signal), Err(StackSignalError::Taken { signal }));
        set_handler(libc::SIGUSR2, on_signal);
        assert_eq!(install(signal), Ok(()), "the second time it is ours");
    }

    #[test]
    #[cfg_attr(
        dtact_tsan,
        ignore = "the tool calls handlers later, from a place of its own: they see no stack"
    )]
    fn a_thread_that_is_gone_does_not_answer_and_the_next_one_does() {
        install(libc::SIGURG).expect("it is used for nothing else");
        let gone = std::thread::spawn(this_thread).join().expect("it ends");
        assert_eq!(look_at(libc::SIGURG, gone), None);
        let number = Arc::new(AtomicI32::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let (told, seen) = (Arc::clone(&number), Arc::clone(&is_over));
        let busy = std::thread::spawn(move || {
            // From here on it is in code that says who called it.
            told.store(this_thread(), Ordering::Relaxed);
            while !seen.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
        });
        while number.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let thread = number.load(Ordering::Relaxed);
        let stack = look_at(libc::SIGURG, thread);
        is_over.store(true, Ordering::Relaxed);
        busy.join().expect("it ends");
        let stack = stack.expect("a thread that runs answers");
        assert!(stack.frames().len() > 2, "{stack}");
    }
}
