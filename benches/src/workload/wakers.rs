//! Two tasks that take turns, by nothing but each other's waker.

use std::{
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
};

use crate::runtime::Calls;

/// Whose turn it is, and how each is woken. A task of all runtimes here keeps its waker for life;
/// elsewhere it would have to be replaced at each poll.
#[derive(Default)]
struct Turns {
    turn: AtomicUsize,
    wakers: [OnceLock<Waker>; 2],
}

impl Turns {
    /// Waits for the turn of `own`.
    async fn wait(&self, own: usize) {
        poll_fn(|cx| {
            self.wakers[own].get_or_init(|| cx.waker().clone());
            // SeqCst: beside `pass`, of which one looks for the waker that the other leaves.
            if self.turn.load(Ordering::SeqCst) % 2 == own {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Passes the turn to the other.
    fn pass(&self, own: usize) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Release);
        if let Some(waker) = self.wakers[1 - own].get() {
            waker.wake_by_ref();
        }
    }
}

/// So many turns there and back.
pub(super) async fn run<C: Calls>(calls: C, count: usize) {
    let turns = Arc::new(Turns::default());
    // Nobody passes a turn before both can be woken.
    let start = Arc::new(AtomicUsize::new(0));
    let handles = [0, 1].map(|own| {
        let turns = Arc::clone(&turns);
        let start = Arc::clone(&start);
        calls.spawn(async move {
            poll_fn(|cx| {
                turns.wakers[own].get_or_init(|| cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            start.fetch_add(1, Ordering::SeqCst);
            while start.load(Ordering::SeqCst) < 2 {
                calls.yield_now().await;
            }
            for _ in 0..count {
                turns.wait(own).await;
                turns.pass(own);
            }
        })
    });
    for handle in handles {
        calls.join(handle).await;
    }
}
