//! Fibers spawned for C: nothing of them but a name is given out.

use core::future::Future;

use dtact_switch::ContextSwitcher;

use super::{CValue, Handle};
use crate::{
    error::TrySpawnError,
    fiber::{
        body::{self, VTable},
        state::Owner,
        traits,
    },
    fiber_ref::FiberRef,
    runtime::{Runtime, Shared},
    spawn::{self, ClosureFuture, For, Options, place_or_box},
    spawn_builder::SpawnBuilder,
    wait::wait,
};

/// For whoever has the name, and can have the value.
struct ForName;

impl<F: Future<Output: CValue>> For<F> for ForName {
    const OWNER: Owner = Owner::Name;
    const VTABLE: &'static VTable = body::vtable_of_c::<F>();
    const VTABLE_ESCAPED: &'static VTable = body::vtable_of_c_escaped::<F>();
}

/// For nobody; whoever has the name can wait.
struct ForNobody;

impl<F: Future> For<F> for ForNobody {
    const OWNER: Owner = Owner::Nobody;
    const VTABLE: &'static VTable = {
        // The form of their handles leaves no room for another class.
        let class = body::class_of::<F>();
        assert!(
            matches!(class, Some(class) if class.index() == 0),
            "what is launched has to fit into the smallest cell"
        );
        body::vtable_of::<F>()
    };
    const VTABLE_ESCAPED: &'static VTable = body::vtable_of_escaped::<F>();
}

/// Spawns a fiber that runs a closure, and gives its name.
///
/// # Errors
///
/// Why it could not be spawned, and the closure.
#[inline]
pub fn spawn_closure_on<S, F, T>(
    runtime: &Runtime,
    builder: SpawnBuilder<S>,
    closure: F,
) -> Result<Handle, TrySpawnError<F>>
where
    S: ContextSwitcher,
    F: FnOnce() -> T + Send + 'static,
    T: CValue,
{
    closure_on::<_, _, ForName>(runtime.shared(), builder.options(), closure).map(Handle::new)
}

/// Spawns a fiber that runs a closure, of which nobody has to take care: its handle can be waited
/// for and cancelled, and need not be joined. The closure fits into 56 bytes.
///
/// # Errors
///
/// Why it could not be spawned, and the closure.
pub fn launch_on<S, F>(
    runtime: &Runtime,
    builder: SpawnBuilder<S>,
    closure: F,
) -> Result<Handle, TrySpawnError<F>>
where
    S: ContextSwitcher,
    F: FnOnce() + Send + 'static,
{
    closure_on::<_, _, ForNobody>(runtime.shared(), builder.options(), closure)
        .map(Handle::launched)
}

#[inline]
fn closure_on<F, T, W>(
    shared: &Shared,
    options: Options<'_>,
    closure: F,
) -> Result<FiberRef, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    W: For<ClosureFuture<F>>,
{
    let options = options.with(traits::CLOSURE | shared.traits_of_all);
    let future = ClosureFuture::new(closure);
    place_or_box::<_, W>(shared, options, future).map_err(|refused| TrySpawnError {
        error: refused.error,
        rejected: refused.rejected.into_inner(),
    })
}

/// What `#[export_async]` expands to: spawns a fiber that runs a future, and gives its name to C.
///
/// It runs on the runtime at hand: see [`spawn`](crate::spawn()). [`Handle::NONE`], which is 0,
/// where it cannot be spawned.
///
/// C waits with `dtact_await`, and has the value from `dtact_fiber_join_into`. A future that holds
/// raw pointers is not `Send`: [`export_local`].
///
/// # Examples
///
/// ```
/// use dtact_bridge::{foreign::{Handle, dtact_await, export_async}, spawn_with};
///
/// async fn double(n: u32) -> u32 {
///     2 * n
/// }
///
/// // extern "C" fn dtact_export_double(n: u32) -> dtact_handle_t
/// let handle: Handle = export_async(spawn_with(), double(21));
/// dtact_await(handle)?;
/// handle.detach()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn export_async<S, F>(builder: SpawnBuilder<S>, future: F) -> Handle
where
    S: ContextSwitcher,
    F: Future<Output: CValue> + Send + 'static,
{
    spawn::by_name_at_hand(future, |shared, future| {
        let options = builder.options().with(shared.traits_of_all);
        place_or_box::<_, ForName>(shared, options, future)
    })
}

/// What `#[export_fiber]` expands to: spawns a fiber that runs a closure on a stack, on the runtime
/// at hand, and gives its name to C. As [`export_async`] otherwise.
pub fn export_fiber<S, F, T>(builder: SpawnBuilder<S>, closure: F) -> Handle
where
    S: ContextSwitcher,
    F: FnOnce() -> T + Send + 'static,
    T: CValue,
{
    spawn::by_name_at_hand(closure, |shared, closure| {
        closure_on::<_, _, ForName>(shared, builder.options(), closure)
    })
}

/// As [`export_async`], for a future that is not `Send`, such as one that holds raw pointers of C:
/// it is made in the fiber, stays on its stack, and so on its thread.
pub fn export_local<S, M, F>(builder: SpawnBuilder<S>, make: M) -> Handle
where
    S: ContextSwitcher,
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output: CValue>,
{
    export_fiber(builder, move || wait(make()))
}
