//! ThreadSanitizer: which fiber runs, and what is ordered before what.
//!
//! Every switch counts as an order: what the left side did comes before what the other side does,
//! as it does in truth, for one thread runs both. The tool could be told that it is none
//! (`__tsan_switch_to_fiber_no_sync`), so that two fibers which a scheduler runs one after the
//! other on one thread are a race when they share a variable without an order of their own. But
//! then all that is bound to the thread is a race too: its thread-locals, and what a message points
//! to on the stack of who sent it. So a race between fibers is found when they run on two threads.
//!
//! The store of a publishing switch is in `told`, where the tool sees it: the assembly's it does
//! not.
//!
//! Interface: `sanitizer/tsan_interface.h` of LLVM.
#![allow(unsafe_code, reason = "calls the tool")]

use core::ffi::{c_uint, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::StackBounds;

unsafe extern "C" {
    fn __tsan_get_current_fiber() -> *mut c_void;
    fn __tsan_create_fiber(flags: c_uint) -> *mut c_void;
    fn __tsan_destroy_fiber(fiber: *mut c_void);
    fn __tsan_switch_to_fiber(fiber: *mut c_void, flags: c_uint);
}

/// The switch is an order.
const SYNC: c_uint = 0;

/// What is kept for a stack: the tool's name of it. It is made when the stack is first entered, so
/// that one which never runs costs the tool nothing.
pub(super) struct Kept {
    fiber: AtomicPtr<c_void>,
}

impl Kept {
    pub(super) fn of_thread() -> Self {
        // SAFETY: asks for a name; on its own stack that of the thread.
        let fiber = unsafe { __tsan_get_current_fiber() };
        Self {
            fiber: AtomicPtr::new(fiber),
        }
    }

    pub(super) fn made(_stack: &StackBounds) -> Self {
        Self {
            fiber: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn fiber(&self) -> *mut c_void {
        if self.fiber.load(Relaxed).is_null() {
            // SAFETY: makes a name; `given_up` destroys it.
            let fiber = unsafe { __tsan_create_fiber(0) };
            self.fiber.store(fiber, Relaxed);
        }
        self.fiber.load(Relaxed)
    }

    /// Inlined: a return from here would count as one of the other fiber.
    ///
    /// # Safety
    ///
    /// This is the stack that runs, and the switch to the other one is next.
    #[expect(clippy::inline_always, reason = "see above")]
    #[expect(clippy::unused_self, reason = "it knows which fiber is left")]
    #[inline(always)]
    pub(super) unsafe fn leave_for(&self, to: &Self) {
        let fiber = to.fiber();
        // SAFETY: a fiber that does not run.
        unsafe { __tsan_switch_to_fiber(fiber, SYNC) };
    }

    /// # Safety
    ///
    /// This is the stack that runs, and `from` has just left for it.
    #[expect(clippy::unused_self, reason = "the tool was told before the switch")]
    pub(super) unsafe fn arrived(&self, _from: &Self) {}

    /// # Safety
    ///
    /// The stack does not run, and will not.
    pub(super) unsafe fn given_up(&self) {
        let fiber = self.fiber.load(Relaxed);
        if !fiber.is_null() {
            // SAFETY: made by `fiber`, and not the one that runs.
            unsafe { __tsan_destroy_fiber(fiber) };
        }
    }
}
