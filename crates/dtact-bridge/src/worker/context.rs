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

use dtact_arena::{CellCache, Stack, StackCache, overflow};
use dtact_mesh::Worker;
use dtact_switch::Context;

use crate::{
    budget::Budget,
    fiber_ref::FiberRef,
    runtime::{Shared, metrics::Counters, shared::CellLinks},
    sync::{Arc, panicking},
    time::timers::Timers,
    worker::{
        running::RunningFiber,
        suspension::{Left, Suspension},
        thread_locals::ThreadLocals,
    },
};

/// How many idle stacks a worker keeps for itself, beside its spare.
const STACKS_KEPT: usize = 8;

/// A worker, as the code on its thread sees it. It is made by `thread::main`, stays at one place
/// until that returns, and is used by that thread alone.
pub(crate) struct WorkerContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Worker<CellLinks>,
    counters: Arc<Counters>,
    /// The fiber whose poll is under way.
    pub(crate) fiber: RunningFiber,
    /// That fiber wants to be polled again after the others.
    pub(crate) yielded: Cell<bool>,
    /// How much it may take before the others get their turn.
    pub(crate) budget: Budget,
    /// How often in a row it was polled again at once, for want of others.
    lone_yields: Cell<u32>,
    /// How many reasons there are that what runs now may wait only by blocking the thread.
    no_suspend: Cell<u32>,
    /// One of them: these are destructors of a fiber that has ended, of which nothing may be left
    /// suspended.
    is_ending: Cell<bool>,
    /// What sleeps on this worker.
    pub(crate) timers: Timers,
    pub(crate) cells: RefCell<CellCache>,
    pub(crate) stacks: RefCell<StackCache>,
    /// The stack the loop stands on, its size, and whether that is more than workers need.
    stack: Cell<Option<Stack>>,
    stack_bytes: Cell<usize>,
    /// Its lowest byte, and one past its highest.
    stack_range: Cell<(usize, usize)>,
    is_on_larger: Cell<bool>,
    /// The stack the loop will go on on when a fiber keeps the one above.
    pub(crate) spare: Cell<Option<Stack>>,
    /// What was left by the switch that is under way.
    pub(crate) left: Cell<Left>,
    /// A stack to be given back when the switch under way has left it [bridge.W3].
    pub(crate) left_stack: Cell<Option<Stack>>,
    /// The thread's own stack, suspended in `thread::main`.
    pub(crate) home: Cell<Option<Context>>,
    /// A fiber to begin with on the stack that the loop has just moved to.
    pub(crate) first: Cell<Option<u32>>,
    /// The stack to go back to before the loop goes on [bridge.W4].
    pub(crate) lender: Cell<Option<NonNull<Suspension>>>,
    thread_locals: ThreadLocals,
}

/// How many yields in a row may go on at once.
const LONE_YIELDS_MAX: u32 = 61;

thread_local! {
    // No destructor and no lazy initialiser: reading it is one load.
    static CURRENT: Cell<*const WorkerContext> = const { Cell::new(ptr::null()) };
    /// The worker of this thread, while it runs code in `blocking`.
    static BLOCKED: Cell<*const WorkerContext> = const { Cell::new(ptr::null()) };
}

impl WorkerContext {
    /// For the thread that calls this.
    pub(crate) fn new(shared: Arc<Shared>, worker: Worker<CellLinks>) -> Self {
        Self {
            counters: Arc::clone(shared.counters.of(worker.id())),
            shared,
            worker,
            fiber: RunningFiber::new(),
            yielded: Cell::new(false),
            budget: Budget::new(),
            lone_yields: Cell::new(0),
            no_suspend: Cell::new(0),
            is_ending: Cell::new(false),
            timers: Timers::new(),
            cells: RefCell::new(CellCache::new()),
            stacks: RefCell::new(StackCache::new(STACKS_KEPT)),
            stack: Cell::new(None),
            stack_bytes: Cell::new(0),
            stack_range: Cell::new((0, 0)),
            is_on_larger: Cell::new(false),
            spare: Cell::new(None),
            left: Cell::new(Left::Nothing),
            left_stack: Cell::new(None),
            home: Cell::new(None),
            first: Cell::new(None),
            lender: Cell::new(None),
            thread_locals: ThreadLocals::of_this_thread(),
        }
    }

    /// This worker's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Notes which stack the loop will stand on, and returns the one it has stood on.
    #[inline]
    pub(crate) fn replace_stack(&self, stack: Option<Stack>) -> Option<Stack> {
        let bytes = stack.as_ref().map_or(0, |stack| stack.class().bytes());
        self.stack_bytes.set(bytes);
        self.is_on_larger
            .set(bytes > self.shared.stacks.default_bytes());
        self.stack_range.set(stack.as_ref().map_or((0, 0), |stack| {
            (stack.bottom().addr().get(), stack.top().addr().get())
        }));
        self.stack.replace(stack)
    }

    /// Whether a thread-local of this thread points into the stack on which the caller runs.
    #[inline]
    pub(crate) fn is_stack_pointed_into(&self) -> bool {
        let (bottom, top) = self.stack_range.get();
        self.thread_locals.point_into(bottom, top)
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
        self.shared.is_stackful && self.no_suspend.get() == 0 && !panicking()
    }

    /// Runs destructors of a fiber that has ended. They are that fiber's code, and may wait, but
    /// not be suspended.
    #[cold]
    pub(crate) fn without_suspension(&self, fiber: FiberRef, body: impl FnOnce()) {
        self.fiber.set(Some(fiber));
        self.is_ending.set(true);
        // None of them unwinds: their panics end at the fiber's root.
        self.in_no_suspend(body);
        self.is_ending.set(false);
        self.fiber.set(None);
    }

    /// Whether suspension is off because of the above.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.get()
    }

    /// Runs code that may wait only by blocking the thread.
    pub(crate) fn in_no_suspend<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Leave<'worker>(&'worker Cell<u32>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.no_suspend.set(self.no_suspend.get() + 1);
        let _leave = Leave(&self.no_suspend);
        body()
    }

    /// Makes this the worker of the thread.
    pub(crate) fn be_current(&self) {
        CURRENT.set(self);
    }

    /// Runs `body`, which does not unwind, while this is the worker of the thread.
    pub(crate) fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        self.be_current();
        // SAFETY: it is taken back below, before `self` can move or go.
        unsafe { overflow::set_occupant(Some(self.fiber.occupant())) };
        let result = body();
        // SAFETY: nobody needs to stay anywhere.
        unsafe { overflow::set_occupant(None) };
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

/// The worker of this thread, also while it is blocked: for what concerns its fiber alone.
pub(crate) fn current_or_blocked<'frame>() -> Option<&'frame WorkerContext> {
    current().or_else(|| {
        // SAFETY: set by `outside` to a value that outlives it, and cleared before it returns.
        unsafe { BLOCKED.get().as_ref() }
    })
}

/// Runs `body` as if this thread were no worker.
pub(crate) fn outside<R>(context: &WorkerContext, body: impl FnOnce() -> R) -> R {
    struct Restore(*const WorkerContext);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
            BLOCKED.set(ptr::null());
        }
    }
    BLOCKED.set(context);
    let _restore = Restore(CURRENT.replace(ptr::null()));
    body()
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
