//! The fibers of the process runtime, by handles that nobody has to give up.
//!
//! A handle of [`dtact_fiber_launch`](crate::dtact_fiber_launch) may be awaited by any number of
//! callers, at any time, or by nobody. So an entry here goes when its fiber has: the fiber puts its
//! handle on a list as the last thing it does, and each launch takes from that list what has ended
//! for good. Of a handle that is gone the generation says whether it was ever given out.
//!
//! ```text
//!   handle   63        32 31 30       0      bit 31 tells it from a handle of `dtact_fiber_spawn`
//!            ┌───────────┬──┬──────────┐
//!            │generation │ 1│   slot   │
//!            └───────────┴──┴──────────┘
//! ```

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use dtact::FiberId;

use crate::{
    error::Error,
    table::{DtactHandle, Table},
};

const TAG: DtactHandle = 1 << 31;

/// How many ended fibers one launch forgets at most: more than it adds, so that none pile up.
const FORGOTTEN_AT_ONCE: usize = 4;

#[derive(Debug)]
struct Launched {
    /// `None` while the fiber is being spawned.
    table: Table<Option<FiberId>>,
    /// What has ended, or is about to.
    ended: VecDeque<DtactHandle>,
}

static LAUNCHED: Mutex<Launched> = Mutex::new(Launched {
    table: Table::new(),
    ended: VecDeque::new(),
});

fn launched() -> MutexGuard<'static, Launched> {
    // Nothing under this lock is left half done; it is held for no call of C and no wait.
    LAUNCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a fiber that is about to be launched. It goes into the fiber, whose end drops it.
#[derive(Debug)]
pub(crate) struct Place(DtactHandle);

impl Place {
    pub(crate) fn new() -> Self {
        let mut launched = launched();
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some(handle) = launched.ended.front().copied() else {
                break;
            };
            // One that is still on its way out keeps those behind it for the next launch.
            if let Ok(Some(id)) = launched.table.get(handle)
                && id.is_alive()
            {
                break;
            }
            launched.ended.pop_front();
            let _gone: Result<_, _> = launched.table.remove(handle);
        }
        Self(launched.table.insert(None))
    }

    pub(crate) const fn handle(&self) -> DtactHandle {
        self.0 | TAG
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        launched().ended.push_back(self.0);
    }
}

/// Notes the fiber of a place. It may have ended by now.
pub(crate) fn note(handle: DtactHandle, id: Option<FiberId>) {
    if let Ok(place) = launched().table.get(handle & !TAG) {
        *place = id;
    }
}

/// Whether this is the handle of a launched fiber, if it is one at all.
pub(crate) const fn is_one(handle: DtactHandle) -> bool {
    handle & TAG != 0
}

/// The fiber of this handle; `None` where it has ended.
pub(crate) fn find(handle: DtactHandle) -> Result<Option<FiberId>, Error> {
    let index = handle & !TAG;
    let mut launched = launched();
    let found = match launched.table.get(index) {
        Ok(id) => Some(*id),
        Err(_) => None,
    };
    let was_given_out = launched.table.was_given_out(index);
    drop(launched);
    match found {
        Some(id) => Ok(id),
        None if was_given_out => Ok(None),
        None => Err(Error::StaleHandle(handle)),
    }
}
