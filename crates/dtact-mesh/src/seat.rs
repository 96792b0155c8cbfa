//! Owns what a worker shares with the others: its ring, its mail and its parker.
//!
//! A seat is made when it is first needed (claimed, or sent to) and lasts as long as the mesh, so
//! tasks may wait in it while nobody sits there.
//!
//! # Mail
//! ```text
//!   worker s --push--> mailbox[s] --+                    +-- doorbell bit s % 64
//!   anyone   --push--> inbox -------+--> pinned tasks    +-- inbox head      } one cache line
//!                                                        +-- asleep
//! ```
//! The receiver swaps the doorbell to 0 *before* it empties the mailboxes whose bits it read; the
//! sender pushes *before* it sets its bit. If the sender's RMW comes first in the doorbell's order,
//! the receiver's Acquire swap reads from its release sequence and finds the task. If it comes
//! second, the bit stays and the next look finds it. Nothing is lost either way.
//!
//! | access | order | pairs with |
//! |---|---|---|
//! | doorbell RMW, sender | Release | the receiver's swap: the mailbox's `tail` is visible |
//! | doorbell swap, receiver | Acquire | the above |
//! | doorbell, inbox load | Relaxed | a hint; exact after the fence in *list* |
//! | `asleep` store | Relaxed | before a SeqCst fence; then the sleeper looks at its mail |
//! | `asleep` load, sender | Relaxed | after a SeqCst fence, which comes after the push |

use crossbeam_utils::CachePadded;

use crate::{
    inbox::Inbox,
    mailbox::Mailbox,
    park::Parker,
    pinned::Pinned,
    run_queue::RunQueue,
    stats::Counts,
    sync::{Arc, AtomicBool, AtomicU64, OnceLock, Ordering, fence},
    task::{Links, TaskIndex, WorkerId},
};

/// What a worker looks at each time it asks for a task: one cache line.
#[derive(Debug)]
struct Attention {
    doorbell: AtomicU64,
    inbox: Inbox,
    /// Whether the worker sleeps, or is about to and will look at its mail once more.
    asleep: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Seat {
    attention: CachePadded<Attention>,
    pub(crate) counts: CachePadded<Counts>,
    pub(crate) queue: Arc<RunQueue>,
    /// By sender; empty for a spare, which is sent to through its inbox alone.
    mailboxes: Box<[OnceLock<Box<Mailbox>>]>,
    pub(crate) parker: Parker,
}

impl Seat {
    /// A seat with mailboxes from so many senders, made when they first send.
    pub(crate) fn new(senders: usize) -> Self {
        Self {
            attention: CachePadded::new(Attention {
                doorbell: AtomicU64::new(0),
                inbox: Inbox::new(),
                asleep: AtomicBool::new(false),
            }),
            counts: CachePadded::new(Counts::default()),
            queue: Arc::new(RunQueue::new()),
            mailboxes: (0..senders).map(|_| OnceLock::new()).collect(),
            parker: Parker::new(),
        }
    }

    /// Whether there may be mail. Two relaxed loads of one line.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.attention.doorbell.load(Ordering::Relaxed) != 0 || !self.attention.inbox.is_empty()
    }

    /// From the worker `from` only: leaves `task` in its mailbox here, else in the inbox.
    pub(crate) fn send(&self, links: &impl Links, from: WorkerId, task: TaskIndex) {
        let Some(mailbox) = self.mailboxes.get(from.index()) else {
            return self.post(links, task);
        };
        match mailbox.get_or_init(|| Box::new(Mailbox::new())).push(task) {
            Ok(()) => {
                let bit = 1 << (from.index() % 64);
                self.attention.doorbell.fetch_or(bit, Ordering::Release);
                self.wake_if_asleep();
            }
            Err(task) => self.post(links, task),
        }
    }

    /// From any thread: leaves `task` in the inbox.
    pub(crate) fn post(&self, links: &impl Links, task: TaskIndex) {
        self.attention.inbox.push(links, task);
        self.wake_if_asleep();
    }

    fn wake_if_asleep(&self) {
        // SeqCst: the mail is left before we look; the sleeper says so before it looks.
        fence(Ordering::SeqCst);
        if self.attention.asleep.load(Ordering::Relaxed) {
            self.parker.unpark();
        }
    }

    /// Owner only: moves all mail to the end of `pinned`.
    #[cold]
    pub(crate) fn collect(&self, links: &impl Links, pinned: &Pinned) {
        if self.attention.doorbell.load(Ordering::Relaxed) != 0 {
            let mut rung = self.attention.doorbell.swap(0, Ordering::Acquire);
            while rung != 0 {
                let first = rung.trailing_zeros() as usize;
                rung &= rung - 1;
                for mailbox in self.mailboxes.iter().skip(first).step_by(64) {
                    while let Some(task) = mailbox.get().and_then(|mailbox| mailbox.pop()) {
                        pinned.push(links, task);
                    }
                }
            }
        }
        if !self.attention.inbox.is_empty() {
            self.attention.inbox.take_all(links, pinned);
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
}
