//! How long a parked task waits that a thread outside of the runtime wakes.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::float,
    runtime::{Calls, Runtime},
    workload::Figure,
};

/// Long enough for the workers to give up their search and to sleep.
const QUIET: Duration = Duration::from_micros(150);
/// Tasks that yield, for each worker, where they are to be busy.
const YIELDING: usize = 4;

struct Bell {
    begin: Instant,
    waker: Mutex<Option<Waker>>,
    /// When it was rung, in nanoseconds since `begin`; 0 when it was heard.
    rung: AtomicU64,
    /// When that was heard.
    heard: AtomicU64,
}

impl Bell {
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("not for centuries")
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is rung.
    async fn hear(&self) {
        poll_fn(|cx| {
            let mut waker = self.waker();
            if self.rung.load(Ordering::Acquire) != 0 {
                return Poll::Ready(());
            }
            *waker = Some(cx.waker().clone());
            drop(waker);
            Poll::Pending
        })
        .await;
        let now = self.now();
        self.rung.store(0, Ordering::Relaxed);
        self.heard.store(now, Ordering::Release);
    }

    /// Rings, and says how long it took until it was heard.
    fn ring(&self) -> f64 {
        self.heard.store(0, Ordering::Relaxed);
        let waker = loop {
            let waker = self.waker().take();
            match waker {
                Some(waker) => break waker,
                None => thread::sleep(QUIET),
            }
        };
        let rung = self.now().max(1);
        self.rung.store(rung, Ordering::Release);
        waker.wake();
        loop {
            let heard = self.heard.load(Ordering::Acquire);
            if heard != 0 {
                #[expect(clippy::cast_precision_loss, reason = "seconds at most")]
                let ns = heard.saturating_sub(rung) as f64;
                return ns;
            }
            thread::sleep(QUIET / 10);
        }
    }
}

pub(super) fn run<R: Runtime>(
    runtime: &R,
    workers: usize,
    count: usize,
    is_busy: bool,
) -> Vec<Figure> {
    let calls = runtime.calls();
    let bell = Arc::new(Bell {
        begin: Instant::now(),
        waker: Mutex::new(None),
        rung: AtomicU64::new(0),
        heard: AtomicU64::new(0),
    });
    let over = Arc::new(AtomicBool::new(false));
    let busy = if is_busy { YIELDING * workers } else { 0 };
    let mut ns = runtime.block_on(async {
        let yielding = |_| {
            let over = Arc::clone(&over);
            calls.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    calls.yield_now().await;
                }
            })
        };
        let yielding: Vec<_> = (0..busy).map(yielding).collect();
        let heard = Arc::clone(&bell);
        let hearing = calls.spawn(async move {
            for _ in 0..count {
                heard.hear().await;
            }
        });
        let ring = |_| {
            thread::sleep(QUIET);
            bell.ring()
        };
        let ns: Vec<_> = (0..count).map(ring).collect();
        over.store(true, Ordering::Relaxed);
        calls.join(hearing).await;
        for handle in yielding {
            calls.join(handle).await;
        }
        ns
    });
    ns.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the length"
        )]
        let at = (float(ns.len() - 1) * share) as usize;
        ns[at] / 1e3
    };
    let figure = |name, value| Figure { name, value };
    vec![figure("p50 µs", at(0.5)), figure("p99 µs", at(0.99))]
}
