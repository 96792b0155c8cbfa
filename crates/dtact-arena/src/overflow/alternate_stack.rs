//! The stack on which a thread's signal handlers run when the one it runs on is full.

use core::marker::PhantomData;

use crate::error::ArenaError;
#[cfg(all(unix, not(miri)))]
use crate::region::Region;

/// An alternate signal stack of this thread (`sigaltstack(2)`), for as long as the value lives.
///
/// A thread that has one already keeps it: the standard library gives one to each thread that it
/// starts, in a program whose `main` is Rust's. Otherwise one is mapped, of the size that the
/// processor's registers ask for and 64 KiB, with a guard below. It takes memory when it is used.
///
/// Where there are no alternate stacks, on systems other than Unix and under Miri, it does nothing.
///
/// ```
/// use dtact_arena::overflow::AlternateStack;
///
/// # fn main() -> Result<(), dtact_arena::ArenaError> {
/// let alternate = AlternateStack::new()?;
/// // Run on pooled stacks here.
/// drop(alternate);
/// # Ok(())
/// # }
/// ```
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn needs_send<T: Send>() {}
/// needs_send::<dtact_arena::overflow::AlternateStack>();
/// ```
#[derive(Debug)]
#[must_use = "dropping it takes the alternate stack away"]
pub struct AlternateStack {
    /// The guard, and the stack above it; none where the thread had a stack.
    #[cfg(all(unix, not(miri)))]
    own: Option<Region>,
    is_of_thread: PhantomData<*const ()>,
}

#[cfg(all(unix, not(miri)))]
impl AlternateStack {
    /// Gives this thread an alternate stack, unless it has one.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Os`]: the system refused the memory or the stack.
    pub fn new() -> Result<Self, ArenaError> {
        let own = match crate::sys::signal::alternate_stack().map_err(refused)? {
            Some(_) => None,
            None => Some(install()?),
        };
        Ok(Self {
            own,
            is_of_thread: PhantomData,
        })
    }
}

#[cfg(not(all(unix, not(miri))))]
impl AlternateStack {
    /// Does nothing here.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn new() -> Result<Self, ArenaError> {
        Ok(Self {
            is_of_thread: PhantomData,
        })
    }
}

#[cfg(all(unix, not(miri)))]
#[allow(unsafe_code, reason = "gives mapped memory to the system")]
fn install() -> Result<Region, ArenaError> {
    use crate::sys::{Platform, System, signal};
    use core::num::NonZeroUsize;

    let guard_bytes = System::page_bytes();
    let bytes = guard_bytes + signal::alternate_stack_bytes();
    let region = Region::try_new(NonZeroUsize::MIN.saturating_add(bytes - 1))?;
    // SAFETY: the lowest page of a region made here, in which nothing lives.
    unsafe { System::guard_by_protection(region.bottom(), guard_bytes) }.map_err(refused)?;
    // SAFETY: the rest of the region, which is dropped only after the stack was taken away.
    unsafe { signal::set_alternate_stack(region.at(guard_bytes), region.bytes() - guard_bytes) }
        .map_err(refused)?;
    Ok(region)
}

#[cfg(all(unix, not(miri)))]
fn refused(errno: crate::error::Errno) -> ArenaError {
    ArenaError::Os {
        op: "giving a thread an alternate signal stack",
        errno,
    }
}

#[cfg(all(unix, not(miri)))]
impl Drop for AlternateStack {
    fn drop(&mut self) {
        use crate::sys::{Platform, System, signal};

        let Some(region) = self.own.take() else {
            return;
        };
        let bottom = region.at(System::page_bytes());
        let is_in_use =
            signal::alternate_stack().is_ok_and(|current| current == Some(bottom.as_ptr().cast()));
        if !is_in_use || signal::remove_alternate_stack().is_err() {
            // Somebody put another in its place, and may put it back; or this runs on it. The
            // memory then stays.
            #[expect(clippy::mem_forget, reason = "its drop would unmap a stack in use")]
            core::mem::forget(region);
        }
    }
}
