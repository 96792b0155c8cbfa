//! The attribute macros of dtact, which re-exports them: use them through `dtact`.
//!
//! | file | owns |
//! | --- | --- |
//! | `init.rs` | what `#[dtact_init]` becomes |
//! | `init/args.rs` | the arguments of `#[dtact_init]`, and what is wrong with them |
//! | `task.rs` | what `#[task]` becomes |
//! | `task/args.rs` | the arguments of `#[task]`, and what is wrong with them |
//! | `literal.rs` | counts and sizes, written as numbers or as strings |
//!
//! An expansion names one crate, `::dtact` or the one given by `crate = path`, and of it only
//! `Builder` and the hidden module `__private`, or `TaskFuture`, `TaskMetadata` and a switcher.
#![forbid(unsafe_code)]

mod init;
mod literal;
mod task;
mod variant;

use proc_macro::TokenStream;

/// Runs `main` on a runtime made for it.
///
/// It goes on a function without parameters, sync or async, with any return type. An async body is
/// driven by the runtime; a sync body runs on the calling thread while the runtime is there. The
/// runtime ends after the body.
///
/// # Arguments
///
/// Each is optional, and given at most once. A number may be written as a string too.
///
/// | argument | meaning |
/// | --- | --- |
/// | `workers = 4` | worker threads, at least 1; without it, what the builder chooses |
/// | `capacity = 1024` | fibers that can exist at once, from 1 to `u32::MAX` |
/// | `stack = "256K"` | bytes of each stack, at least 1; `K`, `M` and `G` are powers of 1024 |
/// | `topology = "Pinned"` | a variant of `TopologyMode` |
/// | `safety = "Safety2"` | a level of `SafetyLevel`; `Safety0` is `unsafe(safety0)` |
/// | `numa = 0` | the NUMA node that memory shall come from |
/// | `unsafe(safety0)` | no guards: promises what `Unguarded::promise` asks for |
/// | `unsafe(stackful)` | lets fibers suspend at any call depth; see below |
/// | `crate = path` | where `dtact` is, if it is not `::dtact` |
///
/// # The promise of `unsafe(stackful)`
///
/// It is what `Builder::enable_stackful` asks of its caller, under its `# Safety`. A crate that
/// forbids unsafe code cannot promise it.
///
/// # Errors
///
/// An unknown, repeated or badly written argument, and a function that this cannot run, are
/// errors at compile time that point at what is wrong.
///
/// # Examples
///
/// ```ignore (dtact depends on this crate, not the other way round)
/// #[dtact::dtact_init(workers = 2, stack = "256K")]
/// async fn main() {
///     let answer = dtact::spawn(async { 6 * 7 }).await;
///     println!("{answer:?}");
/// }
/// ```
#[proc_macro_attribute]
pub fn dtact_init(args: TokenStream, item: TokenStream) -> TokenStream {
    init::expand(args.into(), &item.into()).into()
}

/// Has an `async fn` say how its future is spawned: calling it gives a `TaskFuture`, which carries
/// that to whatever spawns it, and is awaited in place like any other future.
///
/// It goes on functions and on methods with `self`; generics, lifetimes, attributes and
/// documentation stay as they are.
///
/// # Arguments
///
/// Each is optional, and given at most once.
///
/// | argument | meaning |
/// | --- | --- |
/// | `name = "reader"` | the name of its fibers; without it, that of the function |
/// | `stack = "256K"` | the least bytes of their stacks, at most 8 MiB |
/// | `switcher = SameThreadFloat` | one of the four switchers: see `SpawnBuilder` |
/// | `priority = "High"` | a variant of `Priority` |
/// | `affinity = "SameCCX"` | a variant of `Affinity` |
/// | `kind = "IO"` | a variant of `WorkloadKind` |
/// | `crate = path` | where `dtact` is, if it is not `::dtact` |
///
/// Names may be written with quotes or without.
///
/// # The metadata
///
/// Beside a function `add`, of the same visibility, is a module `dtact_metadata_add` with `NAME`,
/// `STACK_SIZE` (as written), `STACK_SIZE_BYTES`, `PRIORITY`, `AFFINITY`, `KIND` (the names of the
/// variants) and the type `SWITCHER`. A method has none, since
/// modules cannot stand beside it; for the same reason this cannot be on a function without `self`
/// inside of an `impl`.
///
/// # Errors
///
/// An unknown, repeated or badly written argument, and a function that is not `async`, are errors
/// at compile time that point at what is wrong.
///
/// # Examples
///
/// ```ignore (dtact depends on this crate, not the other way round)
/// #[dtact::task(name = "adder", stack = "64K")]
/// async fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// let handle = dtact::spawn(add(1, 2)); // a fiber with this name and such a stack
/// let sum = add(3, 4).await; // in place
/// ```
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    task::expand(args.into(), &item.into()).into()
}
