//! Two kinds of coroutines on the stacks of one pool, with no runtime: those of dtact-switch, and
//! those of corosensei through an adapter of ten lines.
//!
//! `cargo run -p dtact-arena --features switch --example coroutines`
//!
//! With the argument `overflow` the last one recurses without end, and the handler says so.
#![allow(
    unsafe_code,
    reason = "acknowledges the contract of suspended stacks, and vouches for one"
)]
#![allow(clippy::print_stdout, reason = "an example talks to people")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use dtact_arena::overflow::{self, AlternateStack, Occupant, OccupantKind};
use dtact_arena::{PooledStack, StackPool};
use dtact_switch::{Coroutine, Stackful};

// SAFETY: no body here uses a thread-local while it suspends, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

static GENERATOR: OccupantKind =
    OccupantKind::new("generator", "the size given to `PooledStack::take`");

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Arc::new(StackPool::builder().capacity(100).build()?);

    // For a message instead of a bare signal: once in the process, once on each thread.
    overflow::install()?;
    let _alternate = AlternateStack::new()?;

    let stack = PooledStack::take(&pool, 64 * 1024)?;
    let squares = Coroutine::with_stack(STACKFUL, stack, |yielder, ()| {
        for number in 1..=5_u32 {
            yielder.suspend(number * number);
        }
    });
    println!("dtact-switch: {:?}", squares.collect::<Vec<_>>());
    #[cfg(unix)]
    println!("corosensei:   {:?}", of_corosensei::squares(&pool)?);
    println!("{:?}", pool.metrics());

    if std::env::args().any(|argument| argument == "overflow") {
        recurse(&pool)?;
    }
    Ok(())
}

/// What an overflow looks like.
fn recurse(pool: &Arc<StackPool>) -> Result<(), Box<dyn Error>> {
    #[expect(unconditional_recursion, reason = "it shall overflow")]
    fn deeper(depth: u64) -> u64 {
        black_box(depth) + deeper(depth + 1)
    }
    static OCCUPANT: Occupant = Occupant::new(&GENERATOR);
    OCCUPANT.set_id(1);
    OCCUPANT.set_name(Some(&"endless"));
    // SAFETY: a static stays where it is.
    unsafe { overflow::set_occupant(Some(&OCCUPANT)) };
    let stack = PooledStack::take(pool, 64 * 1024)?;
    let mut endless = Coroutine::<(), (), u64, _>::with_stack(STACKFUL, stack, |_, ()| deeper(0));
    println!("{:?}", endless.resume(()));
    Ok(())
}

/// The adapter.
#[cfg(unix)]
mod of_corosensei {
    use std::sync::Arc;

    use corosensei::Coroutine;
    use corosensei::stack::{Stack, StackPointer};
    use dtact_arena::{ArenaError, PooledStack, StackPool};

    struct OnPool(PooledStack);

    // SAFETY: a guard lies below the stack, since the pool was built with guards; the smallest
    // stack has 16 KiB. It stays out of the pool, and mapped, as long as the value lives.
    unsafe impl Stack for OnPool {
        fn base(&self) -> StackPointer {
            self.0.top().addr()
        }

        fn limit(&self) -> StackPointer {
            self.0.lowest().addr()
        }
    }

    /// The same numbers as those of the other.
    pub(crate) fn squares(pool: &Arc<StackPool>) -> Result<Vec<u32>, ArenaError> {
        let stack = OnPool(PooledStack::take(pool, 64 * 1024)?);
        let mut coroutine = Coroutine::<(), u32, (), _>::with_stack(stack, |yielder, ()| {
            for number in 1..=5_u32 {
                yielder.suspend(number * number);
            }
        });
        Ok(std::iter::from_fn(|| coroutine.resume(()).as_yield()).collect())
    }
}
