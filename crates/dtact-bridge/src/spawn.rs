//! Building a fiber in a cell, and handing it to the mesh.

#![allow(unsafe_code, reason = "writes futures into cells")]

use core::{
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use dtact_arena::{ArenaError, CellClass, CellIndex, SizeClass};
use dtact_mesh::{Affinity, Attributes, WorkerId};

use crate::{
    block_on,
    error::{ParseStackSizeError, SpawnError, TrySpawnError},
    fiber::{
        body::{self, VTable},
        state::Owner,
        traits,
    },
    fiber_ref::FiberRef,
    foreign::Handle,
    join::JoinHandle,
    room,
    runtime::{Runtime, Shared, metrics::Counts, shared::task_of, stack_size::IntoStackSize},
    scope::ScopeState,
    spans::{self, About},
    sync::{Arc, Ordering},
    worker::context::{self, WorkerContext},
};

/// Spawns a fiber that runs a future, on the runtime at hand.
///
/// That is the runtime of the fiber which calls this, else that of the
/// [`block_on`](crate::Runtime::block_on) around it, else the
/// [global one](crate::Runtime::global).
///
/// The fiber begins at once, whether its handle is awaited or not. Where it cannot be spawned, the
/// handle says so: [`JoinError::NotSpawned`](crate::JoinError::NotSpawned).
///
/// While all cells of the size that it needs are taken, this waits for one to be freed, for as long
/// as [`Builder::spawn_timeout`](crate::Builder::spawn_timeout) says. In a fiber that is a
/// [`wait`](crate::wait()), elsewhere the thread sleeps. A fiber that has ended keeps its cell
/// until its handle is awaited or dropped. [`try_spawn`] does not wait.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let handles: Vec<_> = (1..=10).map(|n| spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for handle in handles {
///         sum += handle.await.expect("no fiber panics");
///     }
///     sum
/// });
/// assert_eq!(sum, 385);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
/// What is not `Send` stays on its thread: the compiler refuses to spawn it.
///
/// ```compile_fail,E0277
/// dtact_bridge::spawn(async {
///     let shared = std::rc::Rc::new(1);
///     dtact_bridge::yield_now().await;
///     drop(shared);
/// });
/// ```
///
/// ```compile_fail,E0277
/// dtact_bridge::spawn(async { std::rc::Rc::new(1) });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let options = Options::new(Location::caller());
    room::spawn_when_there_is(future, room::timeout_at_hand, |future| {
        on_runtime_at_hand(future, |shared, future| future_on(shared, options, future))
    })
}

/// As [`spawn`], but waits for nothing, and gives the future back where it cannot be spawned.
///
/// # Errors
///
/// Why it could not be spawned, and the future.
#[track_caller]
pub fn try_spawn<F>(future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let options = Options::new(Location::caller());
    on_runtime_at_hand(future, |shared, future| future_on(shared, options, future))
}

/// Spawns a fiber that runs a closure on a stack of at least `size`, on the runtime at hand (see
/// [`spawn`]). Any function that the closure calls, however deep, can [`wait`](crate::wait()).
///
/// `size` is a number of bytes or a text such as `"256K"`. It is a floor: where the workers'
/// own stacks are larger, the fiber runs on one of those.
///
/// With stackful suspension, a closure fiber begins where a stack is free to be kept; while all
/// are out ([`Builder::stacks`](crate::Builder::stacks)) it waits for one.
///
/// Where it cannot be spawned, or `size` is not a size, the handle says so.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, spawn_with_stack, yield_now, wait};
///
/// let runtime = Runtime::new()?;
/// let answer = runtime.block_on(async {
///     spawn_with_stack("128K", || {
///         wait(yield_now());
///         42
///     })
///     .await
/// });
/// assert_eq!(answer?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn spawn_with_stack<F, T>(size: impl IntoStackSize, closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let options = Options::new(Location::caller()).floor(size.into_stack_size());
    room::spawn_when_there_is(closure, room::timeout_at_hand, |closure| {
        on_runtime_at_hand(closure, |shared, closure| {
            closure_on(shared, options, closure)
        })
    })
}

/// Spawns a fiber that runs a future which need not be `Send`, on the worker that calls this: the
/// fiber stays there to its end.
///
/// Its handle can be sent to other threads if what it returns can. Where this is called by
/// a thread that is no worker, as within `block_on` or [`blocking`](crate::blocking()), the handle
/// says so: [`SpawnError::NotOnWorker`].
///
/// While its worker is blocked, it waits: its future cannot follow to another thread.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// use dtact_bridge::{Runtime, spawn_local, yield_now};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.spawn(async {
///     spawn_local(async {
///         let sum = Rc::new(Cell::new(0));
///         let other = Rc::clone(&sum);
///         let adder = spawn_local(async move {
///             yield_now().await;
///             other.set(other.get() + 1);
///         });
///         adder.await.expect("it does not panic");
///         sum.get()
///     })
///     .await
/// });
/// assert_eq!(sum.wait()??, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What it returns need not be `Send` either; then its handle is not:
///
/// ```compile_fail,E0277
/// let handle = dtact_bridge::spawn_local(async { std::rc::Rc::new(1) });
/// std::thread::spawn(move || drop(handle));
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let options = Options::new(Location::caller());
    room::spawn_when_there_is(future, room::timeout_at_hand, |future| {
        local_at_hand(options, future)
    })
}

/// As [`spawn_local`], but gives the future back where it cannot be spawned.
///
/// # Errors
///
/// Why it could not be spawned, and the future.
#[track_caller]
pub fn try_spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    local_at_hand(Options::new(Location::caller()), future)
}

/// The runtime that `spawn` means here, other than the global one.
#[inline]
pub(crate) fn at_hand<'frame>() -> Option<&'frame Shared> {
    context::current()
        .map(|context| &*context.shared)
        .or_else(block_on::entered)
}

/// The number of the runtime that `spawn` means here, which is started if need be.
pub(crate) fn runtime_at_hand() -> Option<u8> {
    match at_hand() {
        Some(shared) => Some(shared.number()),
        None => Some(Runtime::global().ok()?.shared().number()),
    }
}

/// Calls `spawn` with the runtime at hand.
#[inline]
pub(crate) fn on_runtime_at_hand<W, T>(
    what: W,
    spawn: impl FnOnce(&Shared, W) -> Result<JoinHandle<T>, TrySpawnError<W>>,
) -> Result<JoinHandle<T>, TrySpawnError<W>> {
    match at_hand() {
        Some(shared) => spawn(shared, what),
        None => match Runtime::global() {
            Ok(runtime) => spawn(runtime.shared(), what),
            Err(_) => Err(TrySpawnError {
                error: SpawnError::NoRuntime,
                rejected: what,
            }),
        },
    }
}

/// The same for fibers that are given out by name; that of none where it fails.
pub(crate) fn by_name_at_hand<W>(
    what: W,
    spawn: impl FnOnce(&Shared, W) -> Result<FiberRef, TrySpawnError<W>>,
) -> Handle {
    let spawned = match at_hand() {
        Some(shared) => spawn(shared, what).ok(),
        None => Runtime::global()
            .ok()
            .and_then(|runtime| spawn(runtime.shared(), what).ok()),
    };
    spawned.map_or(Handle::NONE, Handle::new)
}

/// How a fiber is to be spawned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'scope> {
    location: &'static Location<'static>,
    name: Option<&'static str>,
    floor: Option<Result<usize, ParseStackSizeError>>,
    /// Bits of `traits`, but for those that the fields here stand for.
    traits: u8,
    attributes: Attributes,
    scope: Option<&'scope Arc<ScopeState>>,
}

impl<'scope> Options<'scope> {
    #[inline]
    pub(crate) const fn new(location: &'static Location<'static>) -> Self {
        Self {
            location,
            name: None,
            floor: None,
            traits: 0,
            attributes: Attributes::new(),
            scope: None,
        }
    }

    /// The least size of the stack, if that was a size.
    #[inline]
    pub(crate) const fn floor(mut self, floor: Result<usize, ParseStackSizeError>) -> Self {
        self.floor = Some(floor);
        self
    }

    pub(crate) const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    #[inline]
    pub(crate) const fn with(mut self, traits: u8) -> Self {
        self.traits |= traits;
        self
    }

    pub(crate) const fn without(mut self, traits: u8) -> Self {
        self.traits &= !traits;
        self
    }

    /// What it asks of the mesh; its home is found when it is spawned.
    pub(crate) const fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    pub(crate) const fn asked(&self) -> Attributes {
        self.attributes
    }

    pub(crate) const fn scope(mut self, scope: &'scope Arc<ScopeState>) -> Self {
        self.scope = Some(scope);
        self
    }

    /// The floor as the header has it: 0 for none.
    #[inline]
    fn floor_bytes(&self) -> Result<u32, SpawnError> {
        let bytes = match self.floor {
            None => return Ok(0),
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return Err(SpawnError::BadStackSize(error)),
        };
        let bytes_max = SizeClass::LARGEST.bytes();
        match u32::try_from(bytes) {
            Ok(floor) if bytes <= bytes_max => Ok(floor),
            _ => Err(SpawnError::StackTooLarge { bytes, bytes_max }),
        }
    }
}

#[inline]
pub(crate) fn future_on<F>(
    shared: &Shared,
    options: Options<'_>,
    future: F,
) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    future_anywhere(shared, options.with(shared.traits_of_all), future)
}

/// The same for a fiber of the runtime's own, which moves even where no others do.
#[inline]
pub(crate) fn future_anywhere<F>(
    shared: &Shared,
    options: Options<'_>,
    future: F,
) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    place_or_box::<_, ForHandle>(shared, options, future).map(JoinHandle::new)
}

/// Spawns a future that need not be `Send`, on the worker that calls this.
pub(crate) fn local_at_hand<F>(
    options: Options<'_>,
    future: F,
) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let Some(context) = context::current() else {
        return Err(TrySpawnError {
            error: SpawnError::NotOnWorker,
            rejected: future,
        });
    };
    let options = options.with(traits::PINNED | traits::LOCAL);
    place_or_box::<_, ForHandle>(&context.shared, options, future).map(JoinHandle::new)
}

pub(crate) fn closure_on<F, T>(
    shared: &Shared,
    options: Options<'_>,
    closure: F,
) -> Result<JoinHandle<T>, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    place_closure(shared, options, closure)
}

fn place_closure<F: FnOnce() -> T, T>(
    shared: &Shared,
    options: Options<'_>,
    closure: F,
) -> Result<JoinHandle<T>, TrySpawnError<F>> {
    place_or_box::<_, ForHandle>(
        shared,
        options.with(traits::CLOSURE | shared.traits_of_all),
        ClosureFuture::new(closure),
    )
    .map(JoinHandle::new)
    .map_err(|TrySpawnError { error, rejected }| TrySpawnError {
        error,
        rejected: rejected.into_inner(),
    })
}

/// As [`future_on`], for a future that borrows.
///
/// # Safety
///
/// - What the future and its output borrow outlives the fiber: the caller waits until its scope
///   has counted it out.
pub(crate) unsafe fn scoped_future_on<F>(
    shared: &Shared,
    options: Options<'_>,
    future: F,
) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send,
    F::Output: Send,
{
    place_or_box::<_, ForHandle>(shared, options.with(shared.traits_of_all), future)
        .map(JoinHandle::new)
}

/// As [`closure_on`], for a closure that borrows.
///
/// # Safety
///
/// - As for [`scoped_future_on`].
pub(crate) unsafe fn scoped_closure_on<F, T>(
    shared: &Shared,
    options: Options<'_>,
    closure: F,
) -> Result<JoinHandle<T>, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    place_closure(shared, options, closure)
}

/// The functions for a future, and the class of its cell.
#[derive(Clone, Copy)]
struct Plan {
    class: CellClass,
    vtable: &'static VTable,
    owner: Owner,
}

/// For whom a fiber is spawned, as far as its cell is concerned.
pub(crate) trait For<F: Future> {
    const OWNER: Owner;
    const VTABLE: &'static VTable;
    const VTABLE_ESCAPED: &'static VTable;
}

/// For a [`JoinHandle`].
pub(crate) struct ForHandle;

impl<F: Future> For<F> for ForHandle {
    const OWNER: Owner = Owner::Handle;
    const VTABLE: &'static VTable = body::vtable_of::<F>();
    const VTABLE_ESCAPED: &'static VTable = body::vtable_of_escaped::<F>();
}

#[inline]
pub(crate) fn place_or_box<F: Future, W: For<F>>(
    shared: &Shared,
    options: Options<'_>,
    future: F,
) -> Result<FiberRef, TrySpawnError<F>> {
    if let Some(class) = const { body::class_of::<F>() } {
        let plan = Plan {
            class,
            vtable: W::VTABLE,
            owner: W::OWNER,
        };
        return place(shared, plan, options, future);
    }
    let class = const { body::class_of::<Escaped<F>>() };
    let class = class.expect("two pointers fit into every cell");
    let plan = Plan {
        class,
        vtable: W::VTABLE_ESCAPED,
        owner: W::OWNER,
    };
    match place(shared, plan, options, Escaped(Box::pin(future))) {
        Ok(fiber) => {
            match context::current_of(shared) {
                Some(context) => context.counters().heap_escaped(),
                None => shared.outside_counters().heap_escaped_outside(),
            }
            Ok(fiber)
        }
        Err(refused) => Err(TrySpawnError {
            error: refused.error,
            // SAFETY: it was pinned for the fiber that never came to be, and not polled.
            rejected: *unsafe { Pin::into_inner_unchecked(refused.rejected.0) },
        }),
    }
}

/// Builds the fiber in a cell of the class, and puts it into a queue.
#[inline]
fn place<F: Future>(
    shared: &Shared,
    plan: Plan,
    options: Options<'_>,
    future: F,
) -> Result<FiberRef, TrySpawnError<F>> {
    let refused = |error, rejected| Err(TrySpawnError { error, rejected });
    let floor = match options.floor_bytes() {
        Ok(floor) => floor,
        Err(error) => return refused(error, future),
    };
    let context = context::current_of(shared);
    // A worker's own need not be counted: the fiber that spawns is one that the shutdown waits for.
    let spawning = match context {
        Some(_) => None,
        None => shared.begin_spawning(),
    };
    if shared.is_closing() {
        return refused(SpawnError::ShutDown, future);
    }
    let index = match context {
        Some(context) => context.cells.borrow_mut().take(&shared.cells, plan.class),
        None => shared.cells.take(plan.class),
    };
    let index: CellIndex = match index {
        Ok(index) => index,
        Err(error) => return refused(refusal(shared, &error), future),
    };
    let cell = shared.cell(index.raw()).expect("a cell of this pool");
    let header = cell.header();
    header.vtable.set(Some(plan.vtable));
    header.set_floor(floor);
    header.set_location(options.location);
    let mut traits = options.traits;
    if floor != 0 {
        traits |= traits::FLOOR;
    }
    if options.name.is_some() || options.scope.is_some() {
        traits |= set_extras(shared, index, &options);
    }
    header.set_traits(traits);
    let home = if traits & traits::PINNED == 0 {
        0
    } else {
        1 + home_of(shared, context).raw()
    };
    header.home.store(home, Ordering::Relaxed);
    if options.attributes == Attributes::new() {
        header.set_attributes(Attributes::new());
    } else {
        let attributes = with_home(shared, context, options.attributes);
        shared.set_attributes(header, attributes);
    }
    // SAFETY: the cell was just taken from the pool, and is of the class that the future needs.
    unsafe { body::write_future(cell, future) };
    let begin = || {
        let generation = header.state.begin(shared.generation_min, plan.owner);
        FiberRef::new(shared.number(), index, generation)
    };
    let fiber = if shared.heeds.spawns {
        shared.begin_heeded(context, index, &begin)
    } else {
        begin()
    };
    spans::begin(shared, fiber, || About {
        is_local: traits & traits::LOCAL != 0,
        name: options.name,
        location: options.location,
    });
    match context {
        Some(context) => {
            let counters = context.counters();
            counters.count(options.attributes, Counts::SPAWNED);
            if home == 0 {
                context.worker.push(task_of(index));
            } else {
                context.worker.push_pinned(task_of(index));
            }
        }
        None => {
            shared
                .outside_counters()
                .spawned_outside(options.attributes);
            match home.checked_sub(1) {
                None => shared.mesh.inject(task_of(index)),
                Some(home) => {
                    let home = WorkerId::from_raw(home);
                    shared.mesh.inject_pinned(home, task_of(index));
                }
            }
        }
    }
    drop(spawning);
    Ok(fiber)
}

/// The same, with the worker from which the affinity is measured: the one that spawns, unless that
/// is a spare, which is near to nobody.
#[cold]
fn with_home(
    shared: &Shared,
    context: Option<&WorkerContext>,
    attributes: Attributes,
) -> Attributes {
    if attributes.affinity() == Affinity::Any {
        return attributes;
    }
    let own = context.map(|context| context.worker.id());
    let near = own.filter(|id| id.index() < shared.mesh.config().workers);
    attributes.with_home(Some(near.unwrap_or_else(|| shared.next_home())))
}

/// The worker of a fiber that has one from the start.
#[cold]
fn home_of(shared: &Shared, context: Option<&WorkerContext>) -> WorkerId {
    match context {
        Some(context) => context.worker.id(),
        None => shared.next_home(),
    }
}

/// Notes what few fibers have. Returns the bits that say so.
#[cold]
fn set_extras(shared: &Shared, index: CellIndex, options: &Options<'_>) -> u8 {
    let extra = shared.extras.get_or_make(index);
    let mut traits = 0;
    if let Some(name) = options.name {
        extra.set_name(name);
        traits |= traits::NAMED;
    }
    if let Some(scope) = options.scope {
        // SAFETY: the cell was just taken from the pool.
        unsafe { extra.set_scope(Arc::clone(scope)) };
        traits |= traits::SCOPED;
    }
    traits
}

#[cold]
fn refusal(shared: &Shared, _error: &ArenaError) -> SpawnError {
    SpawnError::Exhausted {
        capacity: shared.cells.capacity_per_class(),
    }
}

/// A closure as a future: its one poll runs it to the end.
pub(crate) struct ClosureFuture<F>(Option<F>);

impl<F> ClosureFuture<F> {
    pub(crate) const fn new(closure: F) -> Self {
        Self(Some(closure))
    }

    /// The closure again, where it has not been polled.
    pub(crate) fn into_inner(self) -> F {
        self.0.expect("it has not been polled")
    }
}

// The closure is moved out before it runs; nothing is ever pinned in here.
impl<F> Unpin for ClosureFuture<F> {}

impl<F: FnOnce() -> T, T> Future for ClosureFuture<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        let closure = self.0.take().expect("polled once: it is never pending");
        Poll::Ready(closure())
    }
}

/// A future too large for a cell, or too strictly aligned, on the heap with its output.
#[repr(transparent)]
pub(crate) struct Escaped<F>(Pin<Box<F>>);

impl<F: Future> Future for Escaped<F> {
    type Output = Box<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Box::new)
    }
}
