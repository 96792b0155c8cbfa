//! Without any.

#[dtact::export_fiber]
fn always() {}
