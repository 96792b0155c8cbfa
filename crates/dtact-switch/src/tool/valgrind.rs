//! Valgrind: where stacks lie. It sees each switch by itself, and needs to know that the stack
//! pointer has come to another stack rather than moved far on one.
//!
//! A request is a sequence of instructions that does nothing on a processor; the numbers are those
//! of `valgrind.h` and `memcheck.h`.
#![allow(unsafe_code, reason = "calls the tool")]

use core::arch::asm;

use crate::StackBounds;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("requests to Valgrind are written for x86-64 alone");

const STACK_REGISTER: usize = 0x1501;
const STACK_DEREGISTER: usize = 0x1502;
/// `'M' << 24 | 'C' << 16`, then the number.
const MAKE_MEM_UNDEFINED: usize = 0x4D43_0001;

/// Answers 0 where there is no Valgrind.
fn request(request: usize, one: usize, two: usize) -> usize {
    let arguments = [request, one, two, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: four rotations that make a whole turn, and an exchange of a register with itself.
    // Valgrind reads the arguments and writes rdx.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const arguments,
            inlateout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// What is kept for a stack: Valgrind's number of it, but for that of a thread.
pub(super) struct Kept {
    number: Option<usize>,
}

impl Kept {
    pub(super) fn of_thread() -> Self {
        Self { number: None }
    }

    pub(super) fn made(stack: &StackBounds) -> Self {
        let (bottom, top) = (stack.bottom().addr().get(), stack.top().addr().get());
        // What was popped by the frames before is not to be used, says Valgrind.
        request(MAKE_MEM_UNDEFINED, bottom, top - bottom);
        // Up to the top itself: there the stack pointer is when the stack is entered.
        Self {
            number: Some(request(STACK_REGISTER, bottom, top)),
        }
    }

    /// # Safety
    ///
    /// This is the stack that runs, and the switch to the other one is next.
    #[expect(clippy::unused_self, reason = "it sees the switch by itself")]
    pub(super) unsafe fn leave_for(&self, _to: &Self) {}

    /// # Safety
    ///
    /// This is the stack that runs, and `from` has just left for it.
    #[expect(clippy::unused_self, reason = "it sees the switch by itself")]
    pub(super) unsafe fn arrived(&self, _from: &Self) {}

    /// # Safety
    ///
    /// The stack does not run, and will not.
    pub(super) unsafe fn given_up(&self) {
        if let Some(number) = self.number {
            request(STACK_DEREGISTER, number, 0);
        }
    }
}
