//! What a mesh takes before it has done anything.
#![cfg(not(any(dtact_loom, dtact_shuttle)))]
#![allow(clippy::unwrap_used, reason = "only tests call it")]
#![allow(unsafe_code, reason = "counts what the allocator hands out")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use dtact_mesh::{ArrayLinks, Config, Mesh};
use support::{drain, id, task};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: it came from `System`, by `alloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Each worker has sent to each other one too, so that all mailboxes are made.
#[test]
fn sixteen_workers_take_less_than_four_megabytes() {
    const WORKERS: usize = 16;
    let before = BYTES.load(Ordering::Relaxed);
    let mesh = Mesh::new(Config::new(WORKERS, 1024), ArrayLinks::new(0)).unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| mesh.worker(id(at)).unwrap())
        .collect();
    let claimed = BYTES.load(Ordering::Relaxed) - before;
    assert!(claimed < 512 << 10, "{claimed} bytes");
    drop(workers);
    let links = ArrayLinks::new(WORKERS * WORKERS);
    let before = BYTES.load(Ordering::Relaxed);
    let mesh = Mesh::new(Config::new(WORKERS, 1024), links).unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| mesh.worker(id(at)).unwrap())
        .collect();
    for (from, worker) in workers.iter().enumerate() {
        for to in 0..WORKERS {
            worker.send_pinned(id(to), task(from * WORKERS + to));
        }
    }
    let used = BYTES.load(Ordering::Relaxed) - before;
    assert!(used < 4 << 20, "{used} bytes");
    let ran: usize = workers.iter().map(|worker| drain(worker).len()).sum();
    assert_eq!(ran, WORKERS * WORKERS);
}
