//! Making a stack, touching its highest page, and being done with it.

use std::ptr::{self, NonNull};

use corosensei::stack::{DefaultStack, Stack as _};
use dtact_arena::{StackCache, StackPool};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use crate::{compare, time};

const COUNT: u32 = 20_000;
const BYTES: usize = 64 * 1024;

/// Writes to the highest page of a stack.
fn touch(top: NonNull<u8>) {
    // SAFETY: the callers have a stack of 64 KiB below the top.
    let byte = unsafe { top.sub(64) };
    // SAFETY: as above.
    unsafe { byte.write_volatile(1) }
}

/// A mapping with a guard page for each stack, unmapped afterwards.
fn map_each() {
    let page_bytes = rustix::param::page_size();
    let bytes = BYTES + page_bytes;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel picks the place.
    let bottom = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) };
    let bottom = bottom.expect("68 KiB can be had");
    // SAFETY: the lowest page of the mapping just made.
    unsafe { mprotect(bottom, page_bytes, MprotectFlags::empty()) }.expect("one guard fits");
    // SAFETY: one past the mapping.
    let top = unsafe { bottom.cast::<u8>().add(bytes) };
    touch(NonNull::new(top).expect("a mapping is not at address 0"));
    // SAFETY: the mapping made above, used by nobody any more.
    unsafe { munmap(bottom, bytes) }.expect("a whole mapping");
}

/// Corosensei's own stack.
fn corosensei() {
    let stack = DefaultStack::new(BYTES).expect("64 KiB can be had");
    touch(NonNull::new(ptr::with_exposed_provenance_mut(stack.base().get())).expect("not 0"));
}

fn repeat(work: impl Fn()) -> f64 {
    time(COUNT, || (0..COUNT).for_each(|_| work()))
}

pub(crate) fn run(rounds: usize) {
    let builder = StackPool::builder().stack_bytes(BYTES).capacity(COUNT);
    let pool = builder.clone().build().expect("1.5 GiB of address space");
    let mut cache = StackCache::new(8);
    compare(
        "A guarded stack of 64 KiB, one page of it touched, and back",
        rounds,
        vec![
            (
                "a cache: the same few again and again",
                Box::new(|| {
                    time(COUNT, || {
                        for _ in 0..COUNT {
                            let stack = cache.take(&pool).expect("some are free");
                            touch(stack.top());
                            cache.give_back(&pool, stack);
                        }
                    })
                }),
            ),
            (
                "a new pool: each for the first time, unmapped together",
                Box::new(|| {
                    time(COUNT, || {
                        let pool = builder.clone().build().expect("1.5 GiB of address space");
                        for _ in 0..COUNT {
                            touch(pool.take(BYTES).expect("they fit").top());
                        }
                    })
                }),
            ),
            (
                "corosensei's `DefaultStack`",
                Box::new(|| repeat(corosensei)),
            ),
            ("mmap, mprotect, munmap", Box::new(|| repeat(map_each))),
        ],
    );
    compare(
        "A guarded stack of 64 KiB, untouched, all held together",
        rounds,
        vec![
            (
                "a new pool",
                Box::new(|| {
                    time(COUNT, || {
                        let pool = builder.clone().build().expect("1.5 GiB of address space");
                        let stacks: Vec<_> = (0..COUNT)
                            .map(|_| pool.take(BYTES).expect("they fit"))
                            .collect();
                        drop(stacks);
                    })
                }),
            ),
            (
                "corosensei's `DefaultStack`",
                Box::new(|| {
                    time(COUNT, || {
                        let stacks: Vec<_> = (0..COUNT)
                            .map(|_| DefaultStack::new(BYTES).expect("64 KiB can be had"))
                            .collect();
                        drop(stacks);
                    })
                }),
            ),
        ],
    );
}
