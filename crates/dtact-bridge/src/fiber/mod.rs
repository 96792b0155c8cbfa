//! The cell of a fiber: its header, and the body in which the future lives.
//!
//! ```text
//!  cell (64-byte aligned)
//!  ├─  0  state       u64      state.rs says who may touch what
//!  ├─  8  vtable      8 bytes  what kind of future this is          fixed by spawn
//!  ├─ 16  suspension  8 bytes  where it stands, if it waits on a stack      holder
//!  ├─ 24  join slot  16 bytes  the waker of the handle's last poll   [bridge.S3]
//!  ├─ 40  link        u32      the next task of the same queue         the mesh
//!  ├─ 44  home        u16      1 + the worker it is pinned to, or 0      holder
//!  ├─ 46  outcome     u8       how it ended                        [bridge.S2]
//!  ├─ 47  traits      u8       what kind of fiber it is: `traits`        holder
//!  ├─ 48  floor       u32      the least stack for it, in bytes  fixed by spawn
//!  ├─ 52  attributes  u32      what it asks of the mesh, 0 mostly        holder
//!  ├─ 56  location    8 bytes  where it was spawned              fixed by spawn
//!  └─ 64  body: the future, later its outcome, in place
//! ```
//!
//! What few fibers have (a name, fiber-local values, a scope) lies in a table beside the cells:
//! `extras`. A bit of `traits` says whether there is anything to look for.
//!
//! A future is built in the body, pinned there, dropped there exactly once, and its outcome takes
//! its place. Moving a fiber to another worker moves the index of its cell and nothing else.

#![allow(unsafe_code, reason = "reads and writes cells through pointers")]

pub(crate) mod body;
pub(crate) mod extras;
pub(crate) mod id;
pub(crate) mod local;
pub(crate) mod name;
pub(crate) mod state;
pub(crate) mod traits;

use core::{
    cell::{Cell as StdCell, UnsafeCell},
    mem::{MaybeUninit, offset_of},
    panic::Location,
    ptr::{self, NonNull},
    task::Waker,
};

use dtact_mesh::Attributes;

use crate::{
    sync::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering},
    worker::suspension::Suspension,
};
use body::VTable;
use state::State;

/// The first 64 bytes of a cell.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) state: State,
    pub(crate) vtable: StdCell<Option<&'static VTable>>,
    pub(crate) suspension: StdCell<Option<NonNull<Suspension>>>,
    join_slot: UnsafeCell<MaybeUninit<Waker>>,
    pub(crate) link: dtact_mesh::Link,
    pub(crate) home: AtomicU16,
    pub(crate) outcome: AtomicU8,
    traits: AtomicU8,
    floor: AtomicU32,
    attributes: AtomicU32,
    location: AtomicPtr<Location<'static>>,
}

impl Header {
    /// What kind of fiber it is: bits of [`traits`].
    #[inline]
    pub(crate) fn traits(&self) -> u8 {
        // Relaxed: others than the holder look at it for people, and check the generation after.
        self.traits.load(Ordering::Relaxed)
    }

    /// The same for others than the holder, who look at what a bit says is there.
    pub(crate) fn traits_with_what_they_announce(&self) -> u8 {
        // Acquire: pairs with the store in `set_traits`.
        self.traits.load(Ordering::Acquire)
    }

    /// For the holder [bridge.S1], or while the cell is being filled.
    #[inline]
    pub(crate) fn set_traits(&self, traits: u8) {
        // Release: see `extras`.
        self.traits.store(traits, Ordering::Release);
    }

    /// What it asks of the mesh.
    #[inline]
    pub(crate) fn attributes(&self) -> Attributes {
        // Relaxed: who takes the fiber from a queue has seen what was written before it was put
        // there, and others may get any answer.
        Attributes::from_bits(self.attributes.load(Ordering::Relaxed))
    }

    /// For the holder [bridge.S1], or while the cell is being filled. What is not the default is
    /// announced by [`Shared::set_attributes`](crate::runtime::Shared::set_attributes).
    #[inline]
    pub(crate) fn set_attributes(&self, attributes: Attributes) {
        self.attributes
            .store(attributes.to_bits(), Ordering::Relaxed);
    }

    /// The least size of its stack, in bytes; 0 for none.
    #[inline]
    pub(crate) fn floor(&self) -> u32 {
        // Relaxed: others than the holder look at it for people, and check the generation after.
        self.floor.load(Ordering::Relaxed)
    }

    /// For the holder [bridge.S1], or while the cell is being filled.
    #[inline]
    pub(crate) fn set_floor(&self, bytes: u32) {
        self.floor.store(bytes, Ordering::Relaxed);
    }

    /// Notes where the fiber is spawned. While the cell is being filled.
    #[inline]
    pub(crate) fn set_location(&self, location: &'static Location<'static>) {
        // Release: see `extras`.
        self.location
            .store(ptr::from_ref(location).cast_mut(), Ordering::Release);
    }

    /// Where the fiber of this cell was spawned; for people.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        let location = self.location.load(Ordering::Relaxed);
        // SAFETY: null, or a location that lives for ever, by `set_location`.
        unsafe { location.as_ref() }
    }
}

const _: () = assert!(size_of::<Header>() == BODY_OFFSET);
// Zeroed memory is a free cell: the state is 0, each `Option` of a reference or `NonNull` is
// `None`, which the language promises for these, and the join slot is not looked at.
const _: () = assert!(size_of::<Option<&'static VTable>>() == 8);
const _: () = assert!(offset_of!(Header, state) == 0);

/// Where the body begins.
pub(crate) const BODY_OFFSET: usize = 64;
/// The strictest alignment a body can have; what wants more is boxed.
pub(crate) const BODY_ALIGN: usize = 64;

/// How a fiber ended; what lies in its body from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// The value it returned.
    Value = 1,
    /// The payload of its panic.
    Panic = 2,
    /// Nothing: it was cancelled.
    Cancelled = 3,
}

/// A pointer to a cell.
///
/// # Invariants
///
/// - [bridge.C1] It points to a cell of a pool that stays mapped while the value is used: the
///   runtime's memory lives while one of its workers runs, while a `Pin` of the registry is
///   held, and while a handle exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(NonNull<Header>);

impl Cell {
    /// # Safety
    ///
    /// - `address` is the address of a cell whose memory stays mapped while the value is used
    ///   [bridge.C1].
    #[inline]
    pub(crate) const unsafe fn from_address(address: NonNull<u8>) -> Self {
        Self(address.cast())
    }

    /// The header. Shared: which of its fields the caller may touch, the state says.
    #[inline]
    pub(crate) const fn header<'cell>(self) -> &'cell Header {
        // SAFETY: mapped [bridge.C1], aligned by the pool, and valid as zeroed memory; all of its
        // fields allow change through a shared reference.
        unsafe { self.0.as_ref() }
    }

    /// The body.
    #[inline]
    pub(crate) const fn body(self) -> NonNull<u8> {
        // SAFETY: every cell is larger than its header.
        unsafe { self.0.cast::<u8>().add(BODY_OFFSET) }
    }

    /// Puts a waker into the join slot.
    ///
    /// # Safety
    ///
    /// - The caller owns the slot [bridge.S3], which is empty.
    pub(crate) unsafe fn fill_join_slot(self, waker: Waker) {
        // SAFETY: nobody else looks at the slot while it is the caller's.
        let slot = unsafe { &mut *self.header().join_slot.get() };
        slot.write(waker);
    }

    /// Takes the waker out of the join slot.
    ///
    /// # Safety
    ///
    /// - The caller owns the slot [bridge.S3], which holds a waker; it is empty afterwards.
    pub(crate) unsafe fn empty_join_slot(self) -> Waker {
        // SAFETY: nobody else looks at the slot while it is the caller's.
        let slot = unsafe { &*self.header().join_slot.get() };
        // SAFETY: it holds a waker, which is not read again.
        unsafe { slot.assume_init_read() }
    }

    /// How the fiber ended. For whoever owns the outcome [bridge.S2].
    pub(crate) fn outcome(self) -> Outcome {
        match self.header().outcome.load(Ordering::Relaxed) {
            1 => Outcome::Value,
            2 => Outcome::Panic,
            _ => Outcome::Cancelled,
        }
    }

    /// Records how the fiber ended, before `State::finish` publishes it.
    pub(crate) fn set_outcome(self, outcome: Outcome) {
        self.header()
            .outcome
            .store(outcome as u8, Ordering::Relaxed);
    }
}
