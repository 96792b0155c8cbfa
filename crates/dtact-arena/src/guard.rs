//! How the guard below a stack is made, and how many the process can have.
//!
//! | method | a guard costs | limit |
//! | --- | --- | --- |
//! | advice | page-table entries | none but memory |
//! | protection | two mappings of the process | `vm.max_map_count` |
//!
//! Guards by advice are made in batches: a stack that is taken for the first time has its
//! neighbours' made with its own, more of them the more stacks there are.
//!
//! Advice is tried once, on a page, when a pool is built. It counts only where the system also
//! refuses advice that is none: an emulator may take any and do nothing. Where advice is missing,
//! or is refused for a certain stack (memory locked since), the guard is made by protection, out of
//! a budget shared by all pools of the process: the mappings that are left belong to the rest of
//! the program.
#![allow(unsafe_code, reason = "makes memory inaccessible")]

use core::num::NonZeroUsize;

use crate::error::{ArenaError, Errno};
use crate::region::Region;
use crate::sync::counter::{AtomicBool, AtomicU64, Ordering};
use crate::sys::{PageRange, Platform, System};

/// The share of `vm.max_map_count` that guards may number. Each is worth two mappings, so at the
/// limit a tenth of the mappings is left.
const BUDGET_PERCENT: u64 = 45;

/// The guards by protection of a process.
#[derive(Debug)]
pub(crate) struct GuardBudget {
    used: AtomicU64,
    /// 0 until it is asked for.
    max_map_count: AtomicU64,
}

/// The budget of this process.
pub(crate) static PROCESS_BUDGET: GuardBudget = GuardBudget::with_max_map_count(0);

impl GuardBudget {
    /// A budget under the limit given; with 0, under that of the system.
    pub(crate) const fn with_max_map_count(max_map_count: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            max_map_count: AtomicU64::new(max_map_count),
        }
    }

    /// The guards in use.
    pub(crate) fn used(&self) -> u64 {
        // Relaxed: a count, which publishes nothing.
        self.used.load(Ordering::Relaxed)
    }

    fn max_map_count(&self) -> u64 {
        // Relaxed: whoever asks the system stores the same answer.
        let known = self.max_map_count.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let asked = System::max_map_count();
        self.max_map_count.store(asked, Ordering::Relaxed);
        asked
    }

    /// Books one guard; false when the budget is spent.
    fn book(&self) -> bool {
        let max_map_count = self.max_map_count();
        // Hundreds and rest apart: the product cannot overflow, whatever the system says.
        let limit =
            max_map_count / 100 * BUDGET_PERCENT + max_map_count % 100 * BUDGET_PERCENT / 100;
        let book = |used| (used < limit).then_some(used + 1);
        // Relaxed: a count, which publishes nothing.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, book)
            .is_ok()
    }

    fn release(&self, count: u64) {
        // Relaxed: a count, which publishes nothing.
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}

/// How a pool makes its guards.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum GuardMethod {
    /// Not at all.
    None,
    /// By advice, and by protection where that is refused.
    Advice,
    /// By protection.
    Protection,
}

impl GuardMethod {
    /// The best that this system has, found by trying; once, if it is the best of all. Where that
    /// is refused later, as in a process that has locked its memory since, each guard falls back.
    pub(crate) fn probe() -> Result<Self, ArenaError> {
        static HAS_ADVICE: AtomicBool = AtomicBool::new(false);
        // Relaxed, both: a flag, which publishes nothing.
        if HAS_ADVICE.load(Ordering::Relaxed) {
            return Ok(Self::Advice);
        }
        let page = Region::try_new(NonZeroUsize::MIN)?;
        let range = page.range(0, page.bytes());
        // SAFETY: the whole of a region made here, in which nothing lives.
        let result = unsafe { System::guard_by_advice(&[range]) };
        // SAFETY: as above.
        let is_meant = result.is_ok() && unsafe { page.refuses_unknown_advice() };
        HAS_ADVICE.store(is_meant, Ordering::Relaxed);
        Ok(if is_meant {
            Self::Advice
        } else {
            Self::Protection
        })
    }
}

/// How an idle stack was made inaccessible.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Hidden {
    ByAdvice,
    ByProtection,
}

impl Hidden {
    /// Makes a stack accessible that was hidden.
    ///
    /// # Safety
    ///
    /// - the range is whole pages inside one region, all of them hidden this way.
    pub(crate) unsafe fn undo(self, range: PageRange) -> Result<(), ArenaError> {
        let shown = match self {
            // SAFETY: as the caller promises.
            Self::ByAdvice => unsafe { System::unguard_by_advice(range.bottom, range.bytes) },
            Self::ByProtection => {
                // SAFETY: as the caller promises.
                unsafe { System::unguard_by_protection(range.bottom, range.bytes) }
            }
        };
        shown.map_err(|errno| ArenaError::Os {
            op: "making an idle stack accessible",
            errno,
        })
    }
}

/// Makes the guards of one pool and returns its share of the budget at the end.
#[derive(Debug)]
pub(crate) struct Guards {
    method: GuardMethod,
    budget: &'static GuardBudget,
    /// The guards of this pool that count against the budget.
    booked: AtomicU64,
}

impl Guards {
    /// No guard made so far.
    pub(crate) fn new(method: GuardMethod, budget: &'static GuardBudget) -> Self {
        Self {
            method,
            budget,
            booked: AtomicU64::new(0),
        }
    }

    /// Guards several ranges in one call, if that can be done. Guards in excess cost little then,
    /// so neighbours that will need theirs later can have them at once. `false`: none of them
    /// counts as guarded, and those that are needed are to be made one by one.
    ///
    /// # Safety
    ///
    /// - each range is whole pages inside one region of the pool;
    /// - nothing lives in the ranges, or ever will.
    pub(crate) unsafe fn install_all(&self, ranges: &[PageRange]) -> bool {
        if self.method != GuardMethod::Advice {
            return false;
        }
        // SAFETY: as the caller promises.
        unsafe { System::guard_by_advice(ranges) }.is_ok()
    }

    /// Guards a range of a pool of `capacity` stacks.
    ///
    /// # Safety
    ///
    /// - the range is whole pages inside one region of the pool;
    /// - nothing lives in the range, or ever will.
    pub(crate) unsafe fn install(&self, range: PageRange, capacity: u32) -> Result<(), ArenaError> {
        // SAFETY: as the caller promises.
        if unsafe { self.install_all(&[range]) } {
            return Ok(());
        }
        if !self.budget.book() {
            return Err(self.exhausted(capacity, 0));
        }
        // SAFETY: as the caller promises.
        match unsafe { System::guard_by_protection(range.bottom, range.bytes) } {
            Ok(()) => {
                // Relaxed: a count, read when nobody else has the pool.
                self.booked.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(errno) => {
                self.budget.release(1);
                Err(self.refused(errno, capacity))
            }
        }
    }

    /// Makes a stack inaccessible while nobody has it, and wipes it. `None`: the system refused.
    ///
    /// By protection it costs no mapping where the guards around it cost one each already.
    ///
    /// # Safety
    ///
    /// - the range is whole pages inside one region of the pool;
    /// - nobody uses what lies there before that is [undone](Hidden::undo).
    pub(crate) unsafe fn hide(&self, range: PageRange) -> Option<Hidden> {
        // SAFETY: as the caller promises.
        if unsafe { self.install_all(&[range]) } {
            return Some(Hidden::ByAdvice);
        }
        // SAFETY: as the caller promises.
        unsafe { System::discard(&[range]) }.ok()?;
        // SAFETY: as the caller promises.
        unsafe { System::guard_by_protection(range.bottom, range.bytes) }.ok()?;
        Some(Hidden::ByProtection)
    }

    fn refused(&self, errno: Errno, capacity: u32) -> ArenaError {
        if System::is_out_of_maps(errno) {
            // The program has taken more than the mappings left to it: as many again are needed.
            self.exhausted(
                capacity,
                self.budget.max_map_count() + 2 * u64::from(capacity),
            )
        } else {
            ArenaError::Os {
                op: "guarding a stack",
                errno,
            }
        }
    }

    fn exhausted(&self, capacity: u32, needed_min: u64) -> ArenaError {
        let guard_count = self.budget.used();
        // Relaxed: a figure for people.
        let own = self.booked.load(Ordering::Relaxed);
        let wanted = guard_count.saturating_sub(own) + u64::from(capacity).max(own + 1);
        ArenaError::GuardsExhausted {
            guard_count,
            max_map_count: self.budget.max_map_count(),
            // One more than the exact quotient: the budget itself is rounded down.
            max_map_count_needed: (wanted * 100 / BUDGET_PERCENT + 1).max(needed_min),
        }
    }
}

impl Drop for Guards {
    fn drop(&mut self) {
        self.budget.release(*self.booked.get_mut());
    }
}
