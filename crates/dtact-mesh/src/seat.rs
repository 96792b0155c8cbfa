//! Owns what a worker shares with the others: its rings, its mail and its parker.
//!
//! A seat is made when it is first needed (claimed, or sent to) and lasts as long as the mesh, so
//! tasks may wait in it while nobody sits there.
//!
//! # Mail
//! ```text
//!   worker s --push--> mailbox[s] --+                    +-- doorbell bit s % 63 }
//!   anyone   --push--> movable -----+--> rings           +-- doorbell bit 63     } one line
//!   anyone   --push--> inbox -------+--> pinned tasks    +-- inbox head          }
//!                                                        +-- asleep              }
//! ```
//! A mailbox holds both kinds, told apart by a tag. The receiver swaps the doorbell to 0 *before*
//! it empties the mailboxes whose bits it read; the sender pushes *before* it sets its bit. If the
//! sender's RMW comes first in the doorbell's order, the receiver's Acquire swap reads from its
//! release sequence and finds the task. If it comes second, the bit stays and the next look finds
//! it. Nothing is lost either way. The receiver is who is inside the seat's guard: the worker, or
//! somebody who raids it.
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | doorbell RMW, sender | Release | the receiver's swap: the mailbox's `tail` is visible |
//! | doorbell swap, receiver | Acquire | the above |
//! | doorbell, inbox load | Relaxed | a hint; exact after the fence in *list* |
//! | `asleep` store | Relaxed | before a SeqCst fence; then the sleeper looks at its mail |
//! | `asleep` load and swap, sender | Relaxed | after a SeqCst fence, which comes after the push |
//! | `accepts` store, owner | Relaxed | before a SeqCst fence; then it collects its mail |
//! | `accepts` load, sender | Relaxed | after a SeqCst fence, which comes after the push |

use crossbeam_utils::CachePadded;

use crate::{
    guard::Guard,
    inbox::Inbox,
    lane::Lane,
    mailbox::Mailbox,
    park::Parker,
    pinned::Pinned,
    private::Private,
    run_queue::RunQueue,
    stats::Counts,
    sync::{Arc, AtomicBool, AtomicU32, AtomicU64, OnceLock, Ordering, fence},
    task::{Links, Tagged, TaskIndex, WorkerId},
    watch::Stamp,
};

/// The doorbell bit of mail from no worker, that may move on.
const MOVABLE: u64 = 1 << 63;
const SENDER_BITS: usize = 63;

/// What a worker looks at each time it asks for a task: one cache line.
#[derive(Debug)]
struct Attention {
    doorbell: AtomicU64,
    inbox: Inbox,
    movable: Inbox,
    /// Whether the worker sleeps, or is about to and will look at its mail once more.
    asleep: AtomicBool,
}

/// What others look at before they send: written now and then.
#[derive(Debug)]
struct Notice {
    /// How many tasks wait for the worker, in steps.
    load: AtomicU32,
    /// Whether mail that may move on is welcome: there is a worker, and it is not blocked.
    accepts: AtomicBool,
    /// From how full a ring on it passes tasks on, in percent.
    threshold: AtomicU32,
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: WorkerId,
    attention: CachePadded<Attention>,
    notice: CachePadded<Notice>,
    pub(crate) counts: CachePadded<Counts>,
    pub(crate) stamp: CachePadded<Stamp>,
    pub(crate) private: Private,
    pub(crate) queue: Arc<RunQueue>,
    /// The rings of the other lanes, made when they are first used.
    lanes: Box<[OnceLock<Arc<RunQueue>>]>,
    /// By sender; empty for a spare, which is sent to through its inbox alone.
    mailboxes: Box<[OnceLock<Box<Mailbox>>]>,
    pub(crate) parker: Parker,
}

impl Seat {
    /// A seat with mailboxes from so many senders, made when they first send.
    pub(crate) fn new(id: WorkerId, senders: usize, threshold: u8) -> Self {
        Self {
            id,
            attention: CachePadded::new(Attention {
                doorbell: AtomicU64::new(0),
                inbox: Inbox::new(),
                movable: Inbox::new(),
                asleep: AtomicBool::new(false),
            }),
            notice: CachePadded::new(Notice {
                load: AtomicU32::new(0),
                accepts: AtomicBool::new(false),
                threshold: AtomicU32::new(threshold.into()),
            }),
            counts: CachePadded::new(Counts::new()),
            stamp: CachePadded::new(Stamp::new()),
            private: Private::new(Guard::new()),
            queue: Arc::new(RunQueue::new()),
            lanes: (0..Lane::COUNT).map(|_| OnceLock::new()).collect(),
            mailboxes: (0..senders).map(|_| OnceLock::new()).collect(),
            parker: Parker::new(),
        }
    }

    /// The ring of a lane, if it was ever used.
    pub(crate) fn lane(&self, lane: Lane) -> Option<&RunQueue> {
        if lane == Lane::NORMAL {
            return Some(&self.queue);
        }
        self.lanes[lane.index()].get().map(|queue| &**queue)
    }

    /// The ring of a lane other than the usual one, made if need be.
    pub(crate) fn lane_made(&self, lane: Lane) -> Arc<RunQueue> {
        let queue = self.lanes[lane.index()].get_or_init(|| Arc::new(RunQueue::new()));
        Arc::clone(queue)
    }

    /// Whether there may be mail. Two relaxed loads of one line.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.attention.doorbell.load(Ordering::Relaxed) != 0 || !self.attention.inbox.is_empty()
    }

    /// Whether something is to be had by a raid: a hint.
    pub(crate) fn has_private(&self) -> bool {
        !self.private.is_slot_empty()
            || !self.private.chunk().is_empty()
            || self.attention.doorbell.load(Ordering::Relaxed) != 0
    }

    /// From the worker `from` only: leaves `task` in its mailbox here, else in the inbox.
    pub(crate) fn send(&self, links: &impl Links, from: WorkerId, task: TaskIndex) {
        let pushed = self
            .mailbox(from)
            .is_some_and(|mailbox| mailbox.push(Tagged::pinned(task)).is_ok());
        if pushed {
            self.ring(from);
            self.wake_if_asleep();
        } else {
            self.post(links, task);
        }
    }

    /// From the worker `from` only: how many tasks it could send at once.
    pub(crate) fn room(&self, from: WorkerId) -> usize {
        self.mailbox(from).map_or(0, Mailbox::room)
    }

    /// From the worker `from` only: leaves tasks that may move on in its mailbox here, which has
    /// the room. False if the worker has gone away: then whoever sent it must see to them.
    #[must_use]
    pub(crate) fn deliver(&self, from: WorkerId, tasks: impl Iterator<Item = Tagged>) -> bool {
        let Some(mailbox) = self.mailbox(from) else {
            return true;
        };
        for task in tasks {
            let pushed = mailbox.push(task);
            debug_assert!(pushed.is_ok(), "the sender has made sure of the room");
        }
        self.ring(from);
        self.wake_if_asleep();
        self.accepts()
    }

    /// From any thread: leaves a task that may move on. False as in [`deliver`](Self::deliver).
    #[must_use]
    pub(crate) fn post_movable(&self, links: &impl Links, task: TaskIndex) -> bool {
        self.attention.movable.push(links, task);
        self.attention.doorbell.fetch_or(MOVABLE, Ordering::Release);
        self.wake_if_asleep();
        self.accepts()
    }

    /// From any thread: leaves `task` in the inbox. A raider, too, puts back there what it may not
    /// have: meanwhile the worker may have looked, found nothing, and gone to sleep.
    pub(crate) fn post(&self, links: &impl Links, task: TaskIndex) {
        self.attention.inbox.push(links, task);
        self.wake_if_asleep();
    }

    fn mailbox(&self, from: WorkerId) -> Option<&Mailbox> {
        let mailbox = self.mailboxes.get(from.index())?;
        Some(mailbox.get_or_init(|| Box::new(Mailbox::new())))
    }

    fn ring(&self, from: WorkerId) {
        let bit = 1 << (from.index() % SENDER_BITS);
        self.attention.doorbell.fetch_or(bit, Ordering::Release);
    }

    fn wake_if_asleep(&self) {
        // SeqCst: the mail is left before we look; the sleeper says so before it looks.
        fence(Ordering::SeqCst);
        if self.attention.asleep.load(Ordering::Relaxed) {
            self.parker.unpark();
        }
    }

    /// After a fence: wakes the worker, if it sleeps and nobody has just done so. It says again
    /// that it sleeps before it does.
    pub(crate) fn rouse(&self) -> bool {
        let asleep = &self.attention.asleep;
        let rouses = asleep.load(Ordering::Relaxed) && asleep.swap(false, Ordering::Relaxed);
        if rouses {
            self.parker.unpark();
        }
        rouses
    }

    /// For who is inside: takes all mail but the inbox.
    pub(crate) fn pull_mail(&self, links: &impl Links, mut take: impl FnMut(Tagged)) {
        let mut rung = self.attention.doorbell.swap(0, Ordering::Acquire);
        if rung & MOVABLE != 0 {
            let movable = Pinned::default();
            self.attention.movable.take_all(links, &movable);
            while let Some(task) = movable.pop(links) {
                take(Tagged::new(task));
            }
            rung &= !MOVABLE;
        }
        while rung != 0 {
            let first = rung.trailing_zeros() as usize;
            rung &= rung - 1;
            for mailbox in self.mailboxes.iter().skip(first).step_by(SENDER_BITS) {
                while let Some(task) = mailbox.get().and_then(|mailbox| mailbox.pop()) {
                    take(task);
                }
            }
        }
    }

    /// Owner only: all mail, pinned tasks to the end of `pinned`, the others to `movable`.
    #[cold]
    pub(crate) fn collect(
        &self,
        links: &impl Links,
        mut pinned: impl FnMut(TaskIndex),
        mut movable: impl FnMut(Tagged),
    ) {
        if self.attention.doorbell.load(Ordering::Relaxed) != 0 {
            let _inside = self.private.guard.enter();
            self.pull_mail(links, |task| {
                if task.is_pinned() {
                    pinned(task.task());
                } else {
                    movable(task);
                }
            });
        }
        if !self.attention.inbox.is_empty() {
            let taken = Pinned::default();
            self.attention.inbox.take_all(links, &taken);
            while let Some(task) = taken.pop(links) {
                pinned(task);
            }
        }
    }

    /// Owner only: back to the inbox, in their order, for whoever claims the seat next.
    pub(crate) fn put_back(&self, links: &impl Links, pinned: &Pinned) {
        while let Some(task) = pinned.pop(links) {
            self.attention.inbox.push(links, task);
        }
    }

    /// Owner only: from here on mail wakes it. A SeqCst fence and a look at the mail must follow.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.attention.asleep.store(asleep, Ordering::Relaxed);
    }

    /// Whether somebody sits here who is up. A hint, unless a fence came first.
    pub(crate) fn is_awake(&self) -> bool {
        !self.attention.asleep.load(Ordering::Relaxed) && self.accepts()
    }

    /// Owner only: whether it takes mail that may move on. When it says no, a fence and a look at
    /// the mail must follow.
    pub(crate) fn set_accepts(&self, accepts: bool) {
        self.notice.accepts.store(accepts, Ordering::Relaxed);
    }

    pub(crate) fn accepts(&self) -> bool {
        self.notice.accepts.load(Ordering::Relaxed)
    }

    /// Owner only: how many steps of tasks wait for it.
    pub(crate) fn set_load(&self, steps: u32) {
        self.notice.load.store(steps, Ordering::Relaxed);
    }

    /// A hint.
    pub(crate) fn load(&self) -> u32 {
        self.notice.load.load(Ordering::Relaxed)
    }

    pub(crate) fn set_threshold(&self, percent: u8) {
        self.notice
            .threshold
            .store(percent.into(), Ordering::Relaxed);
    }

    pub(crate) fn threshold(&self) -> u32 {
        self.notice.threshold.load(Ordering::Relaxed)
    }
}
