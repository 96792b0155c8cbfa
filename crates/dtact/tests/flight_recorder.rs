//! The flight recorder: what it keeps, what it costs to have none, and the form for viewers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

use common::{LIMIT, bounded, stackful, until};
use dtact::{
    BuildError, Builder, FiberStatus, Runtime,
    time::sleep,
    trace::{self, Effect, End, EventKind, Trace},
    wait, yield_now,
};

/// A runtime that has done a little of everything, and ended.
fn worked(workers: usize, events: usize) -> (Runtime, Trace) {
    let runtime = stackful()
        .workers(workers)
        .stack("64K")
        .flight_recorder(events)
        .build()
        .unwrap();
    let handles: Vec<_> = (0..20)
        .map(|number| {
            runtime.spawn(async move {
                sleep(Duration::from_micros(number)).await;
                yield_now().await;
                wait(sleep(Duration::from_micros(number)));
            })
        })
        .collect();
    for handle in handles {
        handle.wait().unwrap();
    }
    runtime.spawn(std::future::pending::<()>()).abort();
    runtime.shutdown(LIMIT).unwrap();
    let trace = runtime.trace().unwrap();
    (runtime, trace)
}

#[test]
fn the_life_of_a_fiber_is_written_down_in_order() {
    bounded(|| {
        let runtime = Builder::new().workers(1).flight_recorder(256);
        let runtime = runtime.build().unwrap();
        let left = Arc::new(Mutex::new(None::<Waker>));
        let place = Arc::clone(&left);
        let handle = runtime.spawn(async move {
            yield_now().await;
            let mut was_polled = false;
            poll_fn(|context| {
                *place.lock().unwrap() = Some(context.waker().clone());
                if std::mem::replace(&mut was_polled, true) {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        });
        let id = handle.id().unwrap();
        until("it is parked", || {
            let dump = runtime.dump();
            dump.fibers()[0].status() == FiberStatus::Parked
        });
        let waker = left.lock().unwrap().clone().unwrap();
        waker.wake();
        handle.wait().unwrap();
        runtime.shutdown(LIMIT).unwrap();
        let trace = runtime.trace().unwrap();
        assert!(trace.is_complete());
        let kinds: Vec<_> = trace
            .events()
            .iter()
            .filter(|event| event.fiber == Some(id))
            .map(|event| event.kind)
            .collect();
        let expected = [
            EventKind::Spawn,
            EventKind::Poll,
            EventKind::Again,
            EventKind::Park,
            EventKind::Wake(Effect::Queued),
            EventKind::Poll,
            EventKind::Finish(End::Value),
        ];
        assert_eq!(kinds, expected, "{trace}");
    });
}

#[test]
fn a_full_ring_keeps_the_last_events_and_says_how_many_it_lost() {
    bounded(|| {
        let (_runtime, trace) = worked(1, 16);
        assert!(trace.lost() > 0, "{trace}");
        assert!(trace.events().len() <= 32, "two rings of 16: {trace}");
        let report = trace::check(&trace);
        assert!(report.violations.is_empty(), "{report}");
        assert!(report.fibers_begun_before > 0, "{report}\n{trace}");
        assert!(report.events_unchecked > 0, "{report}\n{trace}");
    });
}

#[test]
fn without_a_recorder_there_is_no_trace() {
    let runtime = Builder::new().workers(1).build().unwrap();
    assert!(runtime.trace().is_none());
}

#[test]
fn a_recorder_of_too_few_or_too_many_events_is_refused() {
    for events in [0, 15, (1 << 24) + 1] {
        let refused = Builder::new().workers(1).flight_recorder(events).build();
        let error = refused.expect_err("it is out of range");
        assert!(
            matches!(error, BuildError::BadRecorder { events: told } if told == events),
            "{error:?}"
        );
        assert!(error.to_string().contains("choose 16 to 16777216"));
    }
}

#[test]
fn a_trace_of_a_running_runtime_is_not_complete_and_in_order() {
    bounded(|| {
        let runtime = stackful().workers(4).stack("64K").flight_recorder(512);
        let runtime = runtime.build().unwrap();
        let busy: Vec<_> = (0..8)
            .map(|_| {
                runtime.spawn(async {
                    loop {
                        sleep(Duration::from_micros(20)).await;
                        wait(yield_now());
                    }
                })
            })
            .collect();
        for _ in 0..50 {
            let trace = runtime.trace().unwrap();
            assert!(!trace.is_complete());
            let report = trace::check(&trace);
            assert!(report.violations.is_empty(), "{report}");
        }
        until("something can be checked", || {
            let trace = runtime.trace().unwrap();
            trace::check(&trace).fibers > 0
        });
        drop(busy);
    });
}

#[test]
fn the_waits_of_woken_fibers_are_counted() {
    bounded(|| {
        let (_runtime, trace) = worked(2, 4096);
        let waits = trace.wake_to_run();
        let woken = trace.events().iter();
        let woken = woken.filter(|event| event.kind == EventKind::Wake(Effect::Queued));
        assert_eq!(waits.total(), woken.count() as u64, "{waits:?}\n{trace}");
        assert!(waits.quantile(0.5) <= waits.quantile(1.0));
    });
}

#[test]
fn the_form_for_viewers_is_json_with_what_viewers_need() {
    bounded(|| {
        let (_runtime, trace) = worked(2, 4096);
        let mut json = Vec::new();
        trace.to_chrome_json(&mut json).unwrap();
        let json = String::from_utf8(json).unwrap();
        let mut reader = Reader(&json);
        reader.value();
        reader.space();
        assert_eq!(reader.0, "", "there is more");
        let count = |what: &str| json.matches(what).count();
        let runs = trace.events().iter();
        let runs = runs.filter(|event| matches!(event.kind, EventKind::Poll | EventKind::Resume));
        assert_eq!(count(r#""ph":"X","name":"fiber"#), runs.count());
        assert_eq!(count(r#""name":"thread_name""#), 3);
        assert_eq!(count(r#""ph":"s""#), count(r#""ph":"f""#));
    });
}

/// Reads JSON, and panics where it is none (RFC 8259, without escapes in strings).
struct Reader<'text>(&'text str);

impl Reader<'_> {
    fn space(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn next_is(&mut self, token: &str) -> bool {
        self.space();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn string(&mut self) {
        assert!(self.next_is("\""), "no string: {:.40}", self.0);
        let (text, rest) = self.0.split_once('"').expect("it ends");
        assert!(!text.contains(['\\', '\n']), "not written here: {text}");
        self.0 = rest;
    }

    fn list(&mut self, end: &str, mut element: impl FnMut(&mut Self)) {
        if self.next_is(end) {
            return;
        }
        loop {
            element(self);
            if self.next_is(end) {
                return;
            }
            assert!(self.next_is(","), "no comma: {:.40}", self.0);
        }
    }

    fn value(&mut self) {
        if self.next_is("{") {
            self.list("}", |reader| {
                reader.string();
                assert!(reader.next_is(":"), "no colon: {:.40}", reader.0);
                reader.value();
            });
        } else if self.next_is("[") {
            self.list("]", Self::value);
        } else if self.0.starts_with('"') {
            self.string();
        } else {
            let is_part = |byte: char| byte.is_ascii_digit() || "+-.eE".contains(byte);
            let end = self.0.find(|byte| !is_part(byte)).unwrap_or(self.0.len());
            let (number, rest) = self.0.split_at(end);
            assert!(number.parse::<f64>().is_ok(), "no number: {:.40}", self.0);
            self.0 = rest;
        }
    }
}
