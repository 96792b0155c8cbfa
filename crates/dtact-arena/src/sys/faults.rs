//! A system whose calls fail as a test has planned, and which counts what is reserved.
//!
//! Plans and counts belong to the thread, as tests run side by side.
#![allow(unsafe_code, reason = "passes calls on")]

use core::cell::RefCell;
use core::marker::PhantomData;
use core::num::NonZeroUsize;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use super::{PageRange, Platform, Touched};
use crate::error::Errno;

/// A call that can fail.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Call {
    Reserve,
    Commit,
    Release,
    Discard,
    Touched,
    RequestHugePages,
    PreferNode,
    GuardByAdvice,
    UnguardByAdvice,
    GuardByProtection,
    UnguardByProtection,
}

impl Call {
    pub(crate) const ALL: [Self; 11] = [
        Self::Reserve,
        Self::Commit,
        Self::Release,
        Self::Discard,
        Self::Touched,
        Self::RequestHugePages,
        Self::PreferNode,
        Self::GuardByAdvice,
        Self::UnguardByAdvice,
        Self::GuardByProtection,
        Self::UnguardByProtection,
    ];
}

/// Calls of one kind fail, from one on, so many times.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    /// How many calls of the kind succeed first.
    pub(crate) after: u32,
    /// How many fail then.
    pub(crate) times: u32,
    pub(crate) errno: Errno,
}

#[derive(Default)]
struct Account {
    plan: Vec<Fault>,
    /// How many calls have failed.
    failed: u32,
    /// The reservations that are not released, by address.
    reserved: BTreeMap<usize, usize>,
}

thread_local! {
    static ACCOUNT: RefCell<Account> = RefCell::default();
}

/// Makes the calls of this thread fail as planned; an empty plan ends that.
pub(crate) fn plan(faults: &[Fault]) {
    ACCOUNT.with_borrow_mut(|account| {
        account.plan = faults.to_vec();
        if !faults.is_empty() {
            account.failed = 0;
        }
    });
}

/// How many calls of this thread have failed by the last plan that was not empty.
pub(crate) fn failed() -> u32 {
    ACCOUNT.with_borrow(|account| account.failed)
}

/// The bytes that this thread has reserved and not released.
pub(crate) fn reserved_bytes() -> usize {
    ACCOUNT.with_borrow(|account| account.reserved.values().sum())
}

/// What the plan says to a call.
fn check(call: Call) -> Result<(), Errno> {
    ACCOUNT.with_borrow_mut(|account| {
        for fault in &mut account.plan {
            if fault.call != call {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                account.failed += 1;
                return Err(fault.errno);
            }
        }
        Ok(())
    })
}

fn note(bottom: NonNull<u8>, bytes: NonZeroUsize) -> NonNull<u8> {
    ACCOUNT.with_borrow_mut(|account| account.reserved.insert(bottom.addr().get(), bytes.get()));
    bottom
}

/// The system `P`, with faults.
pub(crate) struct Faulty<P>(PhantomData<P>);

// SAFETY: whatever succeeds is done by `P`; a call that fails by plan does nothing.
unsafe impl<P: Platform> Platform for Faulty<P> {
    fn page_bytes() -> usize {
        P::page_bytes()
    }

    fn reserve(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        check(Call::Reserve)?;
        P::reserve(bytes).map(|bottom| note(bottom, bytes))
    }

    fn reserve_uncommitted(bytes: NonZeroUsize) -> Result<NonNull<u8>, Errno> {
        check(Call::Reserve)?;
        P::reserve_uncommitted(bytes).map(|bottom| note(bottom, bytes))
    }

    unsafe fn commit(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        check(Call::Commit)?;
        // SAFETY: as the caller promises.
        unsafe { P::commit(bottom, bytes) }
    }

    unsafe fn release(bottom: NonNull<u8>, bytes: NonZeroUsize) -> Result<(), Errno> {
        check(Call::Release)?;
        ACCOUNT.with_borrow_mut(|account| account.reserved.remove(&bottom.addr().get()));
        // SAFETY: as the caller promises.
        unsafe { P::release(bottom, bytes) }
    }

    unsafe fn discard(ranges: &[PageRange]) -> Result<(), Errno> {
        check(Call::Discard)?;
        // SAFETY: as the caller promises.
        unsafe { P::discard(ranges) }
    }

    fn touched(bottom: NonNull<u8>, bytes: usize) -> Result<Touched, Errno> {
        check(Call::Touched)?;
        P::touched(bottom, bytes)
    }

    unsafe fn refuse_huge_pages(bottom: NonNull<u8>, bytes: usize) {
        // SAFETY: as the caller promises.
        unsafe { P::refuse_huge_pages(bottom, bytes) }
    }

    fn are_huge_pages_off() -> bool {
        P::are_huge_pages_off()
    }

    unsafe fn request_huge_pages(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        check(Call::RequestHugePages)?;
        // SAFETY: as the caller promises.
        unsafe { P::request_huge_pages(bottom, bytes) }
    }

    unsafe fn prefer_node(bottom: NonNull<u8>, bytes: usize, node: u32) -> Result<(), Errno> {
        check(Call::PreferNode)?;
        // SAFETY: as the caller promises.
        unsafe { P::prefer_node(bottom, bytes, node) }
    }

    unsafe fn guard_by_advice(ranges: &[PageRange]) -> Result<(), Errno> {
        check(Call::GuardByAdvice)?;
        // SAFETY: as the caller promises.
        unsafe { P::guard_by_advice(ranges) }
    }

    unsafe fn unguard_by_advice(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        check(Call::UnguardByAdvice)?;
        // SAFETY: as the caller promises.
        unsafe { P::unguard_by_advice(bottom, bytes) }
    }

    unsafe fn refuses_unknown_advice(bottom: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { P::refuses_unknown_advice(bottom, bytes) }
    }

    unsafe fn guard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        check(Call::GuardByProtection)?;
        // SAFETY: as the caller promises.
        unsafe { P::guard_by_protection(bottom, bytes) }
    }

    unsafe fn unguard_by_protection(bottom: NonNull<u8>, bytes: usize) -> Result<(), Errno> {
        check(Call::UnguardByProtection)?;
        // SAFETY: as the caller promises.
        unsafe { P::unguard_by_protection(bottom, bytes) }
    }

    fn max_map_count() -> u64 {
        P::max_map_count()
    }

    fn is_out_of_maps(errno: Errno) -> bool {
        P::is_out_of_maps(errno)
    }
}
