//! Switching around a ring of fibers: on stacks of the pool, whose tops lie on different cache
//! lines of their pages, and on stacks that all end at a page boundary.

use std::num::NonZeroUsize;
use std::ptr;

use dtact_arena::{Stack, StackPool};
use dtact_switch::{Context, ContextSwitcher, SameThreadNoFloat, StackBounds, Transfer};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::{compare, time};

const LAPS: u32 = 20_000;
const BYTES: usize = 64 * 1024;

/// Sends every message back.
///
/// # Safety
///
/// - Entered by a switch, on a fresh stack; each later switch resumes it where it stands.
unsafe extern "C" fn echo(first: Transfer) -> ! {
    let mut transfer = first;
    loop {
        // SAFETY: the resumer waits in the context it left.
        transfer = unsafe { SameThreadNoFloat::switch(transfer.from, transfer.message) };
    }
}

/// Fibers that echo, each suspended at the top of its stack.
struct Ring(Vec<Option<Context>>);

impl Ring {
    fn new(stacks: impl Iterator<Item = StackBounds>) -> Self {
        // SAFETY: the callers' stacks are theirs, stay, and are aligned.
        Self(
            stacks
                .map(|stack| Some(unsafe { Context::new(stack, echo) }))
                .collect(),
        )
    }

    /// Nanoseconds for one resume and suspend, around the ring.
    fn time(&mut self) -> f64 {
        let count = LAPS * u32::try_from(self.0.len()).expect("a small ring");
        time(count, || {
            for _ in 0..LAPS {
                for place in &mut self.0 {
                    let fiber = place.take().expect("every fiber is suspended");
                    // SAFETY: the fiber is suspended, and resumed once.
                    let transfer = unsafe { SameThreadNoFloat::switch(fiber, ptr::null_mut()) };
                    *place = Some(transfer.from);
                }
            }
        })
    }
}

/// Stacks that lie one after the other, `stride` bytes apart. They stay mapped.
fn plain_stacks(count: usize, stride: usize) -> Vec<StackBounds> {
    let bytes = NonZeroUsize::new(count * stride).expect("not zero");
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: the kernel picks the place.
    let bottom = unsafe { mmap_anonymous(ptr::null_mut(), bytes.get(), protection, flags) };
    let bottom: *mut u8 = bottom.expect("address space for the stacks").cast();
    (1..=count)
        .map(|place| {
            let at = |offset| {
                let place = bottom.wrapping_add(offset);
                ptr::NonNull::new(place).expect("a mapping is not at address 0")
            };
            StackBounds::new(at(place * stride), at(place * stride - BYTES))
        })
        .collect()
}

pub(crate) fn run(rounds: usize) {
    for count in [16, 32, 64, 128, 1024] {
        let capacity = u32::try_from(count).expect("a small ring");
        let pool = StackPool::builder().stack_bytes(BYTES).capacity(capacity);
        let pool = pool.build().expect("a small pool");
        let stacks: Vec<Stack> = (0..count)
            .map(|_| pool.take(BYTES).expect("they fit"))
            .collect();
        let mut coloured = Ring::new(
            stacks
                .iter()
                .map(|stack| StackBounds::new(stack.top(), stack.bottom())),
        );
        let mut plain = Ring::new(plain_stacks(count, BYTES).into_iter());
        let page_bytes = rustix::param::page_size();
        let mut odd = Ring::new(plain_stacks(count, BYTES + page_bytes).into_iter());
        compare(
            &format!("A resume and a suspend, around {count} fibers on stacks of 64 KiB"),
            rounds,
            vec![
                (
                    "the pool: coloured, an odd number of pages apart",
                    Box::new(|| coloured.time()),
                ),
                (
                    "tops at page boundaries, 64 KiB apart",
                    Box::new(|| plain.time()),
                ),
                (
                    "tops at page boundaries, 68 KiB apart",
                    Box::new(|| odd.time()),
                ),
            ],
        );
    }
}
