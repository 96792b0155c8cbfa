//! AddressSanitizer: which stack runs, and where locals that outlive their function are kept.
//!
//! It keeps *fake frames* for each stack, in which it puts locals to find their use after the
//! function has returned. They are saved when the stack is left and put back when it is entered.
//!
//! Interface: `sanitizer/common_interface_defs.h` and `sanitizer/asan_interface.h` of LLVM.
#![allow(unsafe_code, reason = "calls the tool")]

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::StackBounds;

unsafe extern "C" {
    fn __sanitizer_start_switch_fiber(
        fake_frames: *mut *mut c_void,
        bottom: *const c_void,
        bytes: usize,
    );
    fn __sanitizer_finish_switch_fiber(
        fake_frames: *mut c_void,
        bottom_left: *mut *const c_void,
        bytes_left: *mut usize,
    );
    fn __asan_unpoison_memory_region(bottom: *const c_void, bytes: usize);
}

/// What is kept for a stack. On a thread's own the tool knows the bounds, and tells them when the
/// stack is first left.
pub(super) struct Kept {
    bottom: AtomicPtr<c_void>,
    bytes: AtomicUsize,
    fake_frames: AtomicPtr<c_void>,
}

impl Kept {
    pub(super) fn of_thread() -> Self {
        Self {
            bottom: AtomicPtr::new(ptr::null_mut()),
            bytes: AtomicUsize::new(0),
            fake_frames: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn made(stack: &StackBounds) -> Self {
        let kept = Self::of_thread();
        let bottom = stack.bottom().as_ptr();
        let bytes = stack.top().as_ptr().addr() - bottom.addr();
        kept.bottom.store(bottom.cast(), Relaxed);
        kept.bytes.store(bytes, Relaxed);
        // Frames that were abandoned here have left their poison behind.
        // SAFETY: memory that belongs to the new stack alone.
        unsafe { __asan_unpoison_memory_region(bottom.cast(), bytes) };
        kept
    }

    /// # Safety
    ///
    /// This is the stack that runs, and the switch to the other one is next.
    #[inline]
    pub(super) unsafe fn leave_for(&self, to: &Self) {
        let bottom = to.bottom.load(Relaxed);
        let bytes = to.bytes.load(Relaxed);
        // SAFETY: `arrived` completes it.
        unsafe { __sanitizer_start_switch_fiber(self.fake_frames.as_ptr(), bottom, bytes) };
    }

    /// # Safety
    ///
    /// This is the stack that runs, and `from` has just left for it.
    pub(super) unsafe fn arrived(&self, from: &Self) {
        let fake_frames = self.fake_frames.load(Relaxed);
        let mut bottom = ptr::null();
        let mut bytes = 0;
        // SAFETY: begun by `leave_for`.
        unsafe { __sanitizer_finish_switch_fiber(fake_frames, &raw mut bottom, &raw mut bytes) };
        from.bottom.store(bottom.cast_mut(), Relaxed);
        from.bytes.store(bytes, Relaxed);
    }

    /// Frees the fake frames. The tool does that for a stack that is left with nowhere to save
    /// them, while its last function still uses them; so it is told of a visit there afterwards
    /// that ends so, and in which nothing runs.
    ///
    /// # Safety
    ///
    /// The stack does not run, and will not.
    pub(super) unsafe fn given_up(&self) {
        let given_up = self.fake_frames.load(Relaxed);
        if given_up.is_null() {
            return;
        }
        let mut own = ptr::null_mut();
        let mut bottom = ptr::null();
        let mut bytes = 0;
        // SAFETY: completed by the next call.
        unsafe { __sanitizer_start_switch_fiber(&raw mut own, ptr::null(), 0) };
        // SAFETY: saved when that stack was left, and used nowhere else.
        unsafe { __sanitizer_finish_switch_fiber(given_up, &raw mut bottom, &raw mut bytes) };
        // SAFETY: back to the stack that runs, whose bounds the last call told.
        unsafe { __sanitizer_start_switch_fiber(ptr::null_mut(), bottom, bytes) };
        // SAFETY: saved by the first call.
        unsafe { __sanitizer_finish_switch_fiber(own, ptr::null_mut(), ptr::null_mut()) };
    }
}
