//! What handles name: a table of slots, each with the number of times it was used.
//!
//! ```text
//!   handle   63        32 31         0        0 is no handle: generations begin at 1
//!            ┌───────────┬────────────┐
//!            │generation │    slot    │
//!            └─────┬─────┴─────┬──────┘
//!                  │           ▼
//!                  │   slots  [0] generation 4, vacant ──▶ next vacant slot
//!                  └──= ? ──▶ [1] generation 7, occupied, joined or not
//!                             [2] …
//! ```
//!
//! # Invariants
//!
//! - [ffi.T1] A slot's generation rises each time it is vacated, and a slot whose generations are
//!   used up stays empty: no two entries ever have the same handle.
//! - [ffi.T2] An entry that is claimed is removed by its claimant only.
//!
//! # Locking
//!
//! One mutex for the process. It is held for a look, a change, or one poll of a join handle;
//! none of them waits, calls C code or takes another lock of this crate, so that no fiber is ever
//! suspended while it holds the lock. A plain mutex does: next to a spawn and a join it is cheap.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The name of a fiber: `dtact_handle_t`. Never an address; 0 is none.
pub type DtactHandle = u64;

/// Entries, and the handles that name them.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    vacant: Option<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Entry<T>,
}

#[derive(Debug)]
enum Entry<T> {
    Vacant { next: Option<u32> },
    Occupied { value: T, is_claimed: bool },
}

/// Why a handle leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It names no entry.
    Stale,
    /// Its entry is somebody else's.
    Claimed,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: None,
        }
    }

    /// Puts a value in and names it.
    pub(crate) fn insert(&mut self, value: T) -> DtactHandle {
        let entry = Entry::Occupied {
            value,
            is_claimed: false,
        };
        let index = match self.vacant {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                if let Entry::Vacant { next } = slot.entry {
                    self.vacant = next;
                }
                slot.entry = entry;
                index
            }
            None => {
                let index = u32::try_from(self.slots.len());
                let index = index.expect("each entry is a fiber, and there are fewer cells");
                self.slots.push(Slot {
                    generation: 1,
                    entry,
                });
                index
            }
        };
        let generation = self.slots[index as usize].generation;
        u64::from(generation) << 32 | u64::from(index)
    }

    /// The value of this name, whoever has claimed it.
    pub(crate) fn get(&mut self, handle: DtactHandle) -> Result<&mut T, Refused> {
        self.occupied(handle).map(|(value, _)| value)
    }

    /// Whether this was the name of an entry that is gone.
    pub(crate) fn was_given_out(&self, handle: DtactHandle) -> bool {
        let (index, generation) = parts(handle);
        let slot = self.slots.get(index as usize);
        // A slot whose generations are used up stands at 0 [ffi.T1].
        slot.is_some_and(|slot| {
            generation != 0 && (slot.generation == 0 || generation < slot.generation)
        })
    }

    /// Makes the entry the caller's own, until [`Table::release`] or [`Table::remove_claimed`].
    pub(crate) fn claim(&mut self, handle: DtactHandle) -> Result<(), Refused> {
        match self.occupied(handle)? {
            (_, true) => Err(Refused::Claimed),
            (_, is_claimed) => {
                *is_claimed = true;
                Ok(())
            }
        }
    }

    /// Gives the entry up again.
    pub(crate) fn release(&mut self, handle: DtactHandle) {
        if let Ok((_, is_claimed)) = self.occupied(handle) {
            *is_claimed = false;
        }
    }

    /// Takes out what nobody has claimed.
    pub(crate) fn remove(&mut self, handle: DtactHandle) -> Result<T, Refused> {
        match self.occupied(handle)? {
            (_, true) => Err(Refused::Claimed),
            (_, false) => self.vacate(handle),
        }
    }

    /// Takes out what the caller has claimed.
    pub(crate) fn remove_claimed(&mut self, handle: DtactHandle) -> Result<T, Refused> {
        self.vacate(handle)
    }

    fn occupied(&mut self, handle: DtactHandle) -> Result<(&mut T, &mut bool), Refused> {
        match &mut self.slot(handle)?.entry {
            Entry::Occupied { value, is_claimed } => Ok((value, is_claimed)),
            Entry::Vacant { .. } => Err(Refused::Stale),
        }
    }

    fn slot(&mut self, handle: DtactHandle) -> Result<&mut Slot<T>, Refused> {
        let (index, generation) = parts(handle);
        self.slots
            .get_mut(index as usize)
            .filter(|slot| slot.generation == generation)
            .ok_or(Refused::Stale)
    }

    fn vacate(&mut self, handle: DtactHandle) -> Result<T, Refused> {
        let (index, _) = parts(handle);
        let next = self.vacant;
        let slot = self.slot(handle)?;
        let old = core::mem::replace(&mut slot.entry, Entry::Vacant { next });
        let Entry::Occupied { value, .. } = old else {
            slot.entry = old;
            return Err(Refused::Stale);
        };
        // Generation 0 is in no handle: a slot that has come round is not offered again [ffi.T1].
        slot.generation = slot.generation.wrapping_add(1);
        if slot.generation != 0 {
            self.vacant = Some(index);
        }
        Ok(value)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves of the handle are what is meant"
)]
const fn parts(handle: DtactHandle) -> (u32, u32) {
    (handle as u32, (handle >> 32) as u32)
}

/// Locks; a panic of another thread under the lock is no reason to stop: nothing under it is left
/// half done.
pub(crate) fn lock<T>(table: &Mutex<Table<T>>) -> MutexGuard<'_, Table<T>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Refused, Table};

    #[test]
    fn zero_names_nothing() {
        let mut table = Table::new();
        assert_eq!(table.get(0), Err(Refused::Stale));
        assert_ne!(table.insert('a'), 0);
        assert_eq!(table.get(0), Err(Refused::Stale));
    }

    #[test]
    fn a_slot_used_again_has_another_name() {
        let mut table = Table::new();
        let first = table.insert('a');
        assert_eq!(table.remove(first), Ok('a'));
        let second = table.insert('b');
        assert_ne!(first, second);
        assert_eq!(table.slots.len(), 1);
        assert_eq!(table.remove(first), Err(Refused::Stale));
        assert!(table.was_given_out(first) && !table.was_given_out(second));
        assert!(!table.was_given_out(0) && !table.was_given_out(second + (1 << 32)));
        assert_eq!(table.claim(first), Err(Refused::Stale));
        assert_eq!(table.get(second), Ok(&mut 'b'));
    }

    #[test]
    fn what_is_claimed_is_its_claimants_until_released() {
        let mut table = Table::new();
        let handle = table.insert('a');
        assert_eq!(table.claim(handle), Ok(()));
        assert_eq!(table.claim(handle), Err(Refused::Claimed));
        assert_eq!(table.remove(handle), Err(Refused::Claimed));
        assert_eq!(table.get(handle), Ok(&mut 'a'));
        table.release(handle);
        assert_eq!(table.claim(handle), Ok(()));
        assert_eq!(table.remove_claimed(handle), Ok('a'));
        assert_eq!(table.remove_claimed(handle), Err(Refused::Stale));
    }

    #[test]
    fn vacant_slots_are_used_before_new_ones() {
        let mut table = Table::new();
        let handles: Vec<_> = (0..10).map(|n| table.insert(n)).collect();
        for handle in &handles {
            table.remove(*handle).expect("it is there");
        }
        let again: Vec<_> = (0..10).map(|n| table.insert(n)).collect();
        assert_eq!(table.slots.len(), 10);
        assert!(again.iter().all(|handle| !handles.contains(handle)));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_stays_empty() {
        let mut table = Table::new();
        let _first = table.insert('a');
        table.slots[0].generation = u32::MAX;
        let last = u64::from(u32::MAX) << 32;
        assert_eq!(table.remove(last), Ok('a'));
        assert_eq!(table.get(0), Err(Refused::Stale));
        table.insert('b');
        assert_eq!(table.slots.len(), 2);
    }
}
