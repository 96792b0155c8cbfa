//! All that a worker has, and how code that runs on it finds it.

#![allow(
    unsafe_code,
    reason = "finds the worker of this thread through a pointer"
)]

use core::{
    cell::{Cell, RefCell},
    ops::Deref,
    ptr::{self, NonNull},
};

use dtact_arena::{CellCache, Stack, StackCache};
use dtact_mesh::Worker;
use dtact_switch::Context;

use crate::{
    fiber_ref::FiberRef,
    runtime::{Shared, metrics::Counters, shared::CellLinks},
    sync::{Arc, panicking},
    worker::suspension::Left,
};

/// How many idle stacks a worker keeps for itself, beside its spare.
const STACKS_KEPT: usize = 8;

/// A worker, as the code on its thread sees it. It is made by `thread::main`, stays at one place
/// until that returns, and is used by that thread alone.
pub(crate) struct WorkerContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Worker<CellLinks>,
    /// The fiber whose poll is under way.
    pub(crate) fiber: Cell<Option<FiberRef>>,
    /// That fiber wants to be polled again after the others.
    pub(crate) yielded: Cell<bool>,
    /// How often in a row it was polled again at once, for want of others.
    lone_yields: Cell<u32>,
    /// What runs now may wait, but only by blocking the thread: destructors of a fiber that has
    /// ended, of which nothing may be left suspended.
    is_suspension_off: Cell<bool>,
    pub(crate) cells: RefCell<CellCache>,
    pub(crate) stacks: RefCell<StackCache>,
    /// The stack the loop stands on, its size, and whether that is more than workers need.
    stack: Cell<Option<Stack>>,
    stack_bytes: Cell<usize>,
    is_on_larger: Cell<bool>,
    /// The stack the loop will go on on when a fiber keeps the one above.
    pub(crate) spare: Cell<Option<Stack>>,
    /// What was left by the switch that is under way.
    pub(crate) left: Cell<Left>,
    /// A stack to be given back when the switch under way has left it [bridge.W3].
    pub(crate) left_stack: Cell<Option<Stack>>,
    /// The thread's own stack, suspended in `thread::main`.
    pub(crate) home: Cell<Option<Context>>,
    /// A closure fiber to begin with on the larger stack that the loop has just moved to.
    pub(crate) first: Cell<Option<u32>>,
}

/// How many yields in a row may go on at once.
const LONE_YIELDS_MAX: u32 = 61;

thread_local! {
    // No destructor and no lazy initialiser: reading it is one load.
    static CURRENT: Cell<*const WorkerContext> = const { Cell::new(ptr::null()) };
}

impl WorkerContext {
    pub(crate) fn new(shared: Arc<Shared>, worker: Worker<CellLinks>) -> Self {
        Self {
            shared,
            worker,
            fiber: Cell::new(None),
            yielded: Cell::new(false),
            lone_yields: Cell::new(0),
            is_suspension_off: Cell::new(false),
            cells: RefCell::new(CellCache::new()),
            stacks: RefCell::new(StackCache::new(STACKS_KEPT)),
            stack: Cell::new(None),
            stack_bytes: Cell::new(0),
            is_on_larger: Cell::new(false),
            spare: Cell::new(None),
            left: Cell::new(Left::Nothing),
            left_stack: Cell::new(None),
            home: Cell::new(None),
            first: Cell::new(None),
        }
    }

    /// This worker's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters[self.worker.id().index()]
    }

    /// Notes which stack the loop will stand on, and returns the one it has stood on.
    #[inline]
    pub(crate) fn replace_stack(&self, stack: Option<Stack>) -> Option<Stack> {
        self.stack_bytes
            .set(stack.as_ref().map_or(0, |stack| stack.class().bytes()));
        self.stack.replace(stack)
    }

    /// How large the stack is that the loop stands on: the least bytes of its class.
    #[inline]
    pub(crate) fn stack_bytes(&self) -> usize {
        self.stack_bytes.get()
    }

    /// Whether the loop stands on a larger stack than workers need, taken for one fiber.
    #[inline]
    pub(crate) fn is_on_larger(&self) -> bool {
        self.is_on_larger.get()
    }

    /// Whether a fiber that yields may go on at once: nothing else is to be run here. Now and
    /// then it may not all the same, so that this worker looks what waits elsewhere.
    #[inline]
    pub(crate) fn may_go_on(&self) -> bool {
        let count = self.lone_yields.get();
        if count < LONE_YIELDS_MAX && self.worker.is_lone() && !self.worker.is_surplus() {
            self.lone_yields.set(count + 1);
            return true;
        }
        self.lone_yields.set(0);
        false
    }

    /// Whether the fiber whose code runs now can be suspended with frames on the stack.
    #[inline]
    pub(crate) fn can_suspend(&self) -> bool {
        // While the thread panics the standard library counts that for the thread, not for the
        // fiber: others must not run on it.
        self.shared.is_stackful && !self.is_suspension_off.get() && !panicking()
    }

    /// Runs destructors of a fiber that has ended. They are that fiber's code, and may wait, but
    /// not be suspended.
    #[cold]
    pub(crate) fn without_suspension(&self, fiber: FiberRef, body: impl FnOnce()) {
        self.fiber.set(Some(fiber));
        self.is_suspension_off.set(true);
        // None of them unwinds: their panics end at the fiber's root.
        body();
        self.is_suspension_off.set(false);
        self.fiber.set(None);
    }

    /// Whether suspension is off because of the above.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_suspension_off.get()
    }

    /// Makes this the worker of the thread.
    pub(crate) fn be_current(&self) {
        CURRENT.set(self);
    }

    /// Runs `body` while this is the worker of the thread.
    pub(crate) fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        self.be_current();
        let result = body();
        CURRENT.set(ptr::null());
        result
    }
}

/// The worker of this thread, as the frames name it that may be abandoned [bridge.W1].
///
/// An argument that is a reference has to stay valid until its function returns, which an abandoned
/// one never does; the worker ends before. So they are passed this.
#[derive(Clone, Copy)]
pub(crate) struct Here(NonNull<WorkerContext>);

impl Here {
    /// # Safety
    ///
    /// The context is that of this thread's worker: its frames end before it does, or are
    /// abandoned.
    #[inline]
    pub(crate) unsafe fn new(context: &WorkerContext) -> Self {
        Self(NonNull::from(context))
    }
}

impl Deref for Here {
    type Target = WorkerContext;

    #[inline]
    fn deref(&self) -> &WorkerContext {
        // SAFETY: a frame of its thread asks (`new`), so it is there.
        unsafe { self.0.as_ref() }
    }
}

/// The worker of this thread, if it has one.
///
/// The reference is good for as long as the calling frame: frames that run on a worker's thread
/// end before `thread::main` returns, or are abandoned.
#[inline]
pub(crate) fn current<'frame>() -> Option<&'frame WorkerContext> {
    // SAFETY: set by `enter` to a value that outlives it, and cleared before `enter` returns.
    unsafe { CURRENT.get().as_ref() }
}

/// The worker of this thread, if it is one of this runtime.
#[inline]
pub(crate) fn current_of<'frame>(shared: &Shared) -> Option<&'frame WorkerContext> {
    current().filter(|context| ptr::eq(&raw const *context.shared, shared))
}

/// Whether this thread is a worker of this runtime.
pub(crate) fn is_worker_of(shared: &Shared) -> bool {
    current_of(shared).is_some()
}
