//! A module of another name, for tests.

#[dtact::export_fiber]
fn not_of_the_library(text: String) {}
