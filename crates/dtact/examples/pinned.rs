//! Futures that are not `Send`: they are spawned on a worker and stay there, and share what no
//! other thread may touch.
//!
//! ```sh
//! cargo run --example pinned
//! ```
#![allow(clippy::print_stdout, reason = "examples print")]
#![allow(clippy::future_not_send, reason = "that is what it is about")]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use dtact::{Runtime, spawn_local, yield_now};

/// Counts words, in parts that run by turns on one thread: no lock, no atomic.
async fn count(texts: &'static [&'static str]) -> BTreeMap<&'static str, u32> {
    let counts = Rc::new(RefCell::new(BTreeMap::new()));
    let parts: Vec<_> = texts
        .iter()
        .map(|text| {
            let counts = Rc::clone(&counts);
            spawn_local(async move {
                for word in text.split_whitespace() {
                    *counts.borrow_mut().entry(word).or_insert(0) += 1;
                    yield_now().await;
                }
            })
        })
        .collect();
    for part in parts {
        part.await.expect("it does not panic");
    }
    Rc::try_unwrap(counts)
        .expect("the parts have ended")
        .into_inner()
}

pub(crate) fn main() {
    let runtime = Runtime::new().expect("the defaults suit every machine");
    // The fiber itself is not `Send` either, so it is spawned by one that is.
    let counts = runtime.spawn(async { spawn_local(count(&["to be or", "not to be"])).await });
    let counts = counts
        .wait()
        .expect("it does not panic")
        .expect("nor does that");
    println!("{counts:?}");
    assert_eq!(counts["be"], 2);
}
