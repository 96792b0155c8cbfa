//! Many tasks that wait: what each takes in memory, and how fast all are made and woken.

use std::{
    future::poll_fn,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Instant,
};

use crate::{
    process::{self, float},
    runtime::Calls,
    workload::Figure,
};

/// Where one task waits, until it is woken.
#[derive(Default)]
pub(crate) struct Place {
    waker: Mutex<Option<Waker>>,
    is_woken: AtomicBool,
}

impl Place {
    /// So many of them, for ever.
    pub(crate) fn make(count: usize) -> &'static [Self] {
        let places: Vec<_> = (0..count).map(|_| Self::default()).collect();
        places.leak()
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_woken.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Wakes who waits here; false if nobody does yet.
    pub(crate) fn wake(&self) -> bool {
        let mut place = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waker) = place.take() else {
            return false;
        };
        self.is_woken.store(true, Ordering::Relaxed);
        drop(place);
        waker.wake();
        true
    }

    pub(crate) fn is_taken(&self) -> bool {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        waker.is_some()
    }
}

pub(super) async fn run<C: Calls>(calls: C, count: usize) -> Vec<Figure> {
    // What the benchmark itself needs is there, and touched, before memory is looked at.
    let places = Place::make(count);
    let mut handles: Vec<_> = (0..count).map(|_| None).collect();
    let before = process::memory_bytes();

    let begin = Instant::now();
    for (place, handle) in places.iter().zip(&mut handles) {
        *handle = Some(calls.spawn(async move { place.wait().await }));
    }
    while !places.iter().all(Place::is_taken) {
        calls.yield_now().await;
    }
    let spawn = begin.elapsed();
    let bytes = process::memory_bytes() - before;

    let begin = Instant::now();
    for place in places {
        assert!(place.wake(), "all wait");
    }
    for handle in handles.into_iter().flatten() {
        calls.join(handle).await;
    }
    let wake = begin.elapsed();

    let count = float(count);
    let figure = |name, value| Figure { name, value };
    vec![
        figure("B", bytes / count),
        figure("spawn ns", spawn.as_secs_f64() * 1e9 / count),
        figure("wake ns", wake.as_secs_f64() * 1e9 / count),
    ]
}
