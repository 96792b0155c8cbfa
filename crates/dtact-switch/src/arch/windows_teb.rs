//! What Windows notes about the stack of a thread, in the thread environment block (TEB).
//!
//! The block belongs to the thread, these fields to the stack: exceptions, `__chkstk`, the growth
//! of stacks and the detection of an overflow believe them. So a context carries its own, and a
//! switch exchanges them. Two of them change while a stack is in use; what is carried is what was
//! found when the stack was left.
//!
//! | field                         | offset | says                                    | changes |
//! |-------------------------------|--------|-----------------------------------------|---------|
//! | `ExceptionList`               | 0x0000 | the end of the list of handlers (Wine)  | no      |
//! | `StackBase`                   | 0x0008 | the top                                 | no      |
//! | `StackLimit`                  | 0x0010 | the lowest byte that may be used        | yes     |
//! | `FiberData`                   | 0x0020 | the system's fiber, and `GetFiberData`  | no      |
//! | `ActivationContextStackPointer` | 0x02C8 | the activation contexts in effect     | no      |
//! | `DeallocationStack`           | 0x1478 | the lowest byte of the reservation      | no      |
//! | `GuaranteedStackBytes`        | 0x1748 | what is left to handle an overflow      | yes     |
//!
//! The offsets are those of 64-bit Windows on both architectures: `dt ntdll!_TEB` with the public
//! symbols. They are part of the ABI in fact: compiled code and debuggers rely on the first ones,
//! and `SwitchToFiber` exchanges all of these. The block is at gs on x86-64 and at x18 on AArch64.
//!
//! What stays with the thread: `FlsData`, the fiber-local storage, because a context is no fiber of
//! the system; the last error; thread-locals; the count of locks that the thread holds.
//!
//! A new context has activation contexts of its own, empty ones ([`ActivationStack`]): the thread's
//! must not be used on two threads at once. If a function that runs there opens any, the system
//! allocates their frames, and keeps them for later; with the stack they are forgotten.
#![allow(unsafe_code, reason = "writes to a fresh stack")]

use core::mem::{offset_of, size_of};
use core::ptr::{self, NonNull};

use crate::StackBounds;

/// The fields of the block, as a context carries them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Teb {
    pub(super) exception_list: *const (),
    pub(super) stack_base: *const (),
    pub(super) stack_limit: *const (),
    pub(super) fiber_data: *const (),
    pub(super) activation_stack: *const ActivationStack,
    pub(super) deallocation_stack: *const (),
    pub(super) guaranteed_bytes: u32,
}

impl Teb {
    /// Those of a stack that nothing ran on yet.
    #[inline]
    pub(super) fn fresh(stack: &StackBounds, activation_stack: NonNull<ActivationStack>) -> Self {
        Self {
            exception_list: NO_HANDLER,
            stack_base: stack.top().as_ptr().cast_const().cast(),
            stack_limit: stack.bottom().as_ptr().cast_const().cast(),
            fiber_data: ptr::null(),
            activation_stack: activation_stack.as_ptr(),
            deallocation_stack: stack.lowest().as_ptr().cast_const().cast(),
            guaranteed_bytes: stack.overflow_bytes(),
        }
    }
}

/// The end of the list of handlers. 64-bit code registers none; but Wine walks the list all the
/// same, and on a fresh stack it must not find those of the resumer.
const NO_HANDLER: *const () = ptr::without_provenance(usize::MAX);

/// The stack of activation contexts: `_ACTIVATION_CONTEXT_STACK` of `ntdll`, without frames.
#[repr(C)]
pub(super) struct ActivationStack {
    active_frame: *const (),
    /// A list of the frames that were allocated: a ring, whose end is here.
    frames_next: *const (),
    frames_previous: *const (),
    flags: u32,
    next_cookie: u32,
    id: usize,
}

const _: () = assert!(size_of::<ActivationStack>() == 0x28);

impl ActivationStack {
    /// Writes one without frames.
    ///
    /// # Safety
    ///
    /// `place` may be written, and is aligned.
    #[inline]
    pub(super) unsafe fn write_empty(place: NonNull<Self>) {
        let ring = place
            .as_ptr()
            .wrapping_byte_add(offset_of!(Self, frames_next))
            .cast_const()
            .cast::<()>();
        let empty = Self {
            active_frame: ptr::null(),
            frames_next: ring,
            frames_previous: ring,
            flags: 0,
            next_cookie: 1,
            id: 0,
        };
        // SAFETY: the caller's.
        unsafe { place.write(empty) };
    }
}
