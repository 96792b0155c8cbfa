//! Code in which no fiber is suspended: marked by hand, or, in debug builds, recognised.

use crate::worker::context;

/// Runs code in which this fiber is not suspended: where it [`wait`](crate::wait())s, its thread
/// blocks, and another one takes over the other fibers.
///
/// For code that relies on nothing else running on its thread before it returns: scoped
/// thread-locals, initialisers of thread-locals, libraries that keep state by thread. Around such
/// code it keeps the promise of [`enable_stackful`](crate::Builder::enable_stackful). An `.await`
/// cannot stand in it.
///
/// Outside of a fiber it only calls the closure.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// use dtact_bridge::{Runtime, no_suspend, wait, yield_now};
///
/// thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async {
///     no_suspend(|| {
///         DEPTH.set(DEPTH.get() + 1);
///         wait(yield_now()); // No other fiber sees the depth.
///         DEPTH.set(DEPTH.get() - 1);
///     });
/// });
/// handle.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn no_suspend<F: FnOnce() -> T, T>(closure: F) -> T {
    match context::current() {
        Some(context) => context.in_no_suspend(closure),
        None => closure(),
    }
}

#[cfg(debug_assertions)]
pub(crate) use initialiser::{is_in_initialiser, say_pointed_into};

#[cfg(debug_assertions)]
mod initialiser {
    //! Finding a `wait` in the initialiser of a thread-local: by the names of the functions on the
    //! stack. That takes milliseconds, so it is done once for each place that waits, and in debug
    //! builds only; it finds mistakes, and proves nothing.

    use core::panic::Location;
    use std::{backtrace::Backtrace, collections::HashSet};

    use crate::sync::{Mutex, Thread, lock};

    /// The places that were looked at, and whether they were in an initialiser.
    static SEEN: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);

    /// Whether this place waits in an initialiser. Says so if it does.
    #[cold]
    #[expect(clippy::print_stderr, reason = "there is nobody to return it to")]
    pub(crate) fn is_in_initialiser(place: &'static Location<'static>) -> bool {
        let is_new = lock(&SEEN).get_or_insert_default().insert(place);
        if !is_new {
            return false;
        }
        let backtrace = Backtrace::force_capture();
        // Putting names to addresses takes more stack than a fiber may have.
        let names = Thread::new().spawn(move || backtrace.to_string());
        let names = names.ok().and_then(|thread| thread.join().ok());
        let is_in_one = names.is_some_and(|names| is_one_initialising(&names));
        if is_in_one {
            // Each time it comes here.
            lock(&SEEN).get_or_insert_default().remove(place);
            eprintln!(
                "dtact: `wait` at {place} is called while a thread-local is initialised, which \
                 must not be suspended (see `Builder::enable_stackful`): it blocks the thread"
            );
        }
        is_in_one
    }

    /// Says that this place waits while a thread-local points into the fiber's stack; once.
    #[cold]
    #[expect(clippy::print_stderr, reason = "there is nobody to return it to")]
    pub(crate) fn say_pointed_into(place: &'static Location<'static>) {
        static SAID: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);
        if lock(&SAID).get_or_insert_default().insert(place) {
            eprintln!(
                "dtact: `wait` at {place} is called while a thread-local points into the fiber's \
                 stack, which must not be suspended (see `Builder::enable_stackful`): it blocks \
                 the thread"
            );
        }
    }

    /// Whether a frame is of the function of the standard library that runs initialisers.
    fn is_one_initialising(backtrace: &str) -> bool {
        let mut name = "";
        backtrace.lines().any(|line| {
            let line = line.trim_start();
            let is_place = line.starts_with("at ");
            if !is_place {
                name = line;
            }
            // Of what is inlined, some builds know the last part of the name alone.
            let is_of_thread_local = name.contains("::thread_local::")
                || is_place && line.replace('\\', "/").contains("/sys/thread_local/");
            is_of_thread_local && (name.contains("get_or_init_slow") || name.contains("initialize"))
        })
    }

    #[cfg(test)]
    mod tests {
        use super::is_one_initialising;

        #[test]
        fn the_function_that_runs_initialisers_is_known_by_its_name_or_its_place() {
            let place = "  at /rustc/1/library/std/src/sys/thread_local/native/lazy.rs:1:2";
            let whole = "3: std::sys::thread_local::native::lazy::Storage<T,D>::get_or_init_slow";
            assert!(is_one_initialising(&format!("{whole}\n{place}\n")));
            assert!(is_one_initialising(&format!(
                "3: initialize<u8, ()>\n{place}\n"
            )));
            let elsewhere = "  at ./src/thread_local.rs:1:2";
            assert!(!is_one_initialising(&format!(
                "3: initialize\n{elsewhere}\n"
            )));
            assert!(!is_one_initialising(&format!(
                "3: main\n{place}\n4: initialize\n"
            )));
        }
    }
}
