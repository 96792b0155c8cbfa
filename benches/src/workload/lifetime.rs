//! A runtime that does nothing: starting and stopping it, and what it costs between.

use std::{thread, time::Duration};

use crate::{
    process::{self, Stopwatch, float},
    runtime::Runtime,
    workload::{CPU, Figure},
};

/// Starts and stops a runtime so many times.
pub(super) fn start_and_stop<R: Runtime>(workers: usize, count: usize) -> Vec<Figure> {
    let watch = Stopwatch::start();
    for _ in 0..count {
        R::start(workers, 0).stop();
    }
    let [wall, cpu] = watch.ns();
    let us = |name, ns: f64| Figure {
        name,
        value: ns / 1e3 / float(count),
    };
    vec![us("µs", wall), us("CPU µs", cpu)]
}

/// Lets a runtime be for so many milliseconds, after it has had something to do.
pub(super) fn idle<R: Runtime>(runtime: &R, ms: usize) -> Vec<Figure> {
    runtime.inside(async {});
    thread::sleep(Duration::from_millis(50));
    let (cpu, sleeps) = (process::cpu_ns(), process::sleeps());
    thread::sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)));
    let figure = |name, value| Figure { name, value };
    let seconds = float(ms) / 1e3;
    // The thread that sleeps here is woken once, and looking takes time too.
    let own = 1.0;
    vec![
        figure(CPU, (process::cpu_ns() - cpu) / seconds),
        figure(
            "wake-ups",
            (process::sleeps() - sleeps - own).max(0.0) / seconds,
        ),
    ]
}
