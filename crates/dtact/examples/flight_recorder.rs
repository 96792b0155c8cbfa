//! What the workers did last, for a trace viewer: open `trace.json` at <https://ui.perfetto.dev>.
//!
//! ```sh
//! cargo run --example flight_recorder > trace.json
//! ```

use std::{io, time::Duration};

use dtact::{Builder, spawn, trace, yield_now};

pub(crate) fn main() {
    let runtime = Builder::new()
        .workers(2)
        .flight_recorder(4096)
        .build()
        .expect("the machine has two threads");
    runtime.block_on(async {
        let (send, receive) = async_channel::bounded(4);
        let producer = spawn(async move {
            for number in 0..100 {
                send.send(number).await.expect("the consumer is there");
                yield_now().await;
            }
        });
        let mut sum = 0;
        while let Ok(number) = receive.recv().await {
            sum += number;
        }
        assert_eq!(sum, 4950);
        producer.await.expect("it does not panic");
    });
    runtime
        .shutdown(Duration::from_secs(10))
        .expect("all fibers have ended");
    let trace = runtime.trace().expect("it has a recorder");
    let report = trace::check(&trace);
    assert!(report.violations.is_empty(), "{report}");
    trace
        .to_chrome_json(io::stdout().lock())
        .expect("the output can be written");
}
