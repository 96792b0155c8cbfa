//! Tests, which export for themselves.

#[dtact::export_fiber]
fn not_of_the_library(text: String) {}
