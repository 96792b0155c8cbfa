//! A runtime: what its workers share, and the value that owns it all.

pub(crate) mod config;
pub(crate) mod dump;
pub(crate) mod dump_signal;
pub(crate) mod gate;
pub(crate) mod long_poll;
pub(crate) mod metrics;
pub(crate) mod panic_policy;
pub(crate) mod probe;
pub(crate) mod shared;
pub(crate) mod shutdown;
#[cfg(all(unix, not(miri)))]
mod signals;
pub(crate) mod stack_size;
pub(crate) mod starved;
pub(crate) mod wake_latency;

pub(crate) use shared::Shared;

use core::{fmt, future::Future, panic::Location, time::Duration};

use dtact_mesh::WorkerId;

use crate::{
    block_on,
    error::{BuildError, ShutdownError, ThresholdError, TrySpawnError},
    join::JoinHandle,
    room,
    runtime::{
        config::Builder,
        metrics::{Metrics, WorkerMetrics},
        stack_size::IntoStackSize,
        wake_latency::WakeLatencies,
    },
    spawn::{self, Options},
    sync::{Arc, OnceLock},
};

/// A runtime: worker threads, and the memory of their fibers.
///
/// It is a value: there can be several in one process, and each ends when it is dropped. Dropping
/// it cancels its fibers, waits for them to end, joins its threads and frees its memory. Handles
/// and wakers may outlive it.
///
/// # Examples
///
/// ```
/// use dtact_bridge::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(handle)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
}

static GLOBAL: OnceLock<Result<Runtime, BuildError>> = OnceLock::new();

impl Runtime {
    /// A runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, BuildError> {
        Builder::new().build()
    }

    /// A runtime to be configured.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The runtime of the process: the one that is used where no other is at hand. It starts on
    /// first use, with the defaults of [`Builder`], unless [`Runtime::init_global`] came first.
    ///
    /// # Errors
    ///
    /// Why it could not be started; the same each time.
    pub fn global() -> Result<&'static Self, &'static BuildError> {
        GLOBAL.get_or_init(Self::new).as_ref()
    }

    /// Makes a runtime of this configuration the one of the process.
    ///
    /// # Errors
    ///
    /// [`InitError::Started`] if it has started already, and [`InitError::Build`] if it could not
    /// be started now; [`Runtime::global`] then gives the same error.
    pub fn init_global(builder: Builder) -> Result<&'static Self, InitError> {
        let mut builder = Some(builder);
        let global = GLOBAL.get_or_init(|| match builder.take() {
            Some(builder) => builder.build(),
            None => Self::new(),
        });
        if builder.is_some() {
            return Err(InitError::Started);
        }
        global.as_ref().map_err(InitError::Build)
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Spawns a fiber that runs a future. It begins at once, whether its handle is awaited or
    /// not.
    ///
    /// Where it cannot be spawned, the handle says so: [`JoinError::NotSpawned`]. For want of room
    /// it waits first: see [`spawn`](crate::spawn()). To keep the future, and to wait for nothing,
    /// use [`Runtime::try_spawn`].
    ///
    /// [`JoinError::NotSpawned`]: crate::JoinError::NotSpawned
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let options = Options::new(Location::caller());
        room::spawn_when_there_is(
            future,
            || self.shared.spawn_timeout,
            |future| spawn::future_on(&self.shared, options, future),
        )
    }

    /// Spawns a fiber that runs a future, or gives the future back.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the future.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::future_on(&self.shared, Options::new(Location::caller()), future)
    }

    /// Spawns a fiber that runs a closure on a stack of at least `size`: any function that it
    /// calls, however deep, can [`wait`](crate::wait()).
    ///
    /// Where it cannot be spawned, or `size` is not a size, the handle says so.
    #[track_caller]
    pub fn spawn_with_stack<F, T>(&self, size: impl IntoStackSize, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let options = Options::new(Location::caller()).floor(size.into_stack_size());
        room::spawn_when_there_is(
            closure,
            || self.shared.spawn_timeout,
            |closure| spawn::closure_on(&self.shared, options, closure),
        )
    }

    /// As [`Runtime::spawn_with_stack`], but gives the closure back where it cannot be spawned.
    ///
    /// # Errors
    ///
    /// Why it could not be spawned, and the closure.
    #[track_caller]
    pub fn try_spawn_with_stack<F, T>(
        &self,
        size: impl IntoStackSize,
        closure: F,
    ) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let options = Options::new(Location::caller()).floor(size.into_stack_size());
        spawn::closure_on(&self.shared, options, closure)
    }

    /// Does nothing: the workers run from [`Builder::build`] on. Here for programs from the time
    /// when a runtime was made first and started later.
    pub const fn start(&self) {
        let _ = self;
    }

    /// Runs a future on the calling thread, which sleeps while it is pending. Within it,
    /// [`spawn`](crate::spawn()) means this runtime.
    ///
    /// Inside a fiber it is [`wait`](crate::wait()).
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on::block_on(&self.shared, future)
    }

    /// How much has been done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// What each worker has done so far, for those that have run. It allocates.
    #[must_use]
    pub fn worker_metrics(&self) -> Vec<WorkerMetrics> {
        self.shared.worker_metrics()
    }

    /// How long fibers waited from when they were woken until they ran, so far; only with
    /// [`Builder::wake_latencies`](config::Builder::wake_latencies). It allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::{Builder, time::sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new().wake_latencies(true).build()?;
    /// runtime.spawn(sleep(Duration::from_millis(1))).wait()?;
    /// let latencies = runtime.wake_latencies().expect("they are measured").all();
    /// // None where the time was over before the fiber first looked.
    /// if let Some(longest) = latencies.quantile(1.0) {
    ///     println!("{longest:?} at most");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wake_latencies(&self) -> Option<WakeLatencies> {
        Some(self.shared.wake_times.as_ref()?.read())
    }

    /// From how full a queue on a worker passes fibers on to others that have less to do, in
    /// percent: 0 as soon as another has less, 100 only what does not fit. Workers are numbered
    /// from 0. It may take the worker 64 spawns to notice.
    ///
    /// # Errors
    ///
    /// An unknown worker, more than 100 percent, or a runtime in which nothing is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::{Builder, ThresholdError};
    ///
    /// let runtime = Builder::new().workers(2).build()?;
    /// assert_eq!(runtime.set_deflection_threshold(1, 50), Ok(()));
    /// let error = runtime.set_deflection_threshold(1, 101);
    /// assert_eq!(error, Err(ThresholdError::OverHundred { percent: 101 }));
    /// # Ok::<(), dtact_bridge::BuildError>(())
    /// ```
    pub fn set_deflection_threshold(
        &self,
        worker: usize,
        percent: u8,
    ) -> Result<(), ThresholdError> {
        set_threshold(&self.shared, worker, percent)
    }

    /// Ends the runtime: no more fibers are spawned, all there are get cancelled, and, when they
    /// have ended, the threads are joined. Fibers parked at an `.await` are dropped; those parked
    /// in [`wait`](crate::wait()) are unwound, so that their destructors run.
    ///
    /// A fiber cannot wait for its own end: called on a worker of this runtime, it only begins
    /// the shutdown.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] if fibers were still alive after `deadline`: such as never suspend.
    /// They stay, with their threads and the runtime's memory; a later call goes on from there.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        shutdown::shutdown(&self.shared, Some(deadline))
    }
}

/// [`Runtime::set_deflection_threshold`], on the runtime at hand (see [`spawn`](crate::spawn())).
///
/// # Errors
///
/// As there; and [`ThresholdError::NoRuntime`].
pub fn set_deflection_threshold(worker: usize, percent: u8) -> Result<(), ThresholdError> {
    match spawn::at_hand() {
        Some(shared) => set_threshold(shared, worker, percent),
        None => Runtime::global()
            .map_err(|_| ThresholdError::NoRuntime)?
            .set_deflection_threshold(worker, percent),
    }
}

fn set_threshold(shared: &Shared, worker: usize, percent: u8) -> Result<(), ThresholdError> {
    let workers_max = shared.mesh.config().workers_max;
    let unknown = ThresholdError::UnknownWorker {
        worker,
        workers_max,
    };
    let id = WorkerId::from_raw(u16::try_from(worker).map_err(|_| unknown)?);
    let set = shared.mesh.set_deflection_threshold(id, percent);
    set.map_err(|error| match error {
        dtact_mesh::ThresholdError::UnknownWorker { .. } => unknown,
        dtact_mesh::ThresholdError::OverHundred { percent } => {
            ThresholdError::OverHundred { percent }
        }
        _ => ThresholdError::NoDeflection,
    })
}

impl Drop for Runtime {
    fn drop(&mut self) {
        shutdown::end(&self.shared);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("number", &self.shared.number())
            .finish_non_exhaustive()
    }
}

/// Why the runtime of the process could not be configured.
#[derive(Debug)]
#[non_exhaustive]
pub enum InitError {
    /// It has started already.
    Started,
    /// It could not be started.
    Build(&'static BuildError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str(
                "the runtime of the process has started already: configure it before its first use",
            ),
            Self::Build(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for InitError {}
