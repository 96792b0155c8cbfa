//! Calls the C API in random order, with random handles, on threads and in fibers.
//!
//! The bytes of an input are calls and their arguments. What would be undefined in C is left out:
//! pointers are right or null, and a runtime is freed when nobody uses it. All else goes: handles
//! are those that were given out, long used up, or made up.
//!
//! What has to hold: no crash; each environment is finalized once and each completion told once;
//! no handle is given out twice; a join gives what the fiber returned.
#![no_main]

use std::{
    collections::HashSet,
    ffi::c_void,
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dtact_ffi::{
    DtactCompletions, DtactHandle, DtactRuntime, DtactStatus, dtact_await, dtact_builder_free,
    dtact_builder_new, dtact_builder_set_fibers, dtact_builder_set_stack_bytes,
    dtact_builder_set_stacks, dtact_builder_set_workers, dtact_cancel, dtact_completions_free,
    dtact_completions_new, dtact_completions_next, dtact_completions_watch, dtact_default_config,
    dtact_default_spawn_options, dtact_fiber_cancel, dtact_fiber_detach, dtact_fiber_is_finished,
    dtact_fiber_join, dtact_fiber_join_into, dtact_fiber_join_regardless, dtact_fiber_join_timeout,
    dtact_fiber_launch_with_cleanup_ext, dtact_fiber_on_complete, dtact_fiber_options_free,
    dtact_fiber_options_new, dtact_fiber_options_set_affinity, dtact_fiber_options_set_kind,
    dtact_fiber_options_set_priority, dtact_fiber_options_set_switcher, dtact_fiber_spawn,
    dtact_fiber_spawn_with, dtact_init, dtact_last_error_message, dtact_runtime_free,
    dtact_runtime_shutdown, dtact_runtime_start, dtact_shutdown, dtact_sleep, dtact_yield,
};
use libfuzzer_sys::fuzz_target;

/// More would only be slower.
const RUNTIMES_MAX: usize = 3;
const FIBERS_MAX: u32 = 16;

/// Handles that fibers and threads may use: as they were given out.
static HANDLES: Mutex<Vec<DtactHandle>> = Mutex::new(Vec::new());
/// All that were ever given out, up to a bound.
static SEEN: Mutex<Option<HashSet<DtactHandle>>> = Mutex::new(None);
const SEEN_MAX: usize = 1 << 22;

static FINALIZERS_OWED: AtomicU64 = AtomicU64::new(0);
static FINALIZERS_RUN: AtomicU64 = AtomicU64::new(0);
static COMPLETIONS_OWED: AtomicU64 = AtomicU64::new(0);
static COMPLETIONS_RUN: AtomicU64 = AtomicU64::new(0);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of the input, as numbers; zeros when they are used up.
struct Bytes<'input>(&'input [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// Mostly one that was given out, now and then one that was not.
    fn handle(&mut self) -> DtactHandle {
        let choice = self.byte();
        let handles = lock(&HANDLES);
        let known = handles
            .len()
            .checked_sub(1 + usize::from(choice & 31))
            .map(|index| handles[index]);
        drop(handles);
        match (choice >> 5, known) {
            (0..=4, Some(known)) => known,
            (5, Some(known)) => known ^ 1 << (self.byte() & 63),
            (6, Some(known)) => known.wrapping_add(1 << 32),
            _ => self.word(),
        }
    }
}

/// What a fiber is called with: a number that says what it does, and no address.
fn env_of(what: u8) -> *mut c_void {
    ptr::without_provenance_mut(usize::from(what) + 1)
}

/// A few calls, and the environment back.
extern "C-unwind" fn callback(env: *mut c_void) -> *mut c_void {
    let what = env.addr() - 1;
    match what & 7 {
        0 | 1 => {}
        2 => {
            for _ in 0..what >> 3 {
                dtact_yield();
            }
        }
        3 => {
            dtact_sleep(1);
        }
        4 => {
            // Until it is cancelled, or half a minute is over.
            dtact_sleep(30_000);
        }
        5 => while dtact_yield() == DtactStatus::Ok {},
        _ => among_others(what >> 3),
    }
    env
}

/// Calls in a fiber that concern others, or itself.
fn among_others(seed: usize) {
    let handle = {
        let handles = lock(&HANDLES);
        let index = handles.len().checked_sub(1 + seed % 8);
        index.map_or(0, |index| handles[index])
    };
    match seed / 8 {
        0 => {
            // SAFETY: the result is not asked for.
            unsafe { dtact_fiber_join_timeout(handle, 1, ptr::null_mut()) };
        }
        1 => {
            dtact_fiber_cancel(handle);
            // SAFETY: the result is not asked for.
            unsafe { dtact_fiber_join(handle, ptr::null_mut()) };
        }
        2 => {
            dtact_fiber_detach(handle);
        }
        _ => {
            dtact_cancel(handle);
            dtact_await(handle);
        }
    }
}

extern "C-unwind" fn function(env: *mut c_void) {
    callback(env);
}

extern "C-unwind" fn finalizer(_env: *mut c_void) {
    FINALIZERS_RUN.fetch_add(1, Ordering::Relaxed);
    assert_ne!(dtact_sleep(1), DtactStatus::Ok, "a finalizer has waited");
}

extern "C-unwind" fn completion(env: *mut c_void, fiber: DtactHandle) {
    COMPLETIONS_RUN.fetch_add(1, Ordering::Relaxed);
    if env.addr() & 1 == 0 {
        // SAFETY: the result is not asked for.
        let status = unsafe { dtact_fiber_join(fiber, ptr::null_mut()) };
        assert_ne!(status, DtactStatus::TimedOut);
    }
}

/// Notes a handle, which nobody has had before.
fn give_out(handle: DtactHandle) {
    assert_ne!(handle, 0, "a handle of no fiber");
    let mut seen = lock(&SEEN);
    let seen = seen.get_or_insert_default();
    if seen.len() < SEEN_MAX {
        assert!(seen.insert(handle), "{handle:#x} was given out before");
    }
    lock(&HANDLES).push(handle);
}

fn start(bytes: &mut Bytes<'_>) -> *mut DtactRuntime {
    let builder = dtact_builder_new();
    let workers = 1 + usize::from(bytes.byte() & 1);
    let mut runtime = ptr::null_mut();
    // SAFETY: a builder just made.
    unsafe { dtact_builder_set_workers(builder, workers) };
    // SAFETY: a builder just made.
    unsafe { dtact_builder_set_fibers(builder, FIBERS_MAX) };
    // SAFETY: a builder just made.
    unsafe { dtact_builder_set_stack_bytes(builder, 1 << 16) };
    // SAFETY: a builder just made.
    unsafe { dtact_builder_set_stacks(builder, 8) };
    // SAFETY: a builder just made, and a place to write to; the fibers hold nothing.
    let status = unsafe { dtact_runtime_start(builder, &raw mut runtime) };
    assert_eq!(status, DtactStatus::Ok, "a small runtime starts");
    // SAFETY: it is not used again.
    unsafe { dtact_builder_free(builder) };
    runtime
}

fn end(runtime: *mut DtactRuntime) {
    // SAFETY: it was started, and is not freed yet.
    let status = unsafe { dtact_runtime_shutdown(runtime, u64::MAX) };
    assert_eq!(status, DtactStatus::Ok, "all fibers end when they are told");
    // SAFETY: its fibers have ended, and nobody else has it.
    unsafe { dtact_runtime_free(runtime) };
}

fn spawn(runtime: *mut DtactRuntime, bytes: &mut Bytes<'_>) {
    let how = bytes.byte();
    let env = env_of(bytes.byte());
    let callback = (how & 15 != 15).then_some(callback as _);
    let finalizer = (how & 16 != 0).then_some(finalizer as _);
    if finalizer.is_some() {
        FINALIZERS_OWED.fetch_add(1, Ordering::Relaxed);
    }
    let mut handle = 0;
    let out = if how & 64 == 0 {
        &raw mut handle
    } else {
        ptr::null_mut()
    };
    let status = if how & 32 == 0 {
        let stack_bytes = usize::from(bytes.byte()) << 12;
        // SAFETY: the runtime is there or null, and so is the place for the handle.
        unsafe { dtact_fiber_spawn(runtime, callback, env, finalizer, stack_bytes, out) }
    } else {
        let options = dtact_fiber_options_new();
        let number = |bits: u8| i32::from(bits % 5);
        // SAFETY: options just made.
        unsafe { dtact_fiber_options_set_priority(options, number(bytes.byte())) };
        // SAFETY: options just made.
        unsafe { dtact_fiber_options_set_affinity(options, number(bytes.byte())) };
        // SAFETY: options just made.
        unsafe { dtact_fiber_options_set_kind(options, number(bytes.byte())) };
        // SAFETY: options just made.
        unsafe { dtact_fiber_options_set_switcher(options, number(bytes.byte())) };
        // SAFETY: as above.
        let status =
            unsafe { dtact_fiber_spawn_with(runtime, options, callback, env, finalizer, out) };
        // SAFETY: they are not used again.
        unsafe { dtact_fiber_options_free(options) };
        status
    };
    if status == DtactStatus::Ok && !out.is_null() {
        give_out(handle);
    }
}

fn launch(bytes: &mut Bytes<'_>) {
    let mut options = dtact_default_spawn_options();
    options.mSwitcher = bytes.byte() % 5;
    let env = env_of(bytes.byte());
    FINALIZERS_OWED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: functions that take a number, and options that are there.
    let handle = unsafe {
        dtact_fiber_launch_with_cleanup_ext(
            Some(function),
            env,
            Some(finalizer),
            &raw const options,
        )
    };
    if handle != 0 {
        give_out(handle);
    }
}

fn join(bytes: &mut Bytes<'_>) {
    let handle = bytes.handle();
    let mut result = ptr::null_mut();
    let how = bytes.byte();
    let status = match how & 7 {
        0..=2 => {
            // SAFETY: the result can be written.
            unsafe { dtact_fiber_join_timeout(handle, u64::from(how >> 6), &raw mut result) }
        }
        3 | 4 => {
            dtact_cancel(handle);
            // SAFETY: the result can be written.
            unsafe { dtact_fiber_join(handle, &raw mut result) }
        }
        5 => {
            dtact_fiber_cancel(handle);
            // SAFETY: the result can be written.
            unsafe { dtact_fiber_join_regardless(handle, &raw mut result) }
        }
        _ => {
            dtact_fiber_cancel(handle);
            let size = if how & 128 == 0 {
                size_of_val(&result)
            } else {
                usize::from(how >> 4 & 7)
            };
            let out = (&raw mut result).cast();
            // SAFETY: the result has no less than `size` bytes.
            unsafe { dtact_fiber_join_into(handle, out, size) }
        }
    };
    match status {
        DtactStatus::Ok => assert!(
            (1..=256).contains(&result.addr()),
            "{result:?} was returned"
        ),
        _ => assert!(result.is_null(), "{result:?} was written"),
    }
}

fn watch(completions: *const DtactCompletions, bytes: &mut Bytes<'_>) {
    let handle = bytes.handle();
    let tag = env_of(bytes.byte());
    // SAFETY: the queue is there or null.
    unsafe { dtact_completions_watch(completions, handle, tag) };
}

fn take(completions: *const DtactCompletions) {
    let mut handle = 0;
    let mut tag = ptr::null_mut();
    // SAFETY: the queue is there or null, and what is written to as well.
    let status = unsafe { dtact_completions_next(completions, &raw mut handle, &raw mut tag) };
    if status == DtactStatus::Ok && handle != 0 {
        let mut is_finished = false;
        // SAFETY: it can be written.
        let status = unsafe { dtact_fiber_is_finished(handle, &raw mut is_finished) };
        assert!(is_finished || status == DtactStatus::StaleHandle);
    }
}

fn tell(bytes: &mut Bytes<'_>) {
    let handle = bytes.handle();
    let env = env_of(bytes.byte());
    FINALIZERS_OWED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: functions that take a number.
    let status = unsafe { dtact_fiber_on_complete(handle, Some(completion), env, Some(finalizer)) };
    if status == DtactStatus::Ok {
        COMPLETIONS_OWED.fetch_add(1, Ordering::Relaxed);
    }
}

fn run(bytes: &mut Bytes<'_>) {
    let mut runtimes = vec![start(bytes)];
    let mut completions: *mut DtactCompletions = ptr::null_mut();
    let mut has_process = false;
    while !bytes.is_empty() {
        let call = bytes.byte();
        let runtime = runtimes
            .get(usize::from(call >> 4) % (RUNTIMES_MAX + 1))
            .copied()
            .unwrap_or(ptr::null_mut());
        match call & 15 {
            0..=2 => spawn(runtime, bytes),
            3 | 4 => join(bytes),
            5 => {
                dtact_fiber_detach(bytes.handle());
            }
            6 => {
                dtact_fiber_cancel(bytes.handle());
            }
            7 => {
                let handle = bytes.handle();
                dtact_cancel(handle);
                dtact_await(handle);
            }
            8 => tell(bytes),
            9 => watch(completions, bytes),
            10 => take(completions),
            11 if completions.is_null() => {
                // SAFETY: it can be written.
                unsafe { dtact_completions_new(&raw mut completions) };
            }
            11 => {
                // SAFETY: it is not used again.
                unsafe { dtact_completions_free(completions) };
                completions = ptr::null_mut();
            }
            12 if runtimes.len() < RUNTIMES_MAX => runtimes.push(start(bytes)),
            12 => end(runtimes.remove(0)),
            13 if has_process => launch(bytes),
            13 => {
                let mut config = dtact_default_config();
                (config.mWorkers, config.mFiberCapacity) = (1, FIBERS_MAX);
                config.mStackSize = 1 << 16;
                config.mTopologyMode = bytes.byte() & 3;
                // SAFETY: a configuration that is there.
                has_process = !unsafe { dtact_init(&raw const config) }.is_null();
            }
            14 => {
                // SAFETY: the runtime is there or null.
                unsafe { dtact_runtime_shutdown(runtime, 0) };
            }
            _ if has_process => {
                assert_eq!(dtact_shutdown(), DtactStatus::Ok);
                has_process = false;
            }
            _ => assert!(!dtact_last_error_message().is_null()),
        }
    }
    if has_process {
        assert_eq!(dtact_shutdown(), DtactStatus::Ok);
    }
    runtimes.into_iter().for_each(end);
    // SAFETY: it is not used again.
    unsafe { dtact_completions_free(completions) };
}

fuzz_target!(|input: &[u8]| {
    run(&mut Bytes(input));
    // What has not been joined keeps the memory of its runtime.
    for handle in lock(&HANDLES).drain(..) {
        dtact_fiber_detach(handle);
        assert_eq!(dtact_fiber_detach(handle), DtactStatus::StaleHandle);
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(
        count(&FINALIZERS_OWED),
        count(&FINALIZERS_RUN),
        "finalizers"
    );
    assert_eq!(
        count(&COMPLETIONS_OWED),
        count(&COMPLETIONS_RUN),
        "completions"
    );
});
