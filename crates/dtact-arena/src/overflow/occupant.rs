//! Who runs on a thread: what the message about an overflow calls it.

use core::fmt;

use super::note::Note;
use crate::sync::counter::{AtomicPtr, AtomicU64, Ordering};

/// A sort of user of stacks: how the message names one, and what it says to do.
///
/// ```
/// use dtact_arena::overflow::OccupantKind;
///
/// static COROUTINE: OccupantKind = OccupantKind::new("coroutine", "`Engine::stack_bytes`");
/// ```
#[derive(Clone, Copy)]
pub struct OccupantKind {
    pub(super) noun: &'static str,
    pub(super) advice: &'static str,
    pub(super) write_id: fn(u64, &mut Note),
}

impl OccupantKind {
    /// Users called `noun`, such as "fiber"; `advice` names the setting by which one gets a larger
    /// stack.
    #[must_use]
    pub const fn new(noun: &'static str, advice: &'static str) -> Self {
        Self {
            noun,
            advice,
            write_id: |id, note| note.push_decimal(id),
        }
    }

    /// The same, with a function that writes the number in the form in which people know it.
    ///
    /// # Safety
    ///
    /// - `write_id` is async-signal-safe (`signal-safety(7)`): it runs in a signal handler that
    ///   may have interrupted anything, so it takes no lock, allocates nothing and does not panic.
    #[must_use]
    #[allow(unsafe_code, reason = "the compiler knows nothing of signal handlers")]
    pub const unsafe fn with_id(mut self, write_id: fn(u64, &mut Note)) -> Self {
        self.write_id = write_id;
        self
    }
}

impl fmt::Debug for OccupantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OccupantKind")
            .field("noun", &self.noun)
            .field("advice", &self.advice)
            .finish_non_exhaustive()
    }
}

/// Who runs: a number, and a name where there is one.
///
/// One value serves a thread for good: whoever schedules on it changes number and name, a plain
/// store each, and [`set_occupant`](super::set_occupant) is called once. Or each user of a stack
/// has a value of its own, and `set_occupant` is called at each switch.
///
/// ```
/// use dtact_arena::overflow::{Occupant, OccupantKind};
///
/// static COROUTINE: OccupantKind = OccupantKind::new("coroutine", "`Engine::stack_bytes`");
/// let occupant = Occupant::new(&COROUTINE);
/// assert_eq!(occupant.id(), Occupant::NOBODY);
/// occupant.set_id(7);
/// occupant.set_name(Some(&"parser"));
/// assert_eq!(occupant.id(), 7);
/// ```
#[derive(Debug)]
pub struct Occupant {
    kind: &'static OccupantKind,
    id: AtomicU64,
    /// Null, or a text that stays.
    name: AtomicPtr<&'static str>,
}

impl Occupant {
    /// The number that means that nobody runs: code that is no user's.
    pub const NOBODY: u64 = u64::MAX;

    /// Nobody, until a number is set.
    #[must_use]
    pub const fn new(kind: &'static OccupantKind) -> Self {
        Self {
            kind,
            id: AtomicU64::new(Self::NOBODY),
            name: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The number of who runs.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u64 {
        // Relaxed: read by the thread that writes it, in its signal handler at most.
        self.id.load(Ordering::Relaxed)
    }

    /// Says who runs from now on; [`NOBODY`](Self::NOBODY) if nobody does.
    #[inline]
    pub fn set_id(&self, id: u64) {
        // Relaxed: as for `id`.
        self.id.store(id, Ordering::Relaxed);
    }

    /// Gives whoever runs a name, or none. It costs one store, and may be long: the message shows
    /// the first bytes of it.
    #[inline]
    pub fn set_name(&self, name: Option<&'static &'static str>) {
        let name = name.map_or(core::ptr::null_mut(), |name| {
            core::ptr::from_ref(name).cast_mut()
        });
        // Relaxed: as for `id`.
        self.name.store(name, Ordering::Relaxed);
    }

    /// As [`set_name`](Self::set_name), with a name that may go.
    ///
    /// # Safety
    ///
    /// - `name` and its text stay as they are until another name, or none, is set here.
    #[inline]
    #[allow(unsafe_code, reason = "keeps a reference longer than its lifetime")]
    pub unsafe fn set_name_for_now(&self, name: &&str) {
        let name = core::ptr::from_ref(name).cast_mut().cast();
        // Relaxed: as for `id`.
        self.name.store(name, Ordering::Relaxed);
    }

    /// The kind.
    pub(super) const fn kind(&self) -> &'static OccupantKind {
        self.kind
    }

    /// The name, while it is set.
    #[allow(unsafe_code, reason = "the name is behind a pointer")]
    pub(super) fn name(&self) -> Option<&str> {
        // Relaxed: as for `id`.
        let name = self.name.load(Ordering::Relaxed).cast_const();
        // SAFETY: null, or a name that stays for as long as it is set here, by the type of
        // `set_name` or the contract of `set_name_for_now`.
        unsafe { name.as_ref() }.copied()
    }
}
