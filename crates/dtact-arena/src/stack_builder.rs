//! The description of a stack pool.

use core::time::Duration;

use crate::error::ArenaError;
#[cfg(all(test, not(dtact_loom)))]
use crate::guard::GuardBudget;
use crate::guard::{GuardMethod, PROCESS_BUDGET};
use crate::layout::Ends;
use crate::safety::SafetyLevel;
use crate::stack_pool::{StackPlan, StackPool, class_for};

/// How long a pool remembers demand, unless told otherwise.
const DECAY_PERIOD: Duration = Duration::from_secs(1);

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
#[doc(alias = "Builder")]
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct StackPoolBuilder {
    stack_bytes: usize,
    capacity: u32,
    safety: SafetyLevel,
    node: Option<u32>,
    decay_period: Duration,
    #[cfg(all(test, not(dtact_loom)))]
    protection: Option<&'static GuardBudget>,
}

impl StackPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            stack_bytes: 2 << 20,
            capacity: 1024,
            safety: SafetyLevel::Safety1,
            node: None,
            decay_period: DECAY_PERIOD,
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

    /// The NUMA node whose memory stacks shall have where it has some left; unless set, a page
    /// comes from the node of the thread that touches it first, which is mostly right.
    ///
    /// One pool for each node serves workers that are bound to theirs. Node 0 is a node.
    pub fn node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// How long the memory of idle stacks outlasts demand: see [`StackPool::decay`]. 1 second
    /// unless set; with zero, each call lets all idle memory go.
    pub fn decay_period(mut self, decay_period: Duration) -> Self {
        self.decay_period = decay_period;
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
    /// - [`ArenaError::NodeRefused`]: there is no such node, or the process may not choose;
    /// - [`ArenaError::Os`]: the system refused the address space.
    pub fn build(self) -> Result<StackPool, ArenaError> {
        check_capacity(self.capacity, StackPool::CAPACITY_MAX)?;
        let plan = StackPlan {
            default_class: class_for(self.stack_bytes)?,
            capacity: self.capacity,
            ends: match self.safety {
                SafetyLevel::Safety0(_) => Ends::Canary,
                SafetyLevel::Safety1 => Ends::GuardBelow,
                SafetyLevel::Safety2 => Ends::GuardBoth,
            },
            node: self.node,
            decay_period: self.decay_period,
        };
        #[cfg(all(test, not(dtact_loom)))]
        if let Some(budget) = self.protection {
            return StackPool::try_new(plan, GuardMethod::Protection, budget);
        }
        let method = if plan.ends.has_guards() {
            GuardMethod::probe()?
        } else {
            GuardMethod::None
        };
        StackPool::try_new(plan, method, &PROCESS_BUDGET)
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
