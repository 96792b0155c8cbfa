//! Building a fiber in a cell, and handing it to the mesh.

#![allow(unsafe_code, reason = "writes futures into cells")]

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use dtact_arena::{ArenaError, CellClass, CellIndex, SizeClass};

use crate::{
    block_on,
    error::{SpawnError, TrySpawnError},
    fiber::{
        Cell,
        body::{self, VTable},
    },
    fiber_ref::FiberRef,
    join::JoinHandle,
    runtime::{Runtime, Shared, shared::task_of, stack_size::IntoStackSize},
    sync::Ordering,
    worker::context,
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
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    JoinHandle::or_failed(try_spawn(future))
}

/// As [`spawn`], but gives the future back where it cannot be spawned.
///
/// # Errors
///
/// Why it could not be spawned, and the future.
pub fn try_spawn<F>(future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match at_hand() {
        Some(shared) => future_on(shared, future),
        None => match Runtime::global() {
            Ok(runtime) => runtime.try_spawn(future),
            Err(_) => Err(TrySpawnError {
                error: SpawnError::NoRuntime,
                rejected: future,
            }),
        },
    }
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
pub fn spawn_with_stack<F, T>(size: impl IntoStackSize, closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let spawned = match at_hand() {
        Some(shared) => closure_on(shared, size, closure),
        None => match Runtime::global() {
            Ok(runtime) => runtime.try_spawn_with_stack(size, closure),
            Err(_) => Err(TrySpawnError {
                error: SpawnError::NoRuntime,
                rejected: closure,
            }),
        },
    };
    JoinHandle::or_failed(spawned)
}

/// The runtime that `spawn` means here, other than the global one.
#[inline]
fn at_hand<'frame>() -> Option<&'frame Shared> {
    context::current()
        .map(|context| &*context.shared)
        .or_else(block_on::entered)
}

/// Where a fiber goes, and on what.
#[derive(Clone, Copy)]
struct Plan {
    class: CellClass,
    vtable: &'static VTable,
    /// For a closure fiber, the least bytes of stack.
    floor: Option<u32>,
}

pub(crate) fn future_on<F>(
    shared: &Shared,
    future: F,
) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    place_or_box(shared, future, None).map(JoinHandle::new)
}

pub(crate) fn closure_on<F, T>(
    shared: &Shared,
    size: impl IntoStackSize,
    closure: F,
) -> Result<JoinHandle<T>, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let bytes_max = SizeClass::LARGEST.bytes();
    let bytes = match size.into_stack_size() {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = SpawnError::BadStackSize(error);
            return Err(TrySpawnError {
                error,
                rejected: closure,
            });
        }
    };
    let floor = match u32::try_from(bytes) {
        Ok(floor) if bytes <= bytes_max => floor,
        _ => {
            let error = SpawnError::StackTooLarge { bytes, bytes_max };
            return Err(TrySpawnError {
                error,
                rejected: closure,
            });
        }
    };
    place_or_box(shared, ClosureFuture(Some(closure)), Some(floor))
        .map(JoinHandle::new)
        .map_err(|TrySpawnError { error, rejected }| {
            let closure = rejected.0.expect("it has not been polled");
            TrySpawnError {
                error,
                rejected: closure,
            }
        })
}

#[inline]
fn place_or_box<F>(
    shared: &Shared,
    future: F,
    floor: Option<u32>,
) -> Result<FiberRef, TrySpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if let Some(class) = const { body::class_of::<F>() } {
        let plan = Plan {
            class,
            vtable: body::vtable_of::<F>(),
            floor,
        };
        return place(shared, plan, future);
    }
    let class = const { body::class_of::<Escaped<F>>() };
    let class = class.expect("two pointers fit into every cell");
    let plan = Plan {
        class,
        vtable: body::vtable_of_escaped::<F>(),
        floor,
    };
    match place(shared, plan, Escaped(Box::pin(future))) {
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
fn place<F: Future>(shared: &Shared, plan: Plan, future: F) -> Result<FiberRef, TrySpawnError<F>> {
    let refused = |error, rejected| Err(TrySpawnError { error, rejected });
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
    let generation = fill(cell, plan, future, shared.generation_min);
    match context {
        Some(context) => {
            context.counters().spawned();
            context.worker.push(task_of(index));
        }
        None => {
            shared.outside_counters().spawned_outside();
            shared.mesh.inject(task_of(index));
        }
    }
    drop(spawning);
    Ok(FiberRef::new(shared.number(), index, generation))
}

#[cold]
fn refusal(shared: &Shared, _error: &ArenaError) -> SpawnError {
    SpawnError::Exhausted {
        capacity: shared.cells.capacity_per_class(),
    }
}

/// Makes a free cell a fiber. Returns its generation.
#[inline]
fn fill<F: Future>(cell: Cell, plan: Plan, future: F, generation_min: u32) -> u32 {
    let header = cell.header();
    header.vtable.set(Some(plan.vtable));
    header.home.store(0, Ordering::Relaxed);
    header.is_closure.set(plan.floor.is_some());
    header.floor.set(plan.floor.unwrap_or(0));
    // SAFETY: the cell was just taken from the pool, and is of the class that the future needs.
    unsafe { body::write_future(cell, future) };
    header.state.begin(generation_min)
}

/// A closure as a future: its one poll runs it to the end.
struct ClosureFuture<F>(Option<F>);

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
pub(crate) struct Escaped<F>(Pin<Box<F>>);

impl<F: Future> Future for Escaped<F> {
    type Output = Box<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Box::new)
    }
}
