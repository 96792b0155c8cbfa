//! The attribute macros of dtact, which re-exports them: use them through `dtact`.
//!
//! | file | owns |
//! | --- | --- |
//! | `init.rs` | what `#[dtact_init]` becomes |
//! | `init/args.rs` | the arguments of `#[dtact_init]`, and what is wrong with them |
//! | `task.rs` | what `#[task]` becomes |
//! | `task/args.rs` | the arguments of `#[task]` and of the exports, and what is wrong with them |
//! | `export.rs` | what `#[export_async]` and `#[export_fiber]` become |
//! | `literal.rs` | counts and sizes, written as numbers or as strings |
//!
//! An expansion names one crate, `::dtact` or the one given by `crate = path`, and of it only
//! `Builder` and the hidden module `__private`, or `TaskFuture`, `TaskMetadata` and a switcher, or
//! `spawn_with`, what its builder takes, and `dtact_handle_t`.
#![forbid(unsafe_code)]

mod export;
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

/// Has C spawn an `async fn`: beside the function `f` there is an entry point `dtact_export_f`,
/// which C calls with the function's arguments, and which returns the handle of the fiber.
///
/// ```c
/// dtact_handle_t dtact_export_f(uint32_t n); /* in the header that dtact-header writes */
///
/// dtact_handle_t fiber = dtact_export_f(21);
/// uint32_t result;
/// dtact_fiber_join_into(fiber, &result, sizeof result);
/// ```
///
/// The fiber runs on the runtime at hand. The handle is 0 where it cannot be spawned; else somebody
/// has to join or detach the fiber. A panic ends the fiber, and whoever joins it is told; none gets
/// to C.
///
/// Parameters and result are values that C can have, those of the trait `CValue` in
/// `dtact::foreign`: numbers, `bool`, raw pointers, `()`, and what it is implemented for. Where a
/// parameter is written with a raw pointer, the future is made on a stack of its own and stays on
/// one thread, for it is not `Send`. An `unsafe fn` has an unsafe entry point: what it asks for, C
/// has to keep.
///
/// # Arguments
///
/// Those of [`macro@task`], for the fiber: `name` (without it, that of the function), `stack`,
/// `switcher`, `priority`, `affinity`, `kind`, and `crate`.
///
/// # Errors
///
/// An unknown, repeated or badly written argument, a type that C cannot have, generics, `self`, and
/// a function that is not `async`, are errors at compile time that point at what is wrong. Two
/// functions of one name, in whatever modules, are refused as well, by the compiler or the linker.
///
/// # Examples
///
/// ```ignore (dtact depends on this crate, not the other way round)
/// #[dtact::export_async(priority = "High")]
/// async fn double(n: u32) -> u32 {
///     2 * n
/// }
/// ```
#[proc_macro_attribute]
pub fn export_async(args: TokenStream, item: TokenStream) -> TokenStream {
    export::expand(export::Form::Async, args.into(), &item.into()).into()
}

/// Has C spawn a plain `fn` on a stack: beside the function `f` there is an entry point
/// `dtact_export_fiber_f`. All that it calls can `wait`.
///
/// All else is as for [`macro@export_async`].
///
/// # Examples
///
/// ```ignore (dtact depends on this crate, not the other way round)
/// #[dtact::export_fiber(stack = "256K")]
/// fn depth(n: u64) -> u64 {
///     if n == 0 { dtact::wait(async { 0 }) } else { 1 + depth(n - 1) }
/// }
/// ```
#[proc_macro_attribute]
pub fn export_fiber(args: TokenStream, item: TokenStream) -> TokenStream {
    export::expand(export::Form::Fiber, args.into(), &item.into()).into()
}
