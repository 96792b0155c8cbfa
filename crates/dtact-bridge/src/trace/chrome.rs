//! The "Trace Event Format" in JSON, which Chrome and [Perfetto](https://ui.perfetto.dev) show.
//!
//! Each worker is a thread: what it runs is a slice, its sleep another. Wakes and spawns are marks,
//! with an arrow to where the fiber runs next.

use core::time::Duration;
use std::{
    collections::HashMap,
    io::{self, Write},
};

use crate::{
    FiberId,
    trace::{Effect, Event, EventKind, Trace},
};

/// The row of the threads that are no workers.
const ELSEWHERE: u32 = 1 << 16;

/// Writes the elements of the list.
struct Rows<W> {
    out: W,
    is_first: bool,
}

/// Something that has begun on a worker.
struct Open {
    name: String,
    since: Duration,
}

impl Trace {
    /// Writes the trace in the form that `chrome://tracing` and <https://ui.perfetto.dev> open: the
    /// "Trace Event Format" of Chromium's project "catapult", in JSON.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// use dtact_bridge::Builder;
    ///
    /// let runtime = Builder::new().workers(1).flight_recorder(1024).build()?;
    /// runtime.block_on(async { dtact_bridge::yield_now().await });
    /// let mut json = Vec::new();
    /// runtime.trace().expect("it has a recorder").to_chrome_json(&mut json)?;
    /// assert!(json.starts_with(b"{\"traceEvents\":["));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_chrome_json(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"{\"traceEvents\":[")?;
        let mut rows = Rows {
            out,
            is_first: true,
        };
        self.name_rows(&mut rows)?;
        let mut open = HashMap::<u32, Open>::new();
        let mut arrows = HashMap::<FiberId, usize>::new();
        for (number, event) in self.events().iter().enumerate() {
            rows.event(event, &mut open)?;
            rows.arrow(number, event, &mut arrows)?;
        }
        // What runs on has no end yet.
        for (row, open) in open {
            rows.slice(row, &open, self.until().max(open.since))?;
        }
        rows.out.write_all(b"\n],\"displayTimeUnit\":\"ns\"}\n")?;
        rows.out.flush()
    }

    fn name_rows<W: Write>(&self, rows: &mut Rows<W>) -> io::Result<()> {
        let mut seen: Vec<_> = self.events().iter().map(|event| event.worker).collect();
        seen.sort_unstable();
        seen.dedup();
        for worker in seen {
            let name = worker.map_or_else(
                || "other threads".to_owned(),
                |worker| format!("worker {worker}"),
            );
            rows.raw(&format!(
                r#"{{"ph":"M","name":"thread_name","pid":1,"tid":{},"args":{{"name":"{name}"}}}}"#,
                row_of(worker)
            ))?;
        }
        Ok(())
    }
}

impl<W: Write> Rows<W> {
    fn raw(&mut self, json: &str) -> io::Result<()> {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        write!(self.out, "{comma}\n{json}")
    }

    fn slice(&mut self, row: u32, open: &Open, until: Duration) -> io::Result<()> {
        let (since, name) = (micros(open.since), &open.name);
        let lasted = micros(until.saturating_sub(open.since));
        self.raw(&format!(
            r#"{{"ph":"X","name":"{name}","pid":1,"tid":{row},"ts":{since},"dur":{lasted}}}"#
        ))
    }

    fn mark(&mut self, event: &Event, what: &str) -> io::Result<()> {
        let fiber = event.fiber.map(|fiber| fiber.to_string());
        let fiber = fiber.unwrap_or_default();
        self.raw(&format!(
            r#"{{"ph":"i","s":"t","name":"{what} {fiber}","pid":1,"tid":{},"ts":{}}}"#,
            row_of(event.worker),
            micros(event.at)
        ))
    }

    fn event(&mut self, event: &Event, open: &mut HashMap<u32, Open>) -> io::Result<()> {
        let row = row_of(event.worker);
        match event.kind {
            EventKind::Poll | EventKind::Resume => {
                let fiber = event.fiber.map(|fiber| fiber.to_string());
                let name = format!("fiber {}", fiber.unwrap_or_default());
                self.begin(row, name, event.at, open)
            }
            EventKind::Sleep => self.begin(row, "asleep".to_owned(), event.at, open),
            EventKind::Requeue
            | EventKind::Park
            | EventKind::Suspend
            | EventKind::SuspendQueued
            | EventKind::Rise => self.end(row, event.at, open),
            EventKind::Finish(_) => {
                self.mark(event, "end of")?;
                self.end(row, event.at, open)
            }
            EventKind::Spawn => self.mark(event, "spawn"),
            EventKind::Wake(Effect::Stale) => self.mark(event, "stale wake of"),
            EventKind::Wake(_) => self.mark(event, "wake"),
            EventKind::Cancel(_) => self.mark(event, "cancel"),
            EventKind::Again => self.mark(event, "again"),
        }
    }

    fn begin(
        &mut self,
        row: u32,
        name: String,
        since: Duration,
        open: &mut HashMap<u32, Open>,
    ) -> io::Result<()> {
        // Its end is lost if it is still there.
        self.end(row, since, open)?;
        open.insert(row, Open { name, since });
        Ok(())
    }

    fn end(&mut self, row: u32, at: Duration, open: &mut HashMap<u32, Open>) -> io::Result<()> {
        match open.remove(&row) {
            Some(open) => self.slice(row, &open, at),
            None => Ok(()),
        }
    }

    /// The arrow from what queued a fiber to where it is run.
    fn arrow(
        &mut self,
        number: usize,
        event: &Event,
        arrows: &mut HashMap<FiberId, usize>,
    ) -> io::Result<()> {
        let Some(fiber) = event.fiber else {
            return Ok(());
        };
        let (ph, id) = match event.kind {
            EventKind::Spawn
            | EventKind::Wake(Effect::Queued)
            | EventKind::Cancel(Effect::Queued) => {
                arrows.insert(fiber, number);
                (r#""ph":"s""#, number)
            }
            EventKind::Poll | EventKind::Resume => match arrows.remove(&fiber) {
                Some(id) => (r#""ph":"f","bp":"e""#, id),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.raw(&format!(
            r#"{{{ph},"name":"queued","cat":"queue","id":{id},"pid":1,"tid":{},"ts":{}}}"#,
            row_of(event.worker),
            micros(event.at)
        ))
    }
}

fn row_of(worker: Option<u16>) -> u32 {
    worker.map_or(ELSEWHERE, u32::from)
}

/// The unit of the format, with all digits that there are.
fn micros(time: Duration) -> String {
    let nanos = time.as_nanos();
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}
