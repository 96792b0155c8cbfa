//! Spans and events for `tracing`, by a subscriber that writes them all down.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

use common::{bounded, stackful};
use dtact::{spawn_with, task, wait, yield_now};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

type Fields = HashMap<&'static str, String>;

/// What a subscriber is told, in order.
#[derive(Clone, Debug)]
enum Told {
    New(u64, &'static str, Fields),
    Recorded(u64, Fields),
    Entered(u64),
    Exited(u64),
    Closed(u64),
    Event(&'static str, Fields),
}

#[derive(Default)]
struct Inner {
    told: Mutex<Vec<(ThreadId, Told)>>,
    counts: Mutex<HashMap<u64, usize>>,
    next: AtomicU64,
}

#[derive(Clone, Default)]
struct Writer(Arc<Inner>);

impl Writer {
    fn tell(&self, told: Told) {
        let mut all = self.0.told.lock().unwrap();
        all.push((thread::current().id(), told));
    }
}

struct Reader(Fields);

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name(), text);
    }
}

impl Subscriber for Writer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert!(span.is_root(), "a fiber is nobody's part");
        assert_eq!(span.metadata().target(), "tokio::task");
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Reader(Fields::new());
        span.record(&mut fields);
        self.0.counts.lock().unwrap().insert(id, 1);
        self.tell(Told::New(id, span.metadata().name(), fields.0));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Reader(Fields::new());
        values.record(&mut fields);
        self.tell(Told::Recorded(span.into_u64(), fields.0));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Reader(Fields::new());
        event.record(&mut fields);
        self.tell(Told::Event(event.metadata().target(), fields.0));
    }

    fn enter(&self, span: &Id) {
        self.tell(Told::Entered(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.tell(Told::Exited(span.into_u64()));
    }

    fn clone_span(&self, id: &Id) -> Id {
        *self
            .0
            .counts
            .lock()
            .unwrap()
            .get_mut(&id.into_u64())
            .unwrap() += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut counts = self.0.counts.lock().unwrap();
        let count = counts.get_mut(&id.into_u64()).unwrap();
        *count -= 1;
        let is_last = *count == 0;
        drop(counts);
        if is_last {
            self.tell(Told::Closed(id.into_u64()));
        }
        is_last
    }
}

#[task(name = "by its macro")]
async fn named() {
    yield_now().await;
}

#[test]
fn each_fiber_has_a_span_that_is_entered_while_it_runs_and_its_wakers_tell() {
    let writer = Writer::default();
    tracing::subscriber::set_global_default(writer.clone()).unwrap();
    bounded(|| {
        for workers in common::WORKERS {
            let runtime = stackful().workers(workers).stack("256K").build().unwrap();
            runtime.block_on(async {
                let (there, comes) = async_channel::bounded::<u32>(1);
                let waits = spawn_with().name("waits").spawn_fn(move || {
                    for _ in 0..3 {
                        wait(comes.recv()).unwrap();
                    }
                });
                let sends = spawn_with().name("sends").spawn(async move {
                    for turn in 0..3 {
                        yield_now().await;
                        there.send(turn).await.unwrap();
                    }
                });
                let panics = spawn_with().name("panics").spawn(async {
                    yield_now().await;
                    std::panic::resume_unwind(Box::new(()));
                });
                let aborted = spawn_with()
                    .name("aborted")
                    .spawn(std::future::pending::<()>());
                aborted.abort();
                assert!(aborted.await.is_err() && panics.await.is_err());
                waits.await.unwrap();
                sends.await.unwrap();
                dtact::spawn(named()).await.unwrap();
            });
        }
    });
    let told = writer.0.told.lock().unwrap().clone();
    let mut names = HashMap::<String, usize>::new();
    let mut open = HashMap::new();
    let mut known_ids = HashSet::<u64>::new();
    // Which fiber each thread is in.
    let mut inside = HashMap::<ThreadId, u64>::new();
    let mut enters = HashMap::<u64, usize>::new();
    let mut ops = HashMap::<String, usize>::new();
    for (thread, told) in told {
        match told {
            Told::New(id, name, fields) => {
                assert_eq!((name, fields["kind"].as_str()), ("runtime.spawn", "task"));
                assert!(fields["loc.file"].ends_with("tracing.rs"), "{fields:?}");
                assert!(fields["loc.line"].parse::<u32>().unwrap() > 0);
                assert!(fields["loc.col"].parse::<u32>().unwrap() > 0);
                assert!(fields["task.id"].parse::<u64>().is_ok(), "{fields:?}");
                *names.entry(fields["task.name"].clone()).or_default() += 1;
                known_ids.insert(id);
                assert!(open.insert(id, fields["task.name"].clone()).is_none());
            }
            Told::Recorded(id, fields) => {
                assert_eq!(open[&id], "");
                *names.entry(fields["task.name"].clone()).or_default() += 1;
            }
            Told::Entered(id) => {
                assert!(open.contains_key(&id), "after its end");
                assert_eq!(inside.insert(thread, id), None, "two fibers on one thread");
                *enters.entry(id).or_default() += 1;
            }
            Told::Exited(id) => assert_eq!(inside.remove(&thread), Some(id)),
            Told::Closed(id) => {
                let name = open.remove(&id).expect("it closes once");
                let least = match name.as_str() {
                    "sends" => 4,
                    "panics" | "" => 2,
                    _ => 0,
                };
                let entered = enters.get(&id).copied().unwrap_or_default();
                assert!(entered >= least, "{name}: {entered}");
            }
            Told::Event(target, fields) => {
                assert_eq!(target, "tokio::task::waker");
                let id = fields["task.id"].parse().unwrap();
                // It may have ended since the waker looked.
                assert!(known_ids.contains(&id), "of nobody");
                *ops.entry(fields["op"].clone()).or_default() += 1;
            }
        }
    }
    assert!(open.is_empty() && inside.is_empty(), "{open:?}, {inside:?}");
    let runtimes = common::WORKERS.len();
    for name in ["waits", "sends", "panics", "aborted", "", "by its macro"] {
        assert_eq!(names.get(name), Some(&runtimes), "{name:?} in {names:?}");
    }
    let known = [
        "waker.clone",
        "waker.wake",
        "waker.wake_by_ref",
        "waker.drop",
    ];
    assert!(ops.keys().all(|op| known.contains(&op.as_str())), "{ops:?}");
    assert!(ops.contains_key("waker.clone"), "{ops:?}");
}
