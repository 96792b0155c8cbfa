//! What becomes of a runtime one of whose fibers panics.

use std::process;

use dtact_arena::CellIndex;

use crate::{
    fiber_ref::FiberRef,
    runtime::{Shared, dump, shutdown},
};

/// What a runtime does when a panic reaches the root of one of its fibers: of its future's poll, or
/// of its future's destructor. The panic hook has run by then, and so have the fiber's destructors.
///
/// A cancelled fiber that unwinds does not panic. Nor does this concern panics of values that
/// nobody wants: those of outcomes without a handle, and of fiber-local values, end where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The panic is handed to who joins the fiber, as
    /// [`JoinError::Panicked`](crate::JoinError::Panicked), and concerns nobody else.
    #[default]
    Propagate,
    /// The process says which fiber it was, and aborts.
    Abort,
    /// The panic is handed to who joins the fiber, and the runtime begins to shut down: it cancels
    /// all other fibers, and spawns no more. Its threads are joined when it is
    /// [shut down](crate::Runtime::shutdown) or dropped.
    ShutDown,
}

impl Shared {
    /// Does what the policy says. The outcome of the fiber is in place.
    #[cold]
    pub(crate) fn heed_panic(&self, fiber: Option<FiberRef>) {
        match self.panic_policy {
            PanicPolicy::Propagate => {}
            PanicPolicy::Abort => self.abort(fiber),
            PanicPolicy::ShutDown => shutdown::begin(self),
        }
    }

    #[expect(clippy::print_stderr, reason = "the process ends here, and says why")]
    fn abort(&self, fiber: Option<FiberRef>) -> ! {
        let index = fiber.and_then(|fiber| CellIndex::from_raw(fiber.cell_raw()));
        match index.and_then(|index| dump::fiber(self, index)) {
            Some(fiber) => eprintln!("{fiber}"),
            None => eprintln!("a fiber"),
        }
        eprintln!("it has panicked, and `Builder::panic_policy` has that abort the process");
        process::abort();
    }
}
