//! How safe the stacks of a pool are to overflow.
#![allow(
    unsafe_code,
    reason = "the door to stacks without guards is unsafe to open"
)]

/// What protects the memory around a stack.
///
/// | | below the stack | above it | while it is idle | what it costs |
/// | --- | --- | --- | --- | --- |
/// | [`Safety0`](Self::Safety0) | a canary | nothing | nothing | one write a take, one read a check |
/// | [`Safety1`](Self::Safety1) | a guard | nothing | nothing | one guard for each stack, made once |
/// | [`Safety2`](Self::Safety2) | a guard and a canary | a guard | inaccessible and wiped | two system calls for each take and give back |
///
/// An access to a guard ends the process. A canary is looked at by
/// [`StackPool::is_canary_intact`](crate::StackPool::is_canary_intact), and finds an overflow after
/// it has happened.
#[derive(Copy, Clone, Eq, PartialEq, Default, Debug)]
#[non_exhaustive]
pub enum SafetyLevel {
    /// A canary: an overflow runs into memory below the stack, in the end another stack, and is
    /// found at the next check, if it is not too late by then.
    Safety0(Unguarded),
    /// A guard below every stack: an overflow ends the process.
    #[default]
    Safety1,
    /// Guards at both ends of every stack; a stack that is given back is wiped, and inaccessible
    /// until it is taken again; a stack that is given back twice, or whose canary is dead by then,
    /// is a panic. Caches keep no stacks, and tops are not coloured. For finding bugs.
    Safety2,
}

/// The promise that no stack of a pool without guards overflows.
///
/// ```
/// use dtact_arena::{SafetyLevel, StackPool, Unguarded};
///
/// // SAFETY: nothing runs on the stacks of this example.
/// let level = SafetyLevel::Safety0(unsafe { Unguarded::promise() });
/// let pool = StackPool::builder().safety(level).build()?;
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Unguarded(());

impl Unguarded {
    /// Makes the promise.
    ///
    /// # Safety
    ///
    /// - Nothing that runs on a stack of a pool built with the value needs more bytes than the
    ///   stack has, signal handlers on that stack included.
    #[must_use]
    pub const unsafe fn promise() -> Self {
        Self(())
    }
}
