//! What it says of itself.
#![cfg(unix)]

mod child;

#[dtact::export_fiber]
fn inner() {}
