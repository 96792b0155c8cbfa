//! Of a module that has a condition.

#[dtact::export_fiber]
fn child() {}
