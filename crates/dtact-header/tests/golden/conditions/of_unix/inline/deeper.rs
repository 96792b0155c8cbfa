//! Below two modules with conditions.

#[dtact::export_async]
async fn deeper() {}
