//! The runtime of the process: the C API of 0.2, source for source.
//!
//! ```text
//!            dtact_init                dtact_shutdown             the last fiber has ended
//!   ┌──────┐           ┌─────────┐                    ┌────────┐
//!   │ none │──────────▶│ running │───────────────────▶│ ending │────────▶ none
//!   └──────┘           └─────────┘                    └────────┘
//! ```
//!
//! A fiber can only begin the end; whoever is in `dtact_run`, or calls `dtact_shutdown` on another
//! thread, waits for it. One of them does the work, and the others wait for that one.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{ffi::c_void, ptr, time::Duration};
use std::{
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use dtact::{
    Affinity, Builder, ContextSwitcher, FiberId, Priority, Runtime, SafetyLevel, SpawnBuilder,
    SpawnError, TopologyMode, Unguarded, WorkloadKind,
    foreign::{self, Handle},
};

use crate::{
    boundary,
    error::Error,
    fiber::{DtactHandle, refused},
    knobs::{Numbered, Switcher},
    options::{DtactFiberOptions, Spawns},
    runtime::DtactRuntime,
    status::DtactStatus,
    task::{DtactFinalizer, Environment},
};

/// `dtact_config_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[expect(non_snake_case, reason = "the names of the C API")]
#[expect(missing_docs, reason = "documented in the header")]
pub struct DtactConfig {
    pub mWorkers: u32,
    pub mSafetyLevel: u8,
    pub mTopologyMode: u8,
    pub mNuma: u8,
    pub mFiberCapacity: u32,
    pub mStackSize: u32,
}

/// `dtact_spawn_options_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[expect(non_snake_case, reason = "the names of the C API")]
#[expect(missing_docs, reason = "documented in the header")]
pub struct DtactSpawnOptions {
    pub mPriority: u8,
    pub mAffinity: u8,
    pub mKind: u8,
    pub mSwitcher: u8,
}

/// What a launched fiber runs: `void (*)(void *)`.
pub type DtactFunction = DtactFinalizer;

const DEFAULT_CONFIG: DtactConfig = DtactConfig {
    mWorkers: 0,
    mSafetyLevel: 1,
    mTopologyMode: 0,
    mNuma: 0,
    mFiberCapacity: 4096,
    mStackSize: 512 << 10,
};

const DEFAULT_SPAWN_OPTIONS: DtactSpawnOptions = DtactSpawnOptions {
    mPriority: 1,
    mAffinity: 3,
    mKind: 0,
    mSwitcher: 0,
};

#[derive(Debug)]
struct Process {
    runtime: Option<Arc<DtactRuntime>>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// A shutdown was asked for, and nobody waits for its end yet.
    Closing,
    /// Somebody waits for its end.
    Ending,
}

static PROCESS: Mutex<Process> = Mutex::new(Process {
    runtime: None,
    phase: Phase::Running,
});
/// The phase has changed.
static CHANGED: Condvar = Condvar::new();

fn process() -> MutexGuard<'static, Process> {
    // Nothing under this lock is left half done.
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn changed(process: MutexGuard<'static, Process>) -> MutexGuard<'static, Process> {
    CHANGED
        .wait(process)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The configuration that is the default.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub const extern "C" fn dtact_default_config() -> DtactConfig {
    DEFAULT_CONFIG
}

/// The options that are the default.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub const extern "C" fn dtact_default_spawn_options() -> DtactSpawnOptions {
    DEFAULT_SPAWN_OPTIONS
}

/// Starts the runtime of the process; null if that fails.
///
/// # Safety
///
/// - `config` is null or points to a configuration.
/// - The fibers keep what the header asks for under "Waiting".
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_init(config: *const DtactConfig) -> *mut DtactRuntime {
    boundary::enter_or(ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let config = unsafe { config.as_ref() }.ok_or(Error::Null("config"))?;
        let builder = builder_of(config)?;
        let mut process = process();
        if process.runtime.is_some() {
            return Err(Error::AlreadyStarted);
        }
        // SAFETY: as the caller promises for the code that runs in fibers.
        let builder = unsafe { builder.enable_stackful() };
        let runtime = builder.build().map_err(Error::Build)?;
        let runtime = Arc::new(DtactRuntime { runtime });
        let raw = Arc::as_ptr(&runtime).cast_mut();
        *process = Process {
            runtime: Some(runtime),
            phase: Phase::Running,
        };
        drop(process);
        Ok(raw)
    })
}

/// What a configuration asks for; what there is no way to do is refused.
fn builder_of(config: &DtactConfig) -> Result<Builder, Error> {
    let safety = match config.mSafetyLevel {
        // SAFETY: whoever sets level 0 has made that promise, word for word, by the header.
        0 => SafetyLevel::Safety0(unsafe { Unguarded::promise() }),
        1 => SafetyLevel::Safety1,
        2 => SafetyLevel::Safety2,
        number => {
            return Err(Error::NoSuchNumber {
                what: "safety level",
                number: number.into(),
                max: 2,
            });
        }
    };
    let or_default = |value: u32, default: u32| if value == 0 { default } else { value };
    let fibers = or_default(config.mFiberCapacity, DEFAULT_CONFIG.mFiberCapacity);
    let stack_bytes = or_default(config.mStackSize, DEFAULT_CONFIG.mStackSize);
    let mut builder = Builder::new()
        .topology_mode(TopologyMode::from_number(config.mTopologyMode.into())?)
        .safety(safety)
        .fibers(fibers)
        .stack_bytes(usize::try_from(stack_bytes).unwrap_or(usize::MAX));
    if config.mWorkers != 0 {
        builder = builder.workers(usize::try_from(config.mWorkers).unwrap_or(usize::MAX));
    }
    if config.mNuma != 0 {
        builder = builder.numa_node(config.mNuma.into());
    }
    Ok(builder)
}

/// Waits until the runtime of the process has ended. `runtime` is what `dtact_init` gave.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_run(runtime: *mut c_void) -> DtactStatus {
    boundary::enter(|| {
        boundary::may_wait()?;
        if runtime.is_null() {
            return Err(Error::Null("runtime"));
        }
        if FiberId::current().is_some() {
            return Err(Error::InFiber);
        }
        let process = process();
        let own = match &process.runtime {
            Some(own) if ptr::eq(Arc::as_ptr(own), runtime.cast()) => Arc::clone(own),
            _ => return Err(Error::NotStarted),
        };
        drop(process);
        until_ended(&own);
        Ok(())
    })
}

/// Ends the runtime of the process: its fibers are cancelled. Outside of a fiber it waits for that.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_shutdown() -> DtactStatus {
    boundary::enter(|| {
        let mut process = process();
        let own = process.runtime.clone().ok_or(Error::NotStarted)?;
        if process.phase == Phase::Running {
            process.phase = Phase::Closing;
            CHANGED.notify_all();
        }
        drop(process);
        // A fiber, or a finalizer, which runs on a worker, would wait for itself.
        if FiberId::current().is_none() && boundary::may_wait().is_ok() {
            until_ended(&own);
        }
        Ok(())
    })
}

/// Waits until the runtime has ended; where a shutdown was asked for and nobody does it, does it.
fn until_ended(own: &Arc<DtactRuntime>) {
    let mut process = process();
    while process.is(own) {
        if process.phase != Phase::Closing {
            process = changed(process);
            continue;
        }
        process.phase = Phase::Ending;
        drop(process);
        // Without a deadline it fails only where a fiber can never end: that is left as it is.
        let _left_as_it_is: Result<_, _> = own.runtime.shutdown(Duration::MAX);
        process = self::process();
        process.runtime = None;
        process.phase = Phase::Running;
        CHANGED.notify_all();
    }
    drop(process);
}

impl Process {
    fn is(&self, other: &Arc<DtactRuntime>) -> bool {
        self.runtime
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, other))
    }

    /// The runtime, if fibers may be launched.
    fn open(&self) -> Result<Arc<DtactRuntime>, Error> {
        let own = self.runtime.clone().ok_or(Error::NotStarted)?;
        match self.phase {
            Phase::Running => Ok(own),
            Phase::Closing | Phase::Ending => Err(Error::Spawn(SpawnError::ShutDown)),
        }
    }
}

/// Launches a fiber that calls `function(arg)`; 0 if that fails.
///
/// # Safety
///
/// - `function` can be called with `arg` once, on any thread. No exception of C++ leaves it.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_launch(
    function: Option<DtactFunction>,
    arg: *mut c_void,
) -> DtactHandle {
    // SAFETY: as the caller promises.
    unsafe { launch(function, arg, None, ptr::null()) }
}

/// [`dtact_fiber_launch`] with options; null means the defaults.
///
/// # Safety
///
/// - As of [`dtact_fiber_launch`].
/// - `options` is null or points to options.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_launch_ext(
    function: Option<DtactFunction>,
    arg: *mut c_void,
    options: *const DtactSpawnOptions,
) -> DtactHandle {
    // SAFETY: as the caller promises.
    unsafe { launch(function, arg, None, options) }
}

/// [`dtact_fiber_launch`] with a function that is called with `arg` when it is no longer used
/// [ffi.K1].
///
/// # Safety
///
/// - As of [`dtact_fiber_launch`]; and `cleanup`, if there is one, can be called with `arg` once
///   after that, or instead of that, on any thread.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_launch_with_cleanup(
    function: Option<DtactFunction>,
    arg: *mut c_void,
    cleanup: Option<DtactFinalizer>,
) -> DtactHandle {
    // SAFETY: as the caller promises.
    unsafe { launch(function, arg, cleanup, ptr::null()) }
}

/// [`dtact_fiber_launch_with_cleanup`] with options; null means the defaults.
///
/// # Safety
///
/// - As of [`dtact_fiber_launch_with_cleanup`].
/// - `options` is null or points to options.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_launch_with_cleanup_ext(
    function: Option<DtactFunction>,
    arg: *mut c_void,
    cleanup: Option<DtactFinalizer>,
    options: *const DtactSpawnOptions,
) -> DtactHandle {
    // SAFETY: as the caller promises.
    unsafe { launch(function, arg, cleanup, options) }
}

/// # Safety
///
/// - As of [`dtact_fiber_launch_with_cleanup_ext`].
unsafe fn launch(
    function: Option<DtactFunction>,
    arg: *mut c_void,
    cleanup: Option<DtactFinalizer>,
    options: *const DtactSpawnOptions,
) -> DtactHandle {
    boundary::enter_or(0, || {
        // SAFETY: as the caller promises.
        let environment = unsafe { Environment::new(arg, cleanup) };
        let function = function.ok_or(Error::Null("function"))?;
        // SAFETY: as the caller promises.
        let options = options_of(unsafe { options.as_ref() })?;
        let own = process().open()?;
        let launch = Launch {
            runtime: &own.runtime,
            function,
            environment,
        };
        options.spawn(launch).map(Handle::raw)
    })
}

/// A function with its environment and where it shall run.
struct Launch<'runtime> {
    runtime: &'runtime Runtime,
    function: DtactFunction,
    environment: Environment,
}

impl Spawns for Launch<'_> {
    fn spawn<S: ContextSwitcher>(self, builder: SpawnBuilder<S>) -> Result<Handle, Error> {
        let Self {
            runtime,
            function,
            environment,
        } = self;
        // SAFETY: as `launch`'s caller promised; the environment is consumed, so that this is the
        // only call.
        let run = move || unsafe { environment.call(function) };
        // What is refused is dropped here, and its finalizer called.
        foreign::launch_on(runtime, builder, run).map_err(|refused| Error::Spawn(refused.error))
    }
}

fn options_of(options: Option<&DtactSpawnOptions>) -> Result<DtactFiberOptions, Error> {
    let options = options.unwrap_or(&DEFAULT_SPAWN_OPTIONS);
    let mut made = DtactFiberOptions::default();
    made.builder = made
        .builder
        .priority(Priority::from_number(options.mPriority.into())?)
        .affinity(Affinity::from_number(options.mAffinity.into())?)
        .kind(WorkloadKind::from_number(options.mKind.into())?);
    made.switcher = Switcher::from_number(options.mSwitcher.into())?;
    Ok(made)
}

/// Waits for the end of a fiber, whatever its handle is of. A cancellation does not cut it short.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_await(handle: DtactHandle) -> DtactStatus {
    boundary::enter(|| {
        boundary::may_wait()?;
        let ended = Handle::from_raw(handle).ended().map_err(refused(handle))?;
        boundary::shielded(ended)
    })
}

/// Asks a fiber to end, whatever its handle is of.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_cancel(handle: DtactHandle) -> DtactStatus {
    boundary::enter(|| {
        let cancelled = Handle::from_raw(handle).cancel();
        cancelled.map_err(refused(handle))
    })
}

/// `free`, for an argument that came from `malloc`.
///
/// # Safety
///
/// - `arg` is null, or came from the C library's allocator and is not used again.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_free_arg(arg: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { libc::free(arg) }
}

/// Says so, and ends the process.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
#[expect(clippy::print_stderr, reason = "it is what it is called for")]
pub extern "C" fn dtact_abort() -> ! {
    eprintln!("dtact: the process ends, as dtact_abort was called");
    process::abort()
}
