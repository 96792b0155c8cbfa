//! Owns what every worker may take from: the injector, for threads outside the mesh, and the
//! warehouse, for what no worker has room for. Each has a queue for each priority; the injector's
//! for normal tasks is cut into shards, of which each thread uses one.
//!
//! ```text
//!   ready   63 ... 60   59   58 ... 56   55 ... 0
//!           warehouse    -   injector    shards of the injector
//!           C  H  N  L       C  H  L     (normal tasks)
//! ```
//!
//! One word says which queues hold anything, so that looking costs one load. Each bit is written
//! under its queue's lock, and only when the queue becomes empty or ceases to be.

use core::cell::Cell;

use crossbeam_utils::CachePadded;

use crate::{
    attributes::Priority,
    shared_queue::SharedQueue,
    striped::Striped,
    sync::{AtomicU64, Ordering, counter},
    task::{Links, TaskIndex},
};

/// The most shards.
pub(crate) const SHARDS_MAX: usize = 56;
const CLASSES_AT: usize = 56;
const WAREHOUSE_AT: usize = 60;

#[derive(Debug)]
pub(crate) struct Shared {
    ready: CachePadded<AtomicU64>,
    shards: Box<[SharedQueue]>,
    /// Low, High, Critical.
    classes: [SharedQueue; 3],
    /// Low, Normal, High, Critical.
    warehouse: [SharedQueue; 4],
}

/// Where a task came from that a worker takes.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Origin {
    Injector,
    Warehouse,
}

thread_local! {
    /// One more than the number that chooses this thread's shard; 0 before it has one.
    static THREAD: Cell<usize> = const { Cell::new(0) };
}

/// The number of this thread among those that have injected anything, in any mesh.
fn thread_number() -> usize {
    static THREADS: counter::AtomicUsize = counter::AtomicUsize::new(0);
    if cfg!(any(dtact_loom, dtact_shuttle)) {
        return 0;
    }
    THREAD.with(|number| {
        if number.get() == 0 {
            // Relaxed: it only has to differ from the others'.
            number.set(THREADS.fetch_add(1, counter::Ordering::Relaxed) + 1);
        }
        number.get() - 1
    })
}

impl Shared {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            ready: CachePadded::new(AtomicU64::new(0)),
            shards: (0..shards).map(|_| SharedQueue::new()).collect(),
            classes: core::array::from_fn(|_| SharedQueue::new()),
            warehouse: core::array::from_fn(|_| SharedQueue::new()),
        }
    }

    /// Whether nothing is queued. One relaxed load: a hint, unless a fence came first.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.load(Ordering::Relaxed) == 0
    }

    /// Into the injector, from any thread.
    pub(crate) fn inject(&self, links: &impl Links, priority: Priority, task: TaskIndex) {
        let at = match priority {
            Priority::Normal => thread_number() % self.shards.len(),
            Priority::Low => CLASSES_AT,
            Priority::High => CLASSES_AT + 1,
            Priority::Critical => CLASSES_AT + 2,
        };
        self.queue(at).push(links, &self.ready, 1 << at, task);
    }

    /// Into the warehouse.
    pub(crate) fn store(&self, links: &impl Links, priority: Priority, list: &Striped) {
        let at = WAREHOUSE_AT + priority as usize;
        self.queue(at).append(links, &self.ready, 1 << at, list);
    }

    /// The priorities that hold anything, a bit each.
    pub(crate) fn priorities(&self) -> u8 {
        let ready = self.ready.load(Ordering::Relaxed);
        let (classes, mut mask) = (
            (ready >> CLASSES_AT & 0b111) as u8,
            (ready >> WAREHOUSE_AT) as u8,
        );
        // Low stays where it is, High and Critical make room for Normal.
        mask |= classes & 1 | (classes & 0b110) << 1;
        if ready & ((1 << SHARDS_MAX) - 1) != 0 {
            mask |= 1 << Priority::Normal as u8;
        }
        mask
    }

    /// Takes a share out of a queue of this priority: how many tasks, and where they were. `turn`
    /// decides between injector and warehouse, and with which shard to begin; `share` is told how
    /// many there are, and says how many of these are wanted, of which as many are taken as there
    /// is room for.
    pub(crate) fn take(
        &self,
        links: &impl Links,
        priority: usize,
        turn: usize,
        share: impl Fn(usize) -> usize,
        into: &mut [TaskIndex],
    ) -> Option<(usize, Origin)> {
        let injector = if priority == Priority::Normal as usize {
            0..self.shards.len()
        } else {
            let at = CLASSES_AT + priority.saturating_sub(1);
            at..at + 1
        };
        let middle = injector.start + turn / 2 % injector.len();
        let warehouse = WAREHOUSE_AT + priority;
        let is_first = turn % 2 == 1;
        let injectors = (middle..injector.end).chain(injector.start..middle);
        let [first, last] = [is_first, !is_first].map(|is_here| is_here.then_some(warehouse));
        for at in first.into_iter().chain(injectors).chain(last) {
            let bit = 1 << at;
            if self.ready.load(Ordering::Relaxed) & bit == 0 {
                continue;
            }
            let queue = self.queue(at);
            let wanted = share(queue.len()).min(into.len());
            let count = queue.take(links, &self.ready, bit, &mut into[..wanted]);
            if count > 0 {
                let origin = if at == warehouse {
                    Origin::Warehouse
                } else {
                    Origin::Injector
                };
                return Some((count, origin));
            }
        }
        None
    }

    /// The queue of this bit of `ready`.
    fn queue(&self, at: usize) -> &SharedQueue {
        match at {
            0..CLASSES_AT => &self.shards[at],
            CLASSES_AT..WAREHOUSE_AT => &self.classes[at - CLASSES_AT],
            _ => &self.warehouse[at - WAREHOUSE_AT],
        }
    }
}
