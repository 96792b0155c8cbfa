//! Where assembly cannot run, in Miri and in loom: a thread stands in for each stack.
//!
//! The same items as of an architecture. The threads pass a baton: one runs, the others wait.
//!
//! ```text
//!   thread of the resumer               thread of the fiber
//!   switch: saves its frame
//!           takes the frame of the fiber
//!           (stores itself into a slot)
//!           hands over ─────────────────► runs on
//!           waits                         switch: saves its frame
//!                                                 …
//!   runs on ◄──────────────────────────────────── hands over
//!                                                 waits
//! ```
//!
//! What an order is here is one there: who is handed the baton sees all that came before, and who
//! takes a context from a slot sees what the slot's store and load order, and no more. So a frame
//! is read without the lock of the baton, which would hide that the slot has no order.
//!
//! # What differs
//!
//! * Each stack has thread-locals of its own: a value in one is not seen by the other stacks that a
//!   real thread would run.
//! * The memory that a context is given is not used.
//! * A context that is given up leaves a thread that waits for ever.
//! * Neither form saves anything, so that both are one, with float state and without.
#![allow(
    unsafe_code,
    reason = "frames are named by raw pointers, as on a stack"
)]

#[cfg(all(test, dtact_loom))]
pub(crate) mod models;

use core::cell::Cell;
use core::ptr::{self, NonNull};
use std::boxed::Box;

use crate::sync::{Condvar, Mutex, Turns, slot, spawn, thread_local};
use crate::{Context, Entry, StackBounds, Transfer};

/// As on most architectures, in bytes.
pub(crate) const STACK_ALIGN: usize = 16;

/// A stack. Its address is that of the context whenever it is suspended; it is never freed, for
/// names of it may be left.
pub(crate) struct Frame {
    /// What a real frame holds. It is written by who leaves and read by who enters, without a lock.
    saved: Turns<Saved>,
    /// Who has handed over, and its message, until this stack goes on.
    baton: Mutex<Baton>,
    passed: Condvar,
}

/// Where a stack stands.
enum Saved {
    /// It has yet to begin.
    Fresh(Entry),
    /// The same in a model, whose stacks unwind when they are given up.
    #[cfg(all(test, dtact_loom))]
    FreshModel(models::Root),
    /// It was left.
    Suspended,
    /// It runs, so that it may not be entered.
    Running,
}

enum Baton {
    /// Somebody else runs.
    Away,
    /// This stack is to go on.
    Here(NonNull<Frame>, *mut ()),
    /// This stack is to end.
    #[cfg(all(test, dtact_loom))]
    GivenUp,
}

// SAFETY: a frame is shared by the threads that stand in for stacks; they pass it around as one
// thread would pass contexts around.
unsafe impl Sync for Frame {}
#[expect(clippy::non_send_fields_in_send_ty, reason = "see above")]
// SAFETY: as above.
unsafe impl Send for Frame {}

thread_local! {
    /// The stack that this thread stands in for.
    static CURRENT: Cell<*const Frame> = Cell::new(ptr::null());
}

impl Frame {
    fn leak(saved: Saved) -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self {
            saved: Turns::new(saved),
            baton: Mutex::new(Baton::Away),
            passed: Condvar::new(),
        })))
    }

    /// The stack that runs.
    fn current() -> &'static Self {
        let current = CURRENT.with(Cell::get);
        if let Some(current) = NonNull::new(current.cast_mut()) {
            // SAFETY: never freed.
            return unsafe { current.as_ref() };
        }
        // A thread of the program: it stands in for its own stack.
        let own = Self::leak(Saved::Running);
        CURRENT.with(|current| current.set(own.as_ptr()));
        // SAFETY: as above.
        unsafe { own.as_ref() }
    }

    /// Has the stack go on.
    fn pass(&self, baton: Baton) {
        *self.baton.lock().expect("no panic under this lock") = baton;
        self.passed.notify_one();
    }

    /// Waits until the stack is to go on.
    fn wait(&self) -> Transfer {
        let mut baton = self.baton.lock().expect("no panic under this lock");
        loop {
            match core::mem::replace(&mut *baton, Baton::Away) {
                Baton::Here(from, message) => {
                    // SAFETY: it was left for this stack.
                    let from = unsafe { Context::from_frame(from) };
                    return Transfer { from, message };
                }
                Baton::Away => {}
                #[cfg(all(test, dtact_loom))]
                Baton::GivenUp => {
                    drop(baton);
                    std::panic::resume_unwind(Box::new(models::GivenUp));
                }
            }
            baton = self.passed.wait(baton).expect("no panic under this lock");
        }
    }
}

/// A stack that has yet to begin.
///
/// # Safety
///
/// None: the stack is not used. It is that of the assembly.
pub(crate) unsafe fn write_fresh_frame(stack: &StackBounds, entry: Entry) -> NonNull<Frame> {
    debug_assert!(
        stack.top().addr().get().is_multiple_of(STACK_ALIGN),
        "the top of a stack must be a multiple of {STACK_ALIGN}: round it down"
    );
    Frame::leak(Saved::Fresh(entry))
}

/// Leaves the running stack for `to`.
///
/// # Safety
///
/// Those of [`CrossThread::switch_publishing`](crate::CrossThread::switch_publishing), if there is
/// a slot, of [`ContextSwitcher::switch`](crate::ContextSwitcher::switch) if not.
unsafe fn switch(to: Context, message: *mut (), publish_in: Option<*mut *mut ()>) -> Transfer {
    let me = Frame::current();
    let name = NonNull::from(me);
    // SAFETY: it was left, or is fresh [context.I1]; and never freed.
    let to: &'static Frame = unsafe { to.into_frame().as_ref() };
    let publish = |ordering| {
        let Some(address) = publish_in else { return };
        // SAFETY: valid until this store (the caller).
        let slot = unsafe { slot(address) };
        // Pairs with the acquire of who takes it.
        slot.store(name.as_ptr().cast(), ordering);
    };
    #[cfg(all(test, dtact_loom))]
    models::before_the_save(&publish);

    // SAFETY: this stack's turn, for it runs: who enters it next is ordered after this.
    let _: Saved = unsafe { me.saved.replace(Saved::Suspended) };
    // SAFETY: this stack's turn, for it owns the context [context.I2].
    let entered = unsafe { to.saved.replace(Saved::Running) };
    // The stack is left: from here on nothing of it is used.
    #[cfg(not(all(test, dtact_loom)))]
    publish(crate::sync::Ordering::Release);
    #[cfg(all(test, dtact_loom))]
    models::after_the_save(&publish);
    to.pass(Baton::Here(name, message));
    match entered {
        Saved::Suspended => {}
        // SAFETY: what the maker of the context asked for.
        Saved::Fresh(entry) => begin(to, move |first| unsafe { entry(first) }),
        #[cfg(all(test, dtact_loom))]
        // SAFETY: as above.
        Saved::FreshModel(root) => begin(to, move |first| unsafe { root(first) }),
        Saved::Running => panic!("a context is resumed once, and not while it runs"),
    }
    me.wait()
}

/// Starts the thread of a fresh stack.
fn begin(stack: &'static Frame, root: impl FnOnce(Transfer) + Send + 'static) {
    // Not joined: it ends with the process, or when the stack is given up.
    let _thread = spawn(move || {
        CURRENT.with(|current| current.set(ptr::from_ref(stack)));
        let run = || root(stack.wait());
        #[cfg(not(all(test, dtact_loom)))]
        run();
        #[cfg(all(test, dtact_loom))]
        models::until_given_up(run);
    });
}

/// The inline form.
///
/// # Safety
///
/// Those of the trait.
pub(crate) unsafe fn switch_inline<const FLOAT: bool>(to: Context, message: *mut ()) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { switch(to, message, None) }
}

/// The inline form that publishes.
///
/// # Safety
///
/// Those of the trait.
pub(crate) unsafe fn switch_inline_publishing<const FLOAT: bool>(
    to: Context,
    message: *mut (),
    slot: *mut *mut (),
) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { switch(to, message, Some(slot)) }
}

/// The naked form with FP control state.
///
/// # Safety
///
/// Those of the trait.
pub(crate) unsafe extern "C" fn switch_naked_float(to: Context, message: *mut ()) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { switch(to, message, None) }
}

/// The naked form without FP control state.
///
/// # Safety
///
/// Those of the trait.
pub(crate) unsafe extern "C" fn switch_naked_no_float(to: Context, message: *mut ()) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { switch(to, message, None) }
}
