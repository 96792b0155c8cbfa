//! Standard error: messages, the progress bar, the totals.
//!
//! The bar needs no thread. Whoever gets something done looks at the clock, and the one that finds
//! the latest picture old draws the next.

use core::fmt::Display;
use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use dtact::Metrics;

use crate::print;

/// How long a picture of the bar stays.
const DRAW_MS: u64 = 100;

/// Clears the line of the bar.
const CLEAR: &[u8] = b"\r\x1b[K";

/// What has been done. All atomics are numbers of their own, and publish nothing: relaxed.
pub(crate) struct Report {
    start: Instant,
    /// Files printed.
    files: AtomicU64,
    /// Bytes hashed.
    bytes: AtomicU64,
    has_failed: AtomicBool,
    /// Where standard error is a terminal.
    has_bar: bool,
    /// When the bar was drawn, in milliseconds after the start.
    drawn_ms: AtomicU64,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            has_bar: io::stderr().is_terminal(),
            drawn_ms: AtomicU64::new(0),
        }
    }

    /// One more file has been printed.
    pub(crate) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.draw();
    }

    /// So many more bytes have been hashed.
    pub(crate) fn add_bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.draw();
    }

    /// Says what is wrong with a path. The program will end with status 1.
    pub(crate) fn error(&self, path: &[u8], error: &dyn Display) {
        self.has_failed.store(true, Ordering::Relaxed);
        let mut text = b"treehash: ".to_vec();
        print::escaped(&mut text, path);
        text.extend_from_slice(format!(": {error}\n").as_bytes());
        self.write(&text);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// The last line.
    pub(crate) fn totals(&self, metrics: &Metrics) {
        let Rates {
            files,
            seconds,
            files_per_second,
            megabytes_per_second,
            ..
        } = self.rates();
        let Metrics {
            spawned,
            stacks_live_max,
            ..
        } = metrics;
        let text = format!(
            "treehash: {files} files in {seconds:.3} s: {files_per_second:.0} files/s, \
             {megabytes_per_second:.1} MB/s; {spawned} fibers spawned, \
             at most {stacks_live_max} stacks live\n"
        );
        self.write(text.as_bytes());
    }

    #[inline]
    fn draw(&self) {
        if self.has_bar {
            self.draw_old();
        }
    }

    fn draw_old(&self) {
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let drawn_ms = self.drawn_ms.load(Ordering::Relaxed);
        if now_ms < drawn_ms + DRAW_MS {
            return;
        }
        // Of several that find it old, one draws.
        let (relaxed, ours) = (Ordering::Relaxed, &self.drawn_ms);
        if ours
            .compare_exchange(drawn_ms, now_ms, relaxed, relaxed)
            .is_ok()
        {
            let Rates {
                files,
                megabytes,
                files_per_second,
                megabytes_per_second,
                ..
            } = self.rates();
            self.write(
                format!(
                    "{files} files, {megabytes:.0} MB; \
                     {files_per_second:.0} files/s, {megabytes_per_second:.0} MB/s"
                )
                .as_bytes(),
            );
        }
    }

    /// Writes in one piece, over the bar.
    fn write(&self, text: &[u8]) {
        let clear = if self.has_bar { CLEAR } else { b"" };
        // Where standard error is gone, there is nowhere to say so.
        drop(io::stderr().write_all(&[clear, text].concat()));
    }

    #[expect(clippy::cast_precision_loss, reason = "they are rounded for people")]
    fn rates(&self) -> Rates {
        let files = self.files.load(Ordering::Relaxed);
        let megabytes = self.bytes.load(Ordering::Relaxed) as f64 / 1e6;
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        Rates {
            files,
            megabytes,
            seconds,
            files_per_second: files as f64 / seconds,
            megabytes_per_second: megabytes / seconds,
        }
    }
}

struct Rates {
    files: u64,
    /// Of a million bytes each.
    megabytes: f64,
    seconds: f64,
    files_per_second: f64,
    megabytes_per_second: f64,
}
