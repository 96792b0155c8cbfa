//! What the macros expand to. Not for users: it changes without notice.

use core::{future::Future, time::Duration};
use std::process;

use dtact_bridge::foreign::{self, Argument, CValue, Handle};

use crate::{Builder, ContextSwitcher, Runtime, SpawnBuilder};

/// How long `main` lets the fibers that are still alive take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// Runs an `async fn main` on the runtime of the process, configured by `builder`.
pub fn run_async<F: Future>(builder: Builder, main: F) -> F::Output {
    let runtime = start(builder);
    let output = runtime.block_on(main);
    end(runtime);
    output
}

/// Runs a `fn main` with the runtime of the process configured by `builder`.
pub fn run_sync<R>(builder: Builder, main: impl FnOnce() -> R) -> R {
    run_async(builder, async move { main() })
}

#[expect(clippy::print_stderr, reason = "the program ends here, and says why")]
fn start(builder: Builder) -> &'static Runtime {
    match Runtime::init_global(builder) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not be started: {error}");
            process::exit(1);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the program ends here, and says what it leaves"
)]
fn end(runtime: &Runtime) {
    if let Err(error) = runtime.shutdown(SHUTDOWN_DEADLINE) {
        eprintln!("warning: at the end of `main`: {error}");
    }
}

pub use dtact_bridge::dump_all;

/// An argument of C on its way into a fiber. `T` is named by the expansion, so that an error about
/// it points at where it was written.
pub const fn argument<T: CValue>(value: T) -> Argument<T> {
    Argument::new(value)
}

/// What `#[export_async]` expands to. `T` is named by the expansion too.
pub fn export_async<T: CValue, S: ContextSwitcher, F>(builder: SpawnBuilder<S>, future: F) -> Handle
where
    F: Future<Output = T> + Send + 'static,
{
    foreign::export_async(builder, future)
}

/// The same for a future that is not `Send`.
pub fn export_local<T, S, M, F>(builder: SpawnBuilder<S>, make: M) -> Handle
where
    T: CValue,
    S: ContextSwitcher,
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = T>,
{
    foreign::export_local(builder, make)
}

/// What `#[export_fiber]` expands to.
pub fn export_fiber<T: CValue, S: ContextSwitcher, F>(
    builder: SpawnBuilder<S>,
    closure: F,
) -> Handle
where
    F: FnOnce() -> T + Send + 'static,
{
    foreign::export_fiber(builder, closure)
}
