//! What a thread keeps for the code that runs on it, and a fiber takes along over a wait.
//!
//! ```text
//!   fiber A                          the thread                       fiber B
//!   ───────                          ──────────                       ───────
//!   errno = EINTR, in a catch  ───►  holds both
//!   waits: takes both away           errno, no exception        ───►  errno = ENOENT, throws
//!   goes on: puts both back    ◄───  B has ended or waits, and has taken its own away
//! ```
//!
//! - `errno` belongs to whoever made the last call to the C library.
//! - The C++ runtime keeps, for each thread, the stack of the exceptions that are being handled and
//!   the count of those in flight (`__cxa_eh_globals`, Itanium C++ ABI: Exception Handling, section
//!   2.2.2). A fiber may wait inside a `catch`, or in a destructor that an exception runs; another
//!   one that then throws and catches on the same thread would end the exception of the first.
//!
//! # Invariants
//!
//! - [ffi.X1] While a fiber waits, what its thread holds of the above is not the fiber's. It stays
//!   on one thread from its first wait on, so the place to put it back is the place it came from.

#![allow(
    unsafe_code,
    reason = "reads and writes what the runtimes of C and C++ keep for a thread"
)]

use core::{
    ffi::{c_int, c_uint, c_void},
    mem, ptr,
};
use std::sync::OnceLock;

use crate::{boundary, error::Error, status::DtactStatus};

/// What `__cxa_get_globals` returns a pointer to, where the ABI is Itanium's.
#[derive(Debug)]
#[repr(C)]
struct CxxGlobals {
    caught: *mut c_void,
    uncaught_count: c_uint,
}

/// `dtact_cxx_globals_t`: the `__cxa_get_globals` of a C++ runtime.
pub type DtactCxxGlobals = unsafe extern "C" fn() -> *mut c_void;

/// The function that was registered.
static GET_GLOBALS: OnceLock<DtactCxxGlobals> = OnceLock::new();

/// Registers where the C++ runtime keeps the exceptions of the calling thread, so that fibers may
/// wait inside of a `catch` block. Once for the process; the same function again does nothing.
///
/// # Safety
///
/// - `get` is null, or the `__cxa_get_globals` of the C++ runtime of this process, which stays
///   loaded.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_register_cxx_globals(get: Option<DtactCxxGlobals>) -> DtactStatus {
    boundary::enter(|| {
        let get = get.ok_or(Error::Null("get"))?;
        let registered = GET_GLOBALS.get_or_init(|| get);
        if ptr::fn_addr_eq(*registered, get) {
            Ok(())
        } else {
            Err(Error::OtherCxxRuntime)
        }
    })
}

/// What was taken away from the thread; put back when it is dropped, also by unwinding [ffi.X1].
#[derive(Debug)]
#[must_use = "what is dropped at once is put back at once"]
pub(crate) struct Taken {
    errno: c_int,
    globals: Option<CxxGlobals>,
}

impl Taken {
    /// Takes away what the calling thread holds for the code that is about to wait.
    pub(crate) fn from_thread() -> Self {
        let globals = cxx_globals().map(|place| {
            let none = CxxGlobals {
                caught: ptr::null_mut(),
                uncaught_count: 0,
            };
            // SAFETY: the calling thread's own, initialised by the C++ runtime, and used by
            // nobody during this call.
            mem::replace(unsafe { &mut *place }, none)
        });
        Self {
            errno: errno(),
            globals,
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(globals) = self.globals.take()
            && let Some(place) = cxx_globals()
        {
            // SAFETY: as in `from_thread`; it holds nothing of anybody's [ffi.X1].
            unsafe { place.write(globals) };
        }
        set_errno(self.errno);
    }
}

/// Where the C++ runtime keeps the exceptions of the calling thread, if there is such a runtime.
///
/// Not inlined: a fiber that the compiler had see through this could keep the address of one
/// thread on another.
#[inline(never)]
fn cxx_globals() -> Option<*mut CxxGlobals> {
    let get = GET_GLOBALS.get()?;
    // SAFETY: as the one who registered it promised, it can be called on any thread.
    let place = unsafe { get() };
    (!place.is_null()).then_some(place.cast())
}

/// The calling thread's `errno`.
#[inline(never)]
fn errno() -> c_int {
    // SAFETY: never fails, and returns the calling thread's own.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the calling thread's own.
    unsafe { place.read() }
}

#[inline(never)]
fn set_errno(errno: c_int) {
    // SAFETY: never fails, and returns the calling thread's own.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the calling thread's own.
    unsafe { place.write(errno) };
}

#[cfg(test)]
mod tests {
    use core::{cell::UnsafeCell, ffi::c_void, ptr};

    use super::{
        CxxGlobals, DtactCxxGlobals, DtactStatus, Taken, cxx_globals, dtact_register_cxx_globals,
        errno, set_errno,
    };

    thread_local! {
        static GLOBALS: UnsafeCell<CxxGlobals> = const {
            UnsafeCell::new(CxxGlobals { caught: ptr::null_mut(), uncaught_count: 0 })
        };
    }

    unsafe extern "C" fn get() -> *mut c_void {
        GLOBALS.with(|globals| globals.get().cast())
    }

    unsafe extern "C" fn other() -> *mut c_void {
        ptr::null_mut()
    }

    fn hold(caught: usize, uncaught_count: u32) {
        let place = cxx_globals().expect("it is registered");
        let held = CxxGlobals {
            caught: ptr::without_provenance_mut(caught),
            uncaught_count,
        };
        // SAFETY: this thread's own.
        unsafe { place.write(held) };
    }

    fn held() -> (usize, u32) {
        let place = cxx_globals().expect("it is registered");
        // SAFETY: this thread's own.
        let globals = unsafe { place.read() };
        (globals.caught.addr(), globals.uncaught_count)
    }

    #[test]
    fn a_wait_leaves_the_thread_empty_and_gets_back_what_it_took() {
        // SAFETY: null is allowed.
        let status = unsafe { dtact_register_cxx_globals(None) };
        assert_eq!(status, DtactStatus::InvalidArgument);
        // One value: two casts of one function may have two addresses.
        let get: DtactCxxGlobals = get;
        for _ in 0..2 {
            // SAFETY: it returns what the C++ runtime would.
            let status = unsafe { dtact_register_cxx_globals(Some(get)) };
            assert_eq!(status, DtactStatus::Ok);
        }
        // SAFETY: refused before it is called.
        let status = unsafe { dtact_register_cxx_globals(Some(other)) };
        assert_eq!(status, DtactStatus::NotAllowed);

        set_errno(4);
        hold(0x10, 1);
        let first = Taken::from_thread();
        assert_eq!(held(), (0, 0));
        set_errno(2);
        hold(0x20, 2);
        let second = Taken::from_thread();
        drop(first);
        assert_eq!((errno(), held()), (4, (0x10, 1)));
        let first = Taken::from_thread();
        drop(second);
        assert_eq!((errno(), held()), (2, (0x20, 2)));
        drop(first);
    }
}
