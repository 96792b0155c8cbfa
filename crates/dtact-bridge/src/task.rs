//! Futures that say themselves how they want to be spawned: what `#[task]` makes of an `async fn`.
//!
//! # How a fiber learns it
//!
//! Whoever spawns a future knows its type, but not whether that is one of these. So the future says
//! it, when it is polled for the first time: if it is the whole of the fiber that polls it, it lies
//! where that fiber's body does, and is as large. A future that is awaited inside of another is
//! not. (One that is wrapped, with nothing added, is: it is all that the fiber does.)
//!
//! What it says then counts from there on. A fiber that needs a larger stack goes back into the
//! queue and begins on one.

#![allow(
    unsafe_code,
    reason = "pins a field with its struct, and looks where the fiber's future lies"
)]

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

use dtact_arena::CellIndex;
use dtact_mesh::{Affinity, Attributes, Kind as WorkloadKind, Priority};
use dtact_switch::{ContextSwitcher, CrossThreadFloat};

use crate::{
    fiber::{Cell, Header, traits},
    fiber_ref::FiberRef,
    spans,
    spawn_builder::SpawnBuilder,
    sync::Ordering,
    waker,
    worker::context::{self, WorkerContext},
};

/// What a task wants of the fiber that runs it; made by `#[task]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskMetadata {
    name: &'static str,
    stack_bytes: u32,
    attributes: Attributes,
}

impl TaskMetadata {
    /// A name, and the least bytes of stack, or 0.
    ///
    /// # Panics
    ///
    /// If `stack_bytes` is more than 8 MiB; in a constant, when compiled.
    #[must_use]
    pub const fn new(name: &'static str, stack_bytes: usize) -> Self {
        assert!(stack_bytes <= 8 << 20, "a stack has at most 8 MiB");
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 8 MiB")]
        let stack_bytes = stack_bytes as u32;
        Self {
            name,
            stack_bytes,
            attributes: Attributes::new(),
        }
    }

    /// The same with another priority.
    #[must_use]
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.attributes = self.attributes.with_priority(priority);
        self
    }

    /// The same with another affinity.
    #[must_use]
    pub const fn with_affinity(mut self, affinity: Affinity) -> Self {
        self.attributes = self.attributes.with_affinity(affinity);
        self
    }

    /// The same with another kind of work.
    #[must_use]
    pub const fn with_kind(mut self, kind: WorkloadKind) -> Self {
        self.attributes = self.attributes.with_kind(kind);
        self
    }

    /// How urgent it is.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.attributes.priority()
    }

    /// How far it may move.
    #[must_use]
    pub const fn affinity(&self) -> Affinity {
        self.attributes.affinity()
    }

    /// What it mostly does.
    #[must_use]
    pub const fn kind(&self) -> WorkloadKind {
        self.attributes.kind()
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The least bytes of stack, if it asks for any.
    #[must_use]
    pub const fn stack_bytes(&self) -> Option<usize> {
        match self.stack_bytes {
            0 => None,
            bytes => Some(bytes as usize),
        }
    }
}

/// What a function with `#[task]` returns: a future that says how it is to be spawned.
///
/// It carries the name, the stack size, the switcher, the priority, the affinity and the kind of
/// the fiber that it is spawned as, however it is spawned. Awaited inside of another future it is
/// one like any other.
///
/// A name that the fiber has from a [`SpawnBuilder`] stays, and so does a priority, an affinity or
/// a kind other than the default; of two stack sizes the larger counts.
///
/// The fiber says all this when it first runs. Until then it waits like any other, unless its
/// builder says more; one of low priority then lets the others run before it does anything.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{CrossThreadFloat, Runtime, TaskFuture, TaskMetadata, spawn};
///
/// // What `#[task(name = "adder", stack = "64K")]` writes.
/// fn add(a: u32, b: u32) -> TaskFuture<impl Future<Output = u32>> {
///     static METADATA: TaskMetadata = TaskMetadata::new("adder", 65_536);
///     TaskFuture::new(&METADATA, async move { a + b })
/// }
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async { spawn(add(1, 2)).await.map(|sum| sum + 3) })?;
/// assert_eq!(sum + runtime.block_on(add(4, 5)), 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a future does nothing unless it is spawned, awaited or waited for"]
pub struct TaskFuture<F, S = CrossThreadFloat> {
    metadata: &'static TaskMetadata,
    has_begun: bool,
    future: F,
    switcher: PhantomData<fn() -> S>,
}

impl<F: Future, S: ContextSwitcher> TaskFuture<F, S> {
    /// A future with metadata.
    pub const fn new(metadata: &'static TaskMetadata, future: F) -> Self {
        Self {
            metadata,
            has_begun: false,
            future,
            switcher: PhantomData,
        }
    }

    /// What it carries.
    #[must_use]
    pub const fn metadata(&self) -> &'static TaskMetadata {
        self.metadata
    }

    /// Says what it wants, if it is the whole of the fiber that polls it. Returns whether the fiber
    /// has to begin elsewhere.
    #[cold]
    fn begin(&self, cx: &Context<'_>) -> bool {
        let Some(context) = context::current() else {
            return false;
        };
        let own = context
            .fiber
            .get()
            .filter(|fiber| waker::is_of(cx.waker(), *fiber));
        let Some(fiber) = own else { return false };
        let Some(cell) = context.shared.cell(fiber.cell_raw()) else {
            return false;
        };
        let vtable = cell.header().vtable.get().expect("set by spawn");
        // SAFETY: the fiber's code runs, so its body holds its future.
        let place = unsafe { vtable.place_of_future(cell) };
        let is_whole = vtable.size == size_of::<Self>() && place == ptr::from_ref(self).cast();
        is_whole && self.apply(context, fiber, cell)
    }

    fn apply(&self, context: &WorkerContext, fiber: FiberRef, cell: Cell) -> bool {
        let header = cell.header();
        let index = CellIndex::from_raw(fiber.cell_raw()).expect("a fiber's cell");
        let mut all = header.traits() | SpawnBuilder::<S>::TRAITS;
        if all & traits::NAMED == 0 {
            // The bit is set after the name, and the name once.
            context
                .shared
                .extras
                .get_or_make(index)
                .set_name(self.metadata.name);
            spans::rename(&context.shared, fiber.cell_raw(), self.metadata.name);
            all |= traits::NAMED;
        }
        if all & traits::PINNED != 0 {
            let home = context.worker.id().raw() + 1;
            header.home.store(home, Ordering::Relaxed);
        }
        let floor = self.metadata.stack_bytes;
        if floor > header.floor() {
            header.set_floor(floor);
            all |= traits::FLOOR;
        }
        header.set_traits(all);
        let is_less_urgent = self.ask(context, header);
        is_less_urgent || floor as usize > context.stack_bytes()
    }
}

impl<F: Future, S: ContextSwitcher> TaskFuture<F, S> {
    /// Asks the mesh for what the fiber has not asked for itself. Returns whether it is less urgent
    /// now than it was.
    fn ask(&self, context: &WorkerContext, header: &Header) -> bool {
        let (mut asked, wanted) = (header.attributes(), &self.metadata.attributes);
        let before = asked.priority();
        if before == Priority::Normal {
            asked = asked.with_priority(wanted.priority());
        }
        if asked.kind() == WorkloadKind::Compute {
            asked = asked.with_kind(wanted.kind());
        }
        if asked.affinity() == Affinity::Any {
            asked = asked.with_affinity(wanted.affinity());
            if asked.affinity() != Affinity::Any {
                asked = asked.with_home(Some(context.worker.id()));
            }
        }
        if asked != header.attributes() {
            context.shared.set_attributes(header, asked);
        }
        asked.priority() < before
    }
}

impl<F: Future, S: ContextSwitcher> Future for TaskFuture<F, S> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with this, and never moved out; the rest does not care.
        let this = unsafe { self.get_unchecked_mut() };
        if !this.has_begun {
            this.has_begun = true;
            if this.begin(cx) {
                // A wake, not a yield: a lone yield would go on where it stands.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        // SAFETY: as above.
        unsafe { Pin::new_unchecked(&mut this.future) }.poll(cx)
    }
}

impl<F, S> fmt::Debug for TaskFuture<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskFuture")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
