//! What the process has used: time, memory, turns on a processor.

use std::{fs, future::Future, time::Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::workload::{CPU, Figure, WALL};

/// Wall time and processor time from one moment on.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            cpu: cpu_ns(),
            wall: Instant::now(),
        }
    }

    /// Wall and processor time until now, in nanoseconds.
    pub(crate) fn ns(&self) -> [f64; 2] {
        let wall = self.wall.elapsed().as_secs_f64() * 1e9;
        [wall, cpu_ns() - self.cpu]
    }

    /// Both for each of so many operations.
    pub(crate) fn figures(&self, count: usize) -> Vec<Figure> {
        figures_of(self.ns(), count)
    }

    /// Drives a future of so many operations.
    pub(crate) async fn around(count: usize, future: impl Future<Output = ()>) -> Vec<Figure> {
        let watch = Self::start();
        future.await;
        watch.figures(count)
    }
}

pub(crate) fn figures_of([wall, cpu]: [f64; 2], count: usize) -> Vec<Figure> {
    let count = float(count);
    let figure = |name, value| Figure { name, value };
    vec![figure(WALL, wall / count), figure(CPU, cpu / count)]
}

/// Processor time of all threads, also of those that have ended, in nanoseconds.
pub(crate) fn cpu_ns() -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(
        clippy::cast_precision_loss,
        reason = "below 2^52 ns, which is 52 days"
    )]
    let ns = (tv_sec * 1_000_000_000 + tv_nsec) as f64;
    ns
}

/// Resident memory and page tables, in bytes.
pub(crate) fn memory_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let word = line.and_then(|line| line.split_whitespace().nth(1));
        word.and_then(|word| word.parse::<usize>().ok())
            .expect("Linux says so")
    };
    float((kib("RssAnon:") + kib("VmPTE:")) << 10)
}

/// How often a thread of the process has gone to sleep.
pub(crate) fn sleeps() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux says so");
    let of_one = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<usize>().ok()
    };
    float(tasks.flatten().filter_map(of_one).sum())
}

pub(crate) fn float(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = count as f64;
    count
}
