//! How a fiber is to be spawned, as an opaque object with setters.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{
    ffi::{CStr, c_char},
    ptr,
};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use dtact::{
    Affinity, ContextSwitcher, CrossThreadFloat, CrossThreadNoFloat, Priority, SameThreadFloat,
    SameThreadNoFloat, SpawnBuilder, WorkloadKind, foreign::Handle,
};

use crate::{
    boundary,
    error::Error,
    knobs::{Numbered, Switcher},
    status::DtactStatus,
};

/// The longest name of a fiber, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Options: `dtact_fiber_options_t`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DtactFiberOptions {
    pub(crate) builder: SpawnBuilder,
    pub(crate) switcher: Switcher,
}

impl DtactFiberOptions {
    /// Spawns a fiber as the options say.
    pub(crate) fn spawn<W: Spawns>(&self, what: W) -> Result<Handle, Error> {
        let builder = self.builder;
        match self.switcher {
            Switcher::CrossThreadFloat => what.spawn(builder.switcher::<CrossThreadFloat>()),
            Switcher::CrossThreadNoFloat => what.spawn(builder.switcher::<CrossThreadNoFloat>()),
            Switcher::SameThreadFloat => what.spawn(builder.switcher::<SameThreadFloat>()),
            Switcher::SameThreadNoFloat => what.spawn(builder.switcher::<SameThreadNoFloat>()),
        }
    }
}

/// What can be spawned, whatever the type of its switcher.
pub(crate) trait Spawns {
    fn spawn<S: ContextSwitcher>(self, builder: SpawnBuilder<S>) -> Result<Handle, Error>;
}

/// Options with the defaults, to be freed by [`dtact_fiber_options_free`]; null if they cannot be
/// had.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_fiber_options_new() -> *mut DtactFiberOptions {
    boundary::enter_or(ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(DtactFiberOptions::default())))
    })
}

/// Frees options; null is allowed.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is not used again.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_free(options: *mut DtactFiberOptions) {
    boundary::enter(|| {
        if !options.is_null() {
            // SAFETY: as the caller promises, it came from `Box::into_raw`, and this is its end.
            drop(unsafe { Box::from_raw(options) });
        }
        Ok(())
    });
}

/// The name of the fiber, which messages and dumps show. The library keeps each different name for
/// ever.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
/// - `name` is null, or points to a text that ends with a zero.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_name(
    options: *mut DtactFiberOptions,
    name: *const c_char,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { options.as_mut() }.ok_or(Error::Null("options"))?;
        if name.is_null() {
            return Err(Error::Null("name"));
        }
        // SAFETY: as the caller promises.
        let name = unsafe { CStr::from_ptr(name) };
        let name = name.to_str().map_err(|_| Error::NameNotUtf8)?;
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::NameTooLong(name.len()));
        }
        this.builder = this.builder.name(kept(name));
        Ok(())
    })
}

/// The least size of the fiber's stack, in bytes; 0 for the runtime's own size. It is checked when
/// the fiber is spawned.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_stack_bytes(
    options: *mut DtactFiberOptions,
    bytes: usize,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { options.as_mut() }.ok_or(Error::Null("options"))?;
        // A floor of one byte leaves the size to the runtime.
        this.builder = this.builder.stack(bytes.max(1));
        Ok(())
    })
}

/// How urgent the fiber is.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_priority(
    options: *mut DtactFiberOptions,
    priority: i32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe {
        set(options, priority, |this, priority: Priority| {
            this.builder = this.builder.priority(priority);
        })
    }
}

/// How far the fiber may move.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_affinity(
    options: *mut DtactFiberOptions,
    affinity: i32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe {
        set(options, affinity, |this, affinity: Affinity| {
            this.builder = this.builder.affinity(affinity);
        })
    }
}

/// What the fiber mostly does.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_kind(
    options: *mut DtactFiberOptions,
    kind: i32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe {
        set(options, kind, |this, kind: WorkloadKind| {
            this.builder = this.builder.kind(kind);
        })
    }
}

/// How the fiber is suspended, and where it goes on.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_options_set_switcher(
    options: *mut DtactFiberOptions,
    switcher: i32,
) -> DtactStatus {
    // SAFETY: as the caller promises.
    unsafe {
        set(options, switcher, |this, switcher: Switcher| {
            this.switcher = switcher;
        })
    }
}

/// Sets what has a number.
///
/// # Safety
///
/// - `options` is null, or came from [`dtact_fiber_options_new`] and is used by nobody else
///   meanwhile.
unsafe fn set<V: Numbered>(
    options: *mut DtactFiberOptions,
    number: i32,
    change: impl FnOnce(&mut DtactFiberOptions, V),
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { options.as_mut() }.ok_or(Error::Null("options"))?;
        change(this, V::from_number(number)?);
        Ok(())
    })
}

/// A text of this content that lives for ever: a fiber's name is looked at by whoever makes a dump,
/// also after the fiber and its options are gone.
fn kept(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut guard = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = guard.get_or_insert_default();
    let kept = names.get(name).copied().unwrap_or_else(|| {
        let new: &'static str = Box::leak(name.into());
        names.insert(new);
        new
    });
    drop(guard);
    kept
}

// A runtime of the usual size is too large for the interpreter.
#[cfg(all(test, not(miri)))]
mod tests {
    use core::ptr;

    use dtact::FiberDump;

    use super::{
        dtact_fiber_options_free, dtact_fiber_options_new, dtact_fiber_options_set_name, kept,
    };
    use crate::{
        DtactStatus, dtact_fiber_cancel, dtact_fiber_join, dtact_fiber_spawn_with,
        dtact_runtime_free, dtact_runtime_start, dtact_sleep,
    };

    #[test]
    fn the_same_name_is_kept_once() {
        let text = String::from("a name of a test");
        let first = kept(&text);
        assert!(ptr::eq(first, kept("a name of a test")));
        assert!(!ptr::eq(first, kept("another")));
    }

    unsafe extern "C-unwind" fn sleeps(env: *mut core::ffi::c_void) -> *mut core::ffi::c_void {
        let _cancelled = dtact_sleep(u64::MAX);
        env
    }

    #[test]
    fn a_name_outlives_its_options_and_is_in_the_dump() {
        let mut runtime = ptr::null_mut();
        // SAFETY: `runtime` can be written.
        let status = unsafe { dtact_runtime_start(ptr::null(), &raw mut runtime) };
        assert_eq!(status, DtactStatus::Ok);
        let options = dtact_fiber_options_new();
        // SAFETY: options just made, and a text that ends with a zero.
        let status = unsafe { dtact_fiber_options_set_name(options, c"the sleeper".as_ptr()) };
        assert_eq!(status, DtactStatus::Ok);
        let mut handle = 0;
        let env = ptr::null_mut();
        // SAFETY: all are there.
        let status = unsafe {
            dtact_fiber_spawn_with(runtime, options, Some(sleeps), env, None, &raw mut handle)
        };
        assert_eq!(status, DtactStatus::Ok);
        // SAFETY: not used again.
        unsafe { dtact_fiber_options_free(options) };
        // SAFETY: started above.
        let dump = unsafe { &*runtime }.runtime.dump();
        let names: Vec<_> = dump.fibers().iter().map(FiberDump::name).collect();
        assert_eq!(names, [Some("the sleeper")]);
        assert_eq!(dtact_fiber_cancel(handle), DtactStatus::Ok);
        // SAFETY: the result is not asked for.
        unsafe { dtact_fiber_join(handle, ptr::null_mut()) };
        // SAFETY: not used again.
        unsafe { dtact_runtime_free(runtime) };
    }
}
