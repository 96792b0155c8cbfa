//! Workloads for fibers that keep a stack while they wait, over the calls that such runtimes share.

use std::{future::Future, hint::black_box, sync::mpsc};

use crate::{
    process::{self, Stopwatch, float},
    workload::{Figure, Place, Size, Workload},
};

/// Which work it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Waits that many times for what is ready.
    Ready,
    /// Two fibers on a worker yield by turns: each time one is suspended and one resumed.
    Yield,
    /// Spawns and joins closures one after the other.
    Serial,
    /// Spawns that many closures, then joins them.
    Batch,
    /// That many closures that wait.
    Parked,
}

/// The calls that runtimes with stacks share.
pub(crate) trait Stackful: Sized {
    type Handle: Send + 'static;
    fn start(workers: usize) -> Self;
    /// Runs a closure as a fiber, from a thread outside.
    fn run<F: FnOnce() + Send + 'static>(&self, body: F);
    fn spawn<F: FnOnce() + Send + 'static>(body: F) -> Self::Handle;
    fn join(handle: Self::Handle);
    fn yield_now();
    /// Waits for a future, if there is such a call.
    fn wait<F: Future>(future: F) -> Option<F::Output>;
}

/// Does the work, after a warm-up, and says how it went.
pub(crate) fn run<S: Stackful>(workload: &Workload, size: &Size) -> Vec<Figure> {
    let runtime = S::start(size.workers);
    let before = workload.before(size);
    if before > 0 {
        measure(&runtime, workload.kind_of_stackful(), before);
    }
    measure(&runtime, workload.kind_of_stackful(), size.count)
}

fn measure<S: Stackful>(runtime: &S, kind: Kind, count: usize) -> Vec<Figure> {
    let (done, figures) = mpsc::channel();
    runtime.run(move || {
        let watch = Stopwatch::start();
        match kind {
            Kind::Ready => ready::<S>(count),
            Kind::Yield => yields::<S>(count),
            Kind::Serial => (0..count).for_each(|_| S::join(S::spawn(|| {}))),
            Kind::Batch => batch::<S>(count),
            Kind::Parked => {
                done.send(parked::<S>(count)).expect("the other side waits");
                return;
            }
        }
        let figures = watch.figures(count);
        done.send(figures).expect("the other side waits");
    });
    figures.recv().expect("the fiber has sent them")
}

fn ready<S: Stackful>(count: usize) {
    for at in 0..count {
        black_box(S::wait(async { black_box(at) }));
    }
}

fn yields<S: Stackful>(count: usize) {
    [0, 1]
        .map(|_| S::spawn(move || (0..count / 2).for_each(|_| S::yield_now())))
        .into_iter()
        .for_each(S::join);
}

fn batch<S: Stackful>(count: usize) {
    let handles: Vec<_> = (0..count).map(|_| S::spawn(|| {})).collect();
    for handle in handles {
        S::join(handle);
    }
}

fn parked<S: Stackful>(count: usize) -> Vec<Figure> {
    // What the benchmark itself needs is there, and touched, before memory is looked at.
    let places: &'static [Place] = Place::make(count);
    let mut handles: Vec<_> = (0..count).map(|_| None).collect();
    let before = process::memory_bytes();
    let watch = Stopwatch::start();
    for (place, handle) in places.iter().zip(&mut handles) {
        let waits = || S::wait(place.wait()).unwrap_or_default();
        *handle = Some(S::spawn(waits));
    }
    while !places.iter().all(Place::is_taken) {
        S::yield_now();
    }
    let [spawn, _] = watch.ns();
    let bytes = process::memory_bytes() - before;
    let watch = Stopwatch::start();
    for place in places {
        assert!(place.wake(), "all wait");
    }
    handles.into_iter().flatten().for_each(S::join);
    let [wake, _] = watch.ns();
    let figure = |name, value| Figure {
        name,
        value: value / float(count),
    };
    vec![
        figure("B", bytes),
        figure("spawn ns", spawn),
        figure("wake ns", wake),
    ]
}
