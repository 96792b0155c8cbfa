//! The description of a stack pool, and how safe its stacks are to overflow.
#![allow(
    unsafe_code,
    reason = "the door to stacks without guards is unsafe to open"
)]

use crate::error::ArenaError;
#[cfg(all(test, not(dtact_loom)))]
use crate::guard::GuardBudget;
use crate::guard::{GuardMethod, PROCESS_BUDGET};
use crate::stack_pool::{StackPool, class_for};

/// What protects the memory below a stack.
#[derive(Copy, Clone, Eq, PartialEq, Default, Debug)]
#[non_exhaustive]
pub enum SafetyLevel {
    /// Nothing: an overflow runs into memory below the stack, in the end another stack.
    Safety0(Unguarded),
    /// A guard below every stack: an overflow ends the process.
    #[default]
    Safety1,
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

/// Describes a [`StackPool`]; [`build`](Self::build) makes it.
///
/// ```
/// use dtact_arena::{SafetyLevel, StackPool};
///
/// let pool = StackPool::builder()
///     .stack_bytes(2 << 20)
///     .capacity(1000)
///     .safety(SafetyLevel::Safety1)
///     .build()?;
/// assert_eq!((pool.default_bytes(), pool.capacity()), (2 << 20, 1000));
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct StackPoolBuilder {
    stack_bytes: usize,
    capacity: u32,
    safety: SafetyLevel,
    #[cfg(all(test, not(dtact_loom)))]
    protection: Option<&'static GuardBudget>,
}

impl StackPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            stack_bytes: 2 << 20,
            capacity: 1024,
            safety: SafetyLevel::Safety1,
            #[cfg(all(test, not(dtact_loom)))]
            protection: None,
        }
    }

    /// The usable bytes of a stack of the default class, rounded up to a power of two; from 1 to
    /// 8 MiB, 2 MiB unless set.
    pub fn stack_bytes(mut self, stack_bytes: usize) -> Self {
        self.stack_bytes = stack_bytes;
        self
    }

    /// The stacks that can be out at once, over all size classes together; from 1 to
    /// [`StackPool::CAPACITY_MAX`], 1024 unless set.
    ///
    /// Each size class in use reserves address space for this many stacks: 1,000,000 stacks of
    /// 64 KiB are 74 GiB of the 128 TiB that a process on x86-64 has.
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.capacity = capacity;
        self
    }

    /// What protects the memory below a stack; [`SafetyLevel::Safety1`] unless set.
    pub fn safety(mut self, safety: SafetyLevel) -> Self {
        self.safety = safety;
        self
    }

    /// Makes guards by protection, whatever the kernel has, out of the budget given.
    #[cfg(all(test, not(dtact_loom)))]
    pub(crate) fn protection(mut self, budget: &'static GuardBudget) -> Self {
        self.protection = Some(budget);
        self
    }

    /// Makes the pool and reserves the address space of the default class.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::CapacityZero`], [`ArenaError::CapacityTooLarge`];
    /// - [`ArenaError::StackBytesZero`], [`ArenaError::StackBytesTooLarge`];
    /// - [`ArenaError::Os`]: the system refused the address space.
    pub fn build(self) -> Result<StackPool, ArenaError> {
        check_capacity(self.capacity, StackPool::CAPACITY_MAX)?;
        let class = class_for(self.stack_bytes)?;
        #[cfg(all(test, not(dtact_loom)))]
        if let Some(budget) = self.protection {
            return StackPool::try_new(class, self.capacity, GuardMethod::Protection, budget);
        }
        let method = match self.safety {
            SafetyLevel::Safety0(_) => GuardMethod::None,
            SafetyLevel::Safety1 => GuardMethod::probe()?,
        };
        StackPool::try_new(class, self.capacity, method, &PROCESS_BUDGET)
    }
}

/// Refuses a capacity outside 1 to `capacity_max`.
pub(crate) fn check_capacity(capacity: u32, capacity_max: u32) -> Result<(), ArenaError> {
    match capacity {
        0 => Err(ArenaError::CapacityZero),
        _ if capacity > capacity_max => Err(ArenaError::CapacityTooLarge {
            capacity,
            capacity_max,
        }),
        _ => Ok(()),
    }
}
