//! What the macros expand to. Not for users: it changes without notice.

use core::{future::Future, time::Duration};
use std::process;

use crate::{Builder, Runtime};

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

pub use dtact_bridge::{
    dump_all,
    foreign::{CValue, export_async, export_fiber, export_local},
};
