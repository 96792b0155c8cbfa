//! Spawning with more said than what to run.

use core::{fmt, future::Future, marker::PhantomData, panic::Location};

use dtact_mesh::{Affinity, Kind as WorkloadKind, Mode as TopologyMode, Priority};
use dtact_switch::{ContextSwitcher, CrossThreadFloat};

use crate::{
    error::TrySpawnError,
    fiber::traits,
    join::JoinHandle,
    room,
    runtime::{Runtime, stack_size::IntoStackSize},
    spawn::{self, Options},
};

/// How a fiber is to be spawned: a name, the size of its stack, its switcher, how urgent it is,
/// how far it may move, what it does.
///
/// `S` says two things of the fiber:
///
/// | `S` | it may go on on another worker | floating-point control state |
/// | --- | --- | --- |
/// | [`CrossThreadFloat`] | yes | its own |
/// | [`CrossThreadNoFloat`](crate::CrossThreadNoFloat) | yes | its worker's |
/// | [`SameThreadFloat`](crate::SameThreadFloat) | no: it stays on the worker that spawns it, or on one that is chosen for it | its own |
/// | [`SameThreadNoFloat`](crate::SameThreadNoFloat) | no | its worker's |
///
/// With its own control state (rounding mode, exception masks), a fiber that is suspended in
/// [`wait`](crate::wait()) finds it as it was, and its worker goes on with the usual one. With its
/// worker's, a suspension saves some nanoseconds, and the fiber has to leave that state as it is:
/// what it changes, the fibers after it on the same worker see. Neither matters for a fiber that
/// only ever awaits.
///
/// While its worker is blocked, a fiber that stays there waits.
///
/// # Examples
///
/// ```
/// use dtact_bridge::{Runtime, SameThreadNoFloat, spawn_with};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let named = spawn_with().name("adder").spawn(async { 1 + 2 });
///     let pinned = spawn_with().switcher::<SameThreadNoFloat>().stack("64K").spawn_fn(|| 4);
///     named.await.expect("it does not panic") + pinned.await.expect("nor does that")
/// });
/// assert_eq!(sum, 7);
/// # Ok::<(), dtact_bridge::BuildError>(())
/// ```
#[must_use = "a builder spawns nothing until `spawn`"]
pub struct SpawnBuilder<S = CrossThreadFloat> {
    options: Options<'static>,
    switcher: PhantomData<fn() -> S>,
}

/// A builder with the defaults of [`spawn`](crate::spawn()): see [`SpawnBuilder`].
#[track_caller]
pub const fn spawn_with() -> SpawnBuilder {
    SpawnBuilder::new()
}

impl<S> Clone for SpawnBuilder<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SpawnBuilder<S> {}

impl<S> fmt::Debug for SpawnBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpawnBuilder").field(&self.options).finish()
    }
}

impl<S: ContextSwitcher> Default for SpawnBuilder<S> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S: ContextSwitcher> SpawnBuilder<S> {
    /// What the switcher asks for.
    pub(crate) const TRAITS: u8 = (if S::CROSS_THREAD { 0 } else { traits::PINNED })
        | (if S::SAVES_FLOAT { 0 } else { traits::NO_FLOAT });

    /// The defaults: no name, a stack of the workers' own size, normal priority, any worker. The
    /// place of this call is where the fiber counts as spawned.
    #[track_caller]
    pub const fn new() -> Self {
        Self {
            options: Options::new(Location::caller()),
            switcher: PhantomData,
        }
    }

    /// A name, to be shown by [`Runtime::dump`](crate::Runtime::dump). Several fibers may have the
    /// same.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.options = self.options.name(name);
        self
    }

    /// The least size of the stack that the fiber runs on: bytes, or a text such as `"256K"`; at
    /// most 8 MiB. Where the workers' own stacks are smaller, the fiber gets a larger one for as
    /// long as it runs.
    ///
    /// If it is no size, the spawn fails, and says so.
    pub fn stack(mut self, size: impl IntoStackSize) -> Self {
        self.options = self.options.floor(size.into_stack_size());
        self
    }

    /// How urgent the fiber is. A worker runs more urgent ones first; the others get their turn
    /// after a bounded number of them.
    pub const fn priority(mut self, priority: Priority) -> Self {
        let asked = self.options.asked().with_priority(priority);
        self.options = self.options.attributes(asked);
        self
    }

    /// How far the fiber may move from the worker that spawns it, or, spawned by another thread,
    /// from one that is chosen for it in turn.
    ///
    /// Which workers are near to each other is known where they are bound to CPUs; else all count
    /// as sharing a cache, each on a core of its own. While the thread of its worker is blocked the
    /// fiber goes anywhere, rather than wait.
    pub const fn affinity(mut self, affinity: Affinity) -> Self {
        let asked = self.options.asked().with_affinity(affinity);
        self.options = self.options.attributes(asked);
        self
    }

    /// What the fiber mostly does: whether a worker that has too many passes it on, and how long a
    /// worker that has run it looks for more before it sleeps.
    pub const fn kind(mut self, kind: WorkloadKind) -> Self {
        let asked = self.options.asked().with_kind(kind);
        self.options = self.options.attributes(asked);
        self
    }

    /// Keeps the fiber on the worker that spawns it, or on one that is chosen for it in turn, from
    /// its first step to its last. It waits while that worker's thread is blocked.
    pub const fn pinned(mut self) -> Self {
        self.options = self.options.with(traits::PINNED);
        self
    }

    /// How the fiber gets from worker to worker, in a runtime that lets fibers move
    /// ([`Builder::topology_mode`](crate::Builder::topology_mode)). Of several calls the last one
    /// counts.
    ///
    /// | mode | the fiber |
    /// | --- | --- |
    /// | `P2PMesh` | goes as its runtime has it |
    /// | `Global` | is queued for whichever worker comes first, whenever it is ready; its affinity does not count |
    /// | `Pinned` | stays where it was spawned: [`pinned`](Self::pinned) |
    pub const fn topology_mode(mut self, mode: TopologyMode) -> Self {
        let is_shared = matches!(mode, TopologyMode::Global);
        let asked = self.options.asked().with_shared_queue(is_shared);
        self.options = self.options.without(traits::PINNED).attributes(asked);
        match mode {
            TopologyMode::Pinned => self.pinned(),
            TopologyMode::P2PMesh | TopologyMode::Global => self,
        }
    }

    /// Another switcher: see [`SpawnBuilder`].
    pub const fn switcher<S2: ContextSwitcher>(self) -> SpawnBuilder<S2> {
        SpawnBuilder {
            options: self.options,
            switcher: PhantomData,
        }
    }

    pub(crate) fn options(self) -> Options<'static> {
        self.options.with(Self::TRAITS)
    }

    /// Spawns a fiber that runs a future: [`spawn`](crate::spawn()).
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        room::spawn_when_there_is(future, room::timeout_at_hand, |future| {
            self.try_spawn(future)
        })
    }

    /// As [`spawn`](Self::spawn), but gives the future back where it cannot be spawned.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the future.
    pub fn try_spawn<F>(self, future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::on_runtime_at_hand(future, |shared, future| {
            spawn::future_on(shared, self.options(), future)
        })
    }

    /// Spawns a fiber that runs a future which need not be `Send`:
    /// [`spawn_local`](crate::spawn_local()). It stays on its worker, whatever the switcher says.
    pub fn spawn_local<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        room::spawn_when_there_is(future, room::timeout_at_hand, |future| {
            self.try_spawn_local(future)
        })
    }

    /// As [`spawn_local`](Self::spawn_local), but gives the future back where it cannot be spawned.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the future.
    pub fn try_spawn_local<F>(self, future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn::local_at_hand(self.options(), future)
    }

    /// Spawns a fiber that runs a closure on a stack: any function that it calls, however deep, can
    /// [`wait`](crate::wait()).
    pub fn spawn_fn<F, T>(self, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        room::spawn_when_there_is(closure, room::timeout_at_hand, |closure| {
            self.try_spawn_fn(closure)
        })
    }

    /// As [`spawn_fn`](Self::spawn_fn), but gives the closure back where it cannot be spawned.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the closure.
    pub fn try_spawn_fn<F, T>(self, closure: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn::on_runtime_at_hand(closure, |shared, closure| {
            spawn::closure_on(shared, self.options(), closure)
        })
    }

    /// As [`try_spawn_fn`](Self::try_spawn_fn), on a runtime that need not be the one at hand.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the closure.
    pub fn try_spawn_fn_on<F, T>(
        self,
        runtime: &Runtime,
        closure: F,
    ) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn::closure_on(runtime.shared(), self.options(), closure)
    }
}
