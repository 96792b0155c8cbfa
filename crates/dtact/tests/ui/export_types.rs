//! What C cannot have is refused where it is written.

#![allow(unused_variables)]

use std::rc::Rc;

#[dtact::export_fiber]
fn text(n: u32, text: String) {
    drop(text);
}

#[dtact::export_fiber]
fn reference(value: &u32) {}

#[dtact::export_async]
async fn result() -> Result<u32, u32> {
    Ok(7)
}

#[dtact::export_fiber]
fn vector() -> Vec<u8> {
    Vec::new()
}

#[derive(Clone, Copy)]
struct Undeclared(u32);

#[dtact::export_async]
async fn undeclared(value: Undeclared) {}

#[dtact::export_async]
async fn not_send() {
    let shared = Rc::new(1);
    dtact::yield_now().await;
    drop(shared);
}

fn main() {}
